//! The addons of a cluster as commands see them: which are wanted, what they consist of, what the state store has.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;

use super::machines::PATIENCE;
use super::manifests;
use super::prepare::Site;
use super::specs::{Specs, open};
use crate::addons::catalogue::Target;
use crate::addons::context::Context;
use crate::addons::source::OWN_VERSION;
use crate::addons::{Catalogue, Rendered, render_all};
use crate::error::{Error, Result, did_you_mean};
use crate::kube::connect::in_time;
use crate::resource::Addon;
use crate::state::ClusterStore;
use crate::validate::view::Addon as Working;

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
    /// The same digits of the manifests that the spec asks for.
    pub wanted_digest: Option<String>,
    /// Whether what it consists of works in the cluster.
    pub ready: Ready,
    /// What does not, and why; or why nobody knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// Whether an addon works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// All of it that becomes ready is.
    Yes,
    /// Something of it is not.
    No,
    /// The API was not asked, or does not answer.
    Unknown,
    /// It is not wanted, or nothing of it becomes ready: rights, policies, manifests of the user's own.
    Nothing,
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

/// The addons of which the state store has something else than the spec asks for, which these are, and what an update would
/// do with each; with names only those.
pub async fn unlike(site: &Site, specs: &Specs, wanted: &[Rendered], only: &[String]) -> Result<Vec<(String, State)>> {
    let store = open(&site.store, specs.cluster.name())?;
    Ok(differing(&of_spec(&store, wanted), &of_store(&store).await?, only))
}

fn differing(
    wanted: &BTreeMap<&str, Addon>,
    stored: &BTreeMap<String, Addon>,
    only: &[String],
) -> Vec<(String, State)> {
    let names: BTreeSet<&str> = wanted.keys().copied().chain(stored.keys().map(String::as_str)).collect();
    let asked = names.into_iter().filter(|name| only.is_empty() || only.iter().any(|other| other == name));
    let states = asked.map(|name| (name.to_owned(), state(wanted.get(name), stored.get(name))));
    states.filter(|(_, state)| *state != State::Current).collect()
}

/// Addons as an update would write them.
fn of_spec<'a>(store: &ClusterStore, rendered: &'a [Rendered]) -> BTreeMap<&'a str, Addon> {
    rendered.iter().map(|r| (r.name.as_str(), Addon::new(store.name(), &r.version, r.yaml()))).collect()
}

/// The addons that the state store has.
async fn of_store(store: &ClusterStore) -> Result<BTreeMap<String, Addon>> {
    let keys = store.keys();
    let entries = store.store().list(&keys.addons(), None).await?;
    Ok(entries.iter().filter_map(|e| Addon::parse(store.name(), keys.addon_of(&e.key)?)).collect())
}

/// Every addon that kspot knows, and what kept the cluster's API from saying how they are. `client` is one of it.
pub async fn list(site: &Site, specs: &Specs, client: Result<Client>) -> Result<(Vec<Listed>, Option<Error>)> {
    let expected = crate::addons::expected(&context(site, specs).await?)?;
    let (listed, working) = futures::join!(stored(site, specs), working(client, &expected));
    let mut listed = listed?;
    for addon in &mut listed {
        if expected.iter().any(|(name, parts)| *name == addon.name && !parts.is_empty()) {
            (addon.ready, addon.why) = ready(&addon.name, working.as_deref());
        }
    }
    Ok((listed, working.err()))
}

/// How the parts of addons are, as the API says.
async fn working(client: Result<Client>, expected: &[(String, Vec<Target>)]) -> Result<Vec<Working>> {
    let client = client?;
    let asked = async {
        let asked = crate::kube::ready::addons(&client, expected).await;
        asked.map_err(|e| crate::kube::error::of("see how the addons are", e))
    };
    in_time(PATIENCE, asked).await
}

/// Whether an addon works, and what of it does not.
fn ready(name: &str, working: Result<&[Working], &Error>) -> (Ready, Vec<String>) {
    let Ok(working) = working else { return (Ready::Unknown, Vec::new()) };
    let parts = working.iter().filter(|addon| addon.name == name).flat_map(|addon| &addon.parts);
    let why: Vec<String> = parts.filter_map(|part| Some(format!("{} {}", part.what, part.state.words()?))).collect();
    (if why.is_empty() { Ready::Yes } else { Ready::No }, why)
}

