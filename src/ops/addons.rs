//! The addons of a cluster as commands see them: which are wanted, what they consist of, what the state store has.

use std::collections::BTreeMap;

use super::prepare::Site;
use super::specs::{Specs, open};
use crate::addons::context::Context;
use crate::addons::{Catalogue, Rendered, render};
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
    /// What it does.
    pub about: String,
    /// What an update would do.
    pub state: State,
}

/// The wanted addons, rendered, those that others need first.
pub async fn rendered(site: &Site, specs: &Specs) -> Result<Vec<Rendered>> {
    let (cluster, groups) = crate::spec::complete::complete(&specs.cluster, &specs.groups)?;
    let context = Context::of(&cluster, &groups, &site.cloud.account().await?);
    let all = Catalogue::load()?;
    all.iter().filter_map(|addon| render(addon, &context).transpose()).collect()
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
    let listed = Catalogue::load()?
        .iter()
        .map(|addon| Listed {
            name: addon.about.name.clone(),
            version: addon.about.version.clone(),
            about: addon.about.about.clone(),
            state: state(&addon.about.name),
        })
        .collect();
    Ok(listed)
}
