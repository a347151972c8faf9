//! The addons that this kspot knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The directory `addons/`.
#[derive(RustEmbed)]
#[folder = "addons/"]
struct Files;

/// One addon: its directory.
#[derive(Clone, Debug)]
pub struct Addon {
    /// What it is.
    pub about: About,
    /// Its manifests, a template; empty if they come from elsewhere ([`About::source`]).
    pub template: String,
}

/// What an addon is: `addon.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct About {
    /// Its name, which is its directory's.
    pub name: String,
    /// The release of what it runs.
    pub version: String,
    /// What it does, in a sentence.
    pub about: String,
    /// Where its manifests are published, if they are not here: a release's file, `https://...`.
    #[serde(default)]
    pub source: Option<String>,
    /// When it is wanted: an expression over the context of templates.
    pub when: String,
    /// The addons that must be there before it, if they are wanted.
    #[serde(default)]
    pub after: Vec<String>,
    /// What must be ready before it counts as such.
    #[serde(default)]
    pub ready: Vec<Target>,
    /// What its service accounts must be allowed to do.
    #[serde(default)]
    pub rights: Vec<Right>,
    /// What they must not be allowed to do.
    #[serde(default)]
    pub denied: Vec<Right>,
}

/// An object that becomes ready.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// `Deployment`, `DaemonSet`, `APIService` ...
    pub kind: String,
    /// Its namespace; none for objects of the cluster.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Only if this expression over the context holds.
    #[serde(default)]
    pub when: Option<String>,
}

/// A question to the API server's authorizer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Right {
    /// `namespace/name`.
    pub service_account: String,
    /// `get`, `list` ...
    pub verb: String,
    /// The API group; empty for the core.
    #[serde(default)]
    pub group: String,
    /// The resource, with a subresource after a slash.
    pub resource: String,
    /// In this namespace; in all without it.
    #[serde(default)]
    pub namespace: Option<String>,
    /// For this object alone.
    #[serde(default)]
    pub name: Option<String>,
    /// Only if this expression over the context holds.
    #[serde(default)]
    pub when: Option<String>,
}

/// All addons, each after those that it needs.
#[derive(Clone, Debug)]
pub struct Catalogue(Vec<Addon>);

impl Catalogue {
    /// The addons of this kspot, read once.
    pub fn load() -> Result<&'static Self> {
        static READ: OnceLock<Catalogue> = OnceLock::new();
        match READ.get() {
            Some(catalogue) => Ok(catalogue),
            None => Catalogue::read().map(|catalogue| READ.get_or_init(|| catalogue)),
        }
    }

    fn read() -> Result<Self> {
        let directories: BTreeSet<String> =
            Files::iter().filter_map(|path| path.split_once('/').map(|(dir, _)| dir.to_owned())).collect();
        let mut addons = BTreeMap::new();
        for name in directories {
            let about: About = serde_yaml::from_str(&text(&name, "addon.yaml")?)
                .map_err(|e| Error::failed(format!("addons/{name}/addon.yaml can't be read")).because(e))?;
            if about.name != name {
                return Err(Error::failed(format!("addons/{name}/addon.yaml calls itself {}", about.name)));
            }
            let template = if about.source.is_some() { String::new() } else { text(&name, "manifest.yaml")? };
            addons.insert(name.clone(), Addon { about, template });
        }
        ordered(addons).map(Catalogue)
    }

    /// Each addon, those that it needs before it.
    pub fn iter(&self) -> impl Iterator<Item = &Addon> {
        self.0.iter()
    }
}

fn text(name: &str, file: &str) -> Result<String> {
    let path = format!("{name}/{file}");
    let found = Files::get(&path).ok_or_else(|| Error::failed(format!("addons/{path} is missing")))?;
    String::from_utf8(found.data.into_owned())
        .map_err(|e| Error::failed(format!("addons/{path} is not UTF-8")).because(e))
}

/// Takes those whose needs are met, by name, until none is left.
fn ordered(mut left: BTreeMap<String, Addon>) -> Result<Vec<Addon>> {
    let all: BTreeSet<String> = left.keys().cloned().collect();
    let mut done: Vec<Addon> = Vec::new();
    while !left.is_empty() {
        let met = |addon: &Addon| addon.about.after.iter().all(|need| done.iter().any(|d| d.about.name == *need));
        let Some(next) = left.iter().find(|(_, addon)| met(addon)).map(|(name, _)| name.clone()) else {
            let stuck: Vec<&str> = left.keys().map(String::as_str).collect();
            let unknown = left.values().flat_map(|a| &a.about.after).find(|need| !all.contains(*need));
            let why = unknown.map_or("they wait for each other".to_owned(), |need| format!("there is no addon {need}"));
            return Err(Error::failed(format!("addons {} can't be put in order: {why}", stuck.join(", "))));
        };
        done.extend(left.remove(&next));
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addon(name: &str, after: &[&str]) -> (String, Addon) {
        let about = About {
            name: name.into(),
            version: "1".into(),
            about: String::new(),
            source: None,
            when: "true".into(),
            after: after.iter().map(|a| (*a).to_owned()).collect(),
            ready: Vec::new(),
            rights: Vec::new(),
            denied: Vec::new(),
        };
        (name.to_owned(), Addon { about, template: String::new() })
    }

    fn order(addons: impl IntoIterator<Item = (String, Addon)>) -> Result<Vec<String>> {
        Ok(ordered(addons.into_iter().collect())?.into_iter().map(|a| a.about.name).collect())
    }

    /// What an addon needs stands before it; a circle and a name that does not exist are said.
    #[test]
    fn needs_stand_first() {
        let good = [addon("a", &["c"]), addon("b", &[]), addon("c", &["b"])];
        assert_eq!(order(good).unwrap(), ["b", "c", "a"]);
        let circle = order([addon("a", &["b"]), addon("b", &["a"])]).unwrap_err();
        assert!(circle.message().contains("wait for each other"));
        let unknown = order([addon("a", &["z"])]).unwrap_err();
        assert!(unknown.message().contains("no addon z"));
    }

    /// Every directory is complete and readable.
    #[test]
    fn the_catalogue_is_whole() {
        let names: Vec<String> = Catalogue::load().unwrap().iter().map(|a| a.about.name.clone()).collect();
        assert!(names.contains(&"metrics-server".to_owned()), "{names:?}");
    }
}