/// Every addon, with what the state store has of it.
async fn stored(site: &Site, specs: &Specs) -> Result<Vec<Listed>> {
    let store = open(&site.store, specs.cluster.name())?;
    let (rendered, stored) = futures::try_join!(rendered(site, specs), of_store(&store))?;
    let wanted = of_spec(&store, &rendered);
    let listed_as =
        |name: &str, version: &str, about: &str| listed(name, version, about, wanted.get(name), stored.get(name));
    let known = Catalogue::load()?.iter().map(|addon| (&addon.about.name, &addon.about.version, &addon.about.about));
    let mut listed: Vec<Listed> = known.map(|(name, version, about)| listed_as(name, version, about)).collect();
    let is_own = |name: &str| !listed.iter().any(|addon| addon.name == name);
    let own: BTreeSet<&str> = rendered
        .iter()
        .map(|r| r.name.as_str())
        .chain(stored.keys().map(String::as_str))
        .filter(|n| is_own(n))
        .collect();
    let own: Vec<Listed> =
        own.into_iter().map(|name| listed_as(name, OWN_VERSION, "A manifest that spec.addons lists.")).collect();
    listed.extend(own);
    Ok(listed)
}

fn state(wanted: Option<&Addon>, stored: Option<&Addon>) -> State {
    match (wanted, stored) {
        (None, None) => State::Unwanted,
        (None, Some(_)) => State::Superfluous,
        (Some(_), None) => State::Missing,
        (Some(wanted), Some(there)) if wanted.digest == there.digest => State::Current,
        (Some(_), Some(_)) => State::Changed,
    }
}

fn listed(name: &str, version: &str, about: &str, wanted: Option<&Addon>, stored: Option<&Addon>) -> Listed {
    Listed {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: stored.map(|addon| addon.digest.clone()),
        about: about.to_owned(),
        state: state(wanted, stored),
        wanted_digest: wanted.map(|addon| addon.digest.clone()),
        ready: Ready::Nothing,
        why: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::view::{Part, PartState};

    /// What the store has otherwise than the spec is named, with what an update would do; of named addons only those.
    #[test]
    fn what_the_store_has_otherwise() {
        let addon = |text: &str| Addon::new("c.example.com", "1", text.to_owned());
        let wanted = BTreeMap::from([("dns", addon("a")), ("flannel", addon("new")), ("metrics-server", addon("a"))]);
        let stored =
            [("dns", "a"), ("flannel", "old"), ("gone", "a")].map(|(name, text)| (name.to_owned(), addon(text)));
        let differing = |only: &[String]| differing(&wanted, &BTreeMap::from(stored.clone()), only);
        let named = |name: &str, state| (name.to_owned(), state);
        assert_eq!(
            differing(&[]),
            [
                named("flannel", State::Changed),
                named("gone", State::Superfluous),
                named("metrics-server", State::Missing)
            ]
        );
        assert_eq!(differing(&["dns".to_owned()]), []);
        assert_eq!(differing(&["metrics-server".to_owned()]), [named("metrics-server", State::Missing)]);
    }

    /// An addon works if all of it does; else what does not is named, and nobody's answer is no "no".
    #[test]
    fn readiness() {
        let part = |what: &str, state| Part { what: what.into(), state };
        let working = [Working {
            name: "flannel".into(),
            parts: vec![
                part("DaemonSet a/b", PartState::Lacks { missing: 1, of: 3 }),
                part("Deployment a/c", PartState::Ready),
            ],
        }];
        let (is_ready, why) = ready("flannel", Ok(&working));
        assert_eq!((is_ready, why), (Ready::No, vec!["DaemonSet a/b lacks 1 of 3 pods".to_owned()]));
        assert_eq!(ready("other", Ok(&working)), (Ready::Yes, Vec::new()));
        assert_eq!(ready("flannel", Err(&Error::failed("no answer"))), (Ready::Unknown, Vec::new()));
    }
}
