//! The addons of a cluster as commands see them: which are wanted, what they consist of, what the state store has.

use std::collections::{BTreeMap, BTreeSet};

use super::manifests;
use super::prepare::Site;
use super::specs::{Specs, open};
use crate::addons::context::Context;
use crate::addons::source::OWN_VERSION;
use crate::addons::{Catalogue, Rendered, render_all};
use crate::error::{Error, Result, did_you_mean};
use crate::resource::Addon;

/// What an update would do with an addon's manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The spec does not ask for it, and the store does not have it.
    Unwanted,
    /// The store has it as the spec asks.
    Current,
    /// The next update writes it.
    Missing,
    /// The next update changes it.
    Changed,
    /// The next update removes it.
    Superfluous,
}

impl State {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unwanted => "not wanted",
            State::Current => "current",
            State::Missing => "to be added",
            State::Changed => "to be changed",
            State::Superfluous => "to be removed",
        }
    }
}

/// One addon.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The release of what it runs.
    pub version: String,
    /// The first digits of the sha256 of the manifests that the state store has.
    pub digest: Option<String>,
    /// What it does.
    pub about: String,
    /// What an update would do.
    pub state: State,
}

/// What templates know of the cluster.
pub async fn context(site: &Site, specs: &Specs) -> Result<Context> {
    let (cluster, groups) = crate::spec::complete::complete(&specs.cluster, &specs.groups)?;
    Ok(Context::of(&cluster, &groups, &site.cloud.account().await?))
}

/// The wanted addons, rendered, those that others need first.
pub async fn rendered(site: &Site, specs: &Specs) -> Result<Vec<Rendered>> {
    let context = context(site, specs).await?;
    let manifests = manifests::fetch(site, &open(&site.store, specs.cluster.name())?, &context).await?;
    render_all(&context, &manifests.texts)
}

/// The same, limited to these names.
pub async fn named(site: &Site, specs: &Specs, names: &[String]) -> Result<Vec<Rendered>> {
    let mut all = rendered(site, specs).await?;
    for name in names {
        if !all.iter().any(|addon| addon.name == *name) {
            let known = Catalogue::load()?.iter().any(|addon| addon.about.name == *name);
            let why = if known { "is not wanted by the spec of" } else { "is no addon; asked for in" };
            let error = Error::failed(format!("{name} {why} cluster {}", specs.cluster.name()));
            let near = did_you_mean(name, all.iter().map(|addon| addon.name.as_str()));
            let error = near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?")));
            return Err(error.hint("kspot addons list"));
        }
    }
    all.retain(|addon| names.is_empty() || names.contains(&addon.name));
    Ok(all)
}

/// Every addon that kspot knows.
pub async fn list(site: &Site, specs: &Specs) -> Result<Vec<Listed>> {
    let store = open(&site.store, specs.cluster.name())?;
    let keys = store.keys();
    let prefix = keys.addons();
    let (rendered, entries) = futures::try_join!(rendered(site, specs), store.store().list(&prefix, None))?;
    let stored: BTreeMap<String, Addon> =
        entries.iter().filter_map(|e| Addon::parse(store.name(), keys.addon_of(&e.key)?)).collect();
    let state = |name: &str| {
        let wanted = rendered.iter().find(|r| r.name == name);
        let wanted = wanted.map(|r| Addon::new(store.name(), &r.version, r.yaml()));
        match (wanted, stored.get(name)) {
            (None, None) => State::Unwanted,
            (None, Some(_)) => State::Superfluous,
            (Some(_), None) => State::Missing,
            (Some(wanted), Some(there)) if wanted.digest == there.digest => State::Current,
            (Some(_), Some(_)) => State::Changed,
        }
    };
    let known = Catalogue::load()?.iter().map(|addon| (&addon.about.name, &addon.about.version, &addon.about.about));
    let mut listed: Vec<Listed> =
        known.map(|(name, version, about)| listed(name, version, about, state(name), stored.get(name))).collect();
    let is_own = |name: &str| !listed.iter().any(|addon| addon.name == name);
    let own: BTreeSet<&str> = rendered
        .iter()
        .map(|r| r.name.as_str())
        .chain(stored.keys().map(String::as_str))
        .filter(|n| is_own(n))
        .collect();
    let own: Vec<Listed> = own
        .into_iter()
        .map(|name| {
            self::listed(name, OWN_VERSION, "A manifest that spec.addons lists.", state(name), stored.get(name))
        })
        .collect();
    listed.extend(own);
    Ok(listed)
}

fn listed(name: &str, version: &str, about: &str, state: State, stored: Option<&Addon>) -> Listed {
    Listed {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: stored.map(|addon| addon.digest.clone()),
        about: about.to_owned(),
        state,
    }
}
