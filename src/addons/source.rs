//! Manifests that come from elsewhere: of third-party sets, and the user's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::catalogue::{Addon, Catalogue};
use super::context::Context;
use super::render::wanted;
use crate::error::Result;
use crate::model::assets::mirrored_file;
use crate::spec::addons::AddonSpec;

/// Where a manifest is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// On a web server. What it holds must stay what it was when it was fetched first.
    Url(String),
    /// In a bucket of the user's, at an address `s3://...`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// In the state store, below the cluster.
    Stored(String),
}

impl Source {
    /// Reads what a spec or an addon says.
    pub fn parse(text: &str) -> Self {
        match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                Source::S3 { bucket: bucket.to_owned(), key: key.to_owned() }
            }
            Some(_) => Source::Url(text.to_owned()),
            None => Source::Stored(text.trim_start_matches('/').to_owned()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Url(url) => f.write_str(url),
            Source::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Source::Stored(path) => f.write_str(path),
        }
    }
}

/// Manifests by where they are.
pub type Texts = BTreeMap<Source, String>;

/// A manifest that the spec lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// What it is called: after its file.
    pub name: String,
    /// Where it is.
    pub source: Source,
}

/// The version of the user's manifests: their digest tells them apart.
pub const OWN_VERSION: &str = "own";

/// The manifests that a spec lists, each with a name that no other addon has.
pub fn own(listed: &[AddonSpec]) -> Result<Vec<Own>> {
    let mut taken: BTreeSet<String> = Catalogue::load()?.iter().map(|a| a.about.name.clone()).collect();
    let named = listed.iter().map(|addon| {
        let base = name_of(&addon.manifest);
        let mut candidates = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
        let name = candidates.find(|name| taken.insert(name.clone())).unwrap_or(base);
        Own { name, source: Source::parse(&addon.manifest) }
    });
    Ok(named.collect())
}

/// The name of a manifest's file, or of its folder where many are called the same; as a label's value may be.
fn name_of(manifest: &str) -> String {
    let mut parts = manifest.split(['?', '#']).next().unwrap_or_default().rsplit('/');
    let stem =
        |file: &str| file.trim_end_matches(".yml").trim_end_matches(".yaml").trim_end_matches(".json").to_owned();
    let file = stem(parts.next().unwrap_or_default());
    let name = match file.as_str() {
        "manifest" | "install" | "deploy" | "components" => parts.find(|p| !p.is_empty()).map_or(file, stem),
        _ => file,
    };
    let clean: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    match clean.trim_matches('-') {
        "" => "manifest".to_owned(),
        name => name.chars().take(50).collect::<String>().trim_end_matches('-').to_owned(),
    }
}

/// Where the manifests of a catalogue's addon are, if they are not part of kspot.
pub fn source(addon: &Addon, context: &Context) -> Option<Source> {
    let url = addon.about.source.as_deref()?;
    Some(Source::parse(&mirrored_file(context.assets.as_ref(), url)))
}

/// Everything that has to be fetched before the wanted addons can be rendered.
pub fn sources(context: &Context) -> Result<Vec<Source>> {
    let mut all = Vec::new();
    for addon in Catalogue::load()?.iter() {
        if let Some(source) = source(addon, context)
            && wanted(addon, context)?.is_some()
        {
            all.push(source);
        }
    }
    all.extend(own(&context.own)?.into_iter().map(|own| own.source));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An addon of the user's is called like its file, or its folder, and never like another one.
    #[test]
    fn names_of_manifests() {
        let listed = |all: &[&str]| {
            let all: Vec<AddonSpec> = all.iter().map(|m| AddonSpec { manifest: (*m).into() }).collect();
            own(&all).unwrap().into_iter().map(|own| own.name).collect::<Vec<_>>()
        };
        let names =
            ["https://x/v1/ingress-nginx.yaml", "s3://b/argo/install.yaml", "mine/Web_App.yml", "mine/web-app.json"];
        assert_eq!(listed(&names), ["ingress-nginx", "argo", "web-app", "web-app-2"]);
        assert_eq!(listed(&["flannel.yaml", "s3://b/", "https://x/a.yaml?v=1#y"]), ["flannel-2", "manifest", "a"]);
    }

    /// A source reads as it was written.
    #[test]
    fn sources_are_read() {
        for text in ["https://x/y.yaml", "s3://b/p/y.yaml", "addons-of-mine/y.yaml"] {
            assert_eq!(Source::parse(text).to_string(), text);
        }
        assert_eq!(Source::parse("s3://b/p/y"), Source::S3 { bucket: "b".into(), key: "p/y".into() });
    }
}
