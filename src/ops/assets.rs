//! Everything that a cluster downloads: files of its machines, images of its machines and addons.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::manifests;
use super::prepare::{Site, desired};
use super::specs::{Specs, open};
use crate::addons::context::Context;
use crate::addons::{Texts, images, render_all, sources};
use crate::error::{Error, Result};
use crate::model::assets;
use crate::resource::{Desired, Resource};
use crate::spec::Cluster;

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file that machines download.
    File,
    /// A container image.
    Image,
    /// A manifest that kspot fetches.
    Manifest,
}

/// Something that is downloaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// What it is.
    pub kind: Kind,
    /// Where it is published.
    pub canonical: String,
    /// Where it is taken from: the same, unless spec.assets names a mirror.
    pub location: String,
    /// Its sha256, if that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What a cluster downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// Files first, each once.
    pub all: Vec<Asset>,
    /// What it downloads as well, of which the release is not known here; in words.
    pub unknown: Vec<String>,
}

/// The assets of a cluster.
pub async fn list(site: &Site, specs: &Specs) -> Result<Assets> {
    let (cluster, groups) = crate::spec::complete::complete(&specs.cluster, &specs.groups)?;
    let known = site.facts.of(&site.cloud, &cluster, &groups);
    let (account, mut known) = futures::try_join!(site.cloud.account(), known)?;
    let store = open(&site.store, cluster.name())?;
    // The same cluster without a mirror: what it names stands in the same places.
    let mut plain: Cluster = cluster.clone();
    plain.spec.assets = None;
    let (context, original) = (Context::of(&cluster, &groups, &account), Context::of(&plain, &groups, &account));
    let mut texts = manifests::fetch(site, &store, &context).await?.texts;
    let fetched: Vec<_> = sources(&original)?.into_iter().zip(sources(&context)?).collect();
    let copies: Texts = fetched.iter().filter_map(|(a, b)| Some((a.clone(), texts.get(b)?.clone()))).collect();
    let mut all: Vec<Asset> = fetched
        .iter()
        .map(|(canonical, location)| asset(Kind::Manifest, canonical.to_string(), location.to_string()))
        .collect();
    texts.extend(copies);
    known.facts.manifests = texts;
    let release = cluster.spec.kubernetes_version();
    let proxy = cluster.spec.kube_proxy.as_ref().and_then(|proxy| proxy.enabled).unwrap_or(true);
    let named = |cluster: &Cluster, context: &Context| -> Result<Vec<Named>> {
        let desired = desired(site, (cluster, &groups), &account, &known)?;
        let mut named = of_machines(&desired)?;
        for addon in render_all(context, &known.facts.manifests)? {
            named.extend(addon.objects.iter().flat_map(images::of).map(Named::Image));
        }
        let mirrored = |image: String| assets::mirrored(cluster.spec.assets.as_ref(), &image);
        named.extend(assets::of_kubeadm(release, proxy).into_iter().map(mirrored).map(Named::Image));
        Ok(named)
    };
    let pairs = named(&plain, &original)?.into_iter().zip(named(&cluster, &context)?);
    all.extend(pairs.map(|pair| match pair {
        (Named::Image(canonical), Named::Image(location)) => asset(Kind::Image, canonical, location),
        (canonical, location) => {
            let sha256 = location.sha256();
            Asset { sha256, ..asset(Kind::File, canonical.place(), location.place()) }
        }
    }));
    all.sort();
    all.dedup();
    let unknown = match assets::coredns(release) {
        Some(_) => Vec::new(),
        None => vec![format!(
            "registry.k8s.io/coredns/coredns, of the release that `kubeadm config images list --kubernetes-version v{release}` says"
        )],
    };
    Ok(Assets { all, unknown })
}

fn asset(kind: Kind, canonical: String, location: String) -> Asset {
    Asset { kind, canonical, location, sha256: None }
}

/// Something that a machine or an addon names.
enum Named {
    File { url: String, sha256: Option<String> },
    Image(String),
}

impl Named {
    fn place(&self) -> String {
        match self {
            Named::File { url, .. } => url.clone(),
            Named::Image(image) => image.clone(),
        }
    }

    fn sha256(&self) -> Option<String> {
        match self {
            Named::File { sha256, .. } => sha256.clone(),
            Named::Image(_) => None,
        }
    }
}

/// What the configurations of machines name, in the order of their groups.
fn of_machines(desired: &Desired) -> Result<Vec<Named>> {
    let mut texts: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for resource in desired.values() {
        if let Resource::NodeConfig(config) = resource {
            texts.insert((&config.role, &config.group), &config.text);
        }
    }
    let mut named = Vec::new();
    for ((_, group), text) in texts {
        let document: Value = serde_yaml::from_str(text)
            .map_err(|e| Error::failed(format!("the configuration of group {group}")).because(e))?;
        for file in document["assets"].as_array().into_iter().flatten() {
            let text = |field: &str| file[field].as_str().map(str::to_owned);
            named.push(Named::File { url: text("url").unwrap_or_default(), sha256: text("sha256") });
        }
        named.extend(images::of(&document).into_iter().map(Named::Image));
    }
    Ok(named)
}
