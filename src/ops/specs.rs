//! Specs out of the store, typed; and texts back into it, checked as a whole before anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result, did_you_mean};
use crate::spec::parse::Document;
use crate::spec::problem::Problems;
use crate::spec::validate::{self, validate};
use crate::spec::{Cluster, InstanceGroup, Kind, Object};
use crate::state::change::{Changed, Intent};
use crate::state::cluster::{ClusterStore, names};
use crate::state::history::Texts;
use crate::state::{SpecPath, Store};

/// The specs of one cluster.
#[derive(Clone, Debug)]
pub struct Specs {
    /// The cluster's spec.
    pub cluster: Cluster,
    /// The groups' specs, by name.
    pub groups: Vec<InstanceGroup>,
    /// The texts they were read from.
    pub texts: Texts,
    /// The revision that they are; none before the first.
    pub revision: u64,
    /// Specs that were changed without kspot since that revision.
    pub outside_edits: Vec<SpecPath>,
    /// What is worth knowing of them.
    pub warnings: Vec<String>,
}

impl Specs {
    /// The group of this name; an unknown one is an error that proposes the nearest.
    pub fn group(&self, name: &str) -> Result<&InstanceGroup> {
        self.groups.iter().find(|g| g.name() == name).ok_or_else(|| {
            let error = Error::failed(format!("cluster {} has no instance group {name}", self.cluster.name()));
            match did_you_mean(name, self.groups.iter().map(InstanceGroup::name)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("kspot get ig lists them"),
            }
        })
    }
}

/// Opens the cluster's part of a store.
pub fn open(store: &Arc<dyn Store>, cluster: &str) -> Result<ClusterStore> {
    ClusterStore::new(Arc::clone(store), cluster)
}

/// Reads and checks the specs of a cluster. An unknown cluster is an error that proposes the nearest name.
pub async fn read(store: &Arc<dyn Store>, cluster: &str) -> Result<Specs> {
    let found = open(store, cluster)?.read_if_exists().await?;
    if found.cluster().is_none() {
        return Err(unknown(store, cluster).await);
    }
    let typed = check(&found.texts, &[])?;
    Ok(Specs {
        cluster: typed.cluster,
        groups: typed.groups,
        texts: found.texts,
        revision: found.revision.unwrap_or(0),
        outside_edits: found.outside_edits,
        warnings: typed.warnings,
    })
}

async fn unknown(store: &Arc<dyn Store>, cluster: &str) -> Error {
    let error = Error::failed(format!("there is no cluster {cluster} in {}", store.describe()));
    let Ok(all) = names(store.as_ref()).await else { return error };
    match did_you_mean(cluster, all.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None if all.is_empty() => error.hint(format!("the store is empty: kspot create cluster {cluster} --zones ...")),
        None => error.hint(format!("clusters there: {}", all.join(", "))),
    }
}

/// Specs in their types.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The cluster's spec.
    pub cluster: Cluster,
    /// The groups' specs, by name.
    pub groups: Vec<InstanceGroup>,
    /// What is worth knowing of them.
    pub warnings: Vec<String>,
}

/// Parses and validates all specs of a cluster together. The error (exit 3) lists every problem, with its place in the
/// files that the user gave (`origins`) where it is there, else in the text of the store.
pub fn check(texts: &Texts, origins: &[Document]) -> Result<Typed> {
    let mut problems = Problems::default();
    let mut documents = Vec::new();
    for (path, text) in texts {
        match crate::spec::parse::read(text, &path.to_string()) {
            Ok(parsed) => {
                problems.extend(parsed.warnings.0);
                documents.extend(parsed.documents);
            }
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.has_errors() {
        return Err(problems.into());
    }
    let cluster = documents.iter().find_map(|d| d.object.as_cluster()).cloned();
    let cluster = cluster.ok_or_else(|| Error::invalid("there is no spec of kind Cluster"))?;
    let groups = documents.iter().filter_map(|d| d.object.as_group());
    let groups: BTreeMap<&str, &InstanceGroup> = groups.map(|g| (g.name(), g)).collect();
    let groups: Vec<InstanceGroup> = groups.into_values().cloned().collect();
    let mut found = validate(&validate::Specs { cluster: &cluster, groups: &groups, types: None });
    validate::locate(&mut found, origins);
    validate::locate(&mut found, &documents);
    problems.extend(found.0);
    if problems.has_errors() {
        return Err(problems.into());
    }
    let warnings = problems.warnings().map(|w| w.to_string().replacen("warning: ", "", 1)).collect();
    Ok(Typed { cluster, groups, warnings })
}

/// Gives problems their places in the texts that the objects were read from.
pub fn locate(problems: &mut Problems, texts: &Texts) {
    let parsed = texts.iter().filter_map(|(path, text)| crate::spec::parse::read(text, &path.to_string()).ok());
    validate::locate(problems, &parsed.flat_map(|p| p.documents).collect::<Vec<_>>());
}

/// Where an object's spec is kept.
pub fn path_of(object: &Object) -> Result<SpecPath> {
    match object.kind() {
        Kind::Cluster => Ok(SpecPath::Cluster),
        Kind::InstanceGroup => SpecPath::group(object.name()),
    }
}

/// Edits the texts of a cluster's specs; nothing is written unless all specs together are valid afterwards. `origins` are
/// the files that the edit takes specs from.
pub async fn change<T: Send>(
    store: &ClusterStore,
    intent: &Intent<'_>,
    origins: &[Document],
    edit: impl FnOnce(&mut Texts) -> Result<T> + Send,
) -> Result<Changed<T>> {
    let checked = |texts: &mut Texts| {
        let value = edit(texts)?;
        check(texts, origins)?;
        Ok(value)
    };
    store.change(intent, checked).await
}
