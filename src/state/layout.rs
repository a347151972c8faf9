//! Every key that kspot reads or writes, in one place. All keys are below `<cluster>/`.

use super::etcd::Wanted;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The keys of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    cluster: String,
}

impl Keys {
    /// The keys of the cluster with this name; an error if the name can't be one segment of a key.
    pub fn of(cluster: &str) -> Result<Self> {
        segment(cluster).map_err(|why| Error::failed(format!("cluster name {cluster:?} {why}")))?;
        Ok(Keys { cluster: cluster.into() })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// `<cluster>/`: the prefix of all its keys.
    pub fn root(&self) -> String {
        format!("{}/", self.cluster)
    }

    /// The working copy of a spec: `config`, `instancegroup/<name>`.
    pub fn spec(&self, path: &SpecPath) -> String {
        self.below(&path.to_string())
    }

    /// The prefix of the instance groups' working copies.
    pub fn instance_groups(&self) -> String {
        self.below("instancegroup/")
    }

    /// The spec that a key is the working copy of.
    pub fn spec_of(&self, key: &str) -> Option<SpecPath> {
        key.strip_prefix(&self.root())?.parse().ok()
    }

    /// The prefix of the revisions (and, one level deeper, of their texts).
    pub fn history(&self) -> String {
        self.below("history/")
    }

    /// Revision `n`; padded so that keys sort as numbers do.
    pub fn revision(&self, n: u64) -> String {
        self.below(&format!("history/{n:010}"))
    }

    /// The number of the revision that a key holds.
    pub fn revision_of(&self, key: &str) -> Option<u64> {
        let digits = key.strip_prefix(&self.history())?;
        (digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    }

    /// A text that revisions name by its sha256.
    pub fn object(&self, sha256: &str) -> String {
        self.below(&format!("history/objects/{sha256}"))
    }

    /// The cache of the working copies at the last settled revision.
    pub fn index(&self) -> String {
        self.below("index")
    }

    /// The lock around every change of AWS.
    pub fn lock(&self) -> String {
        self.below("lock")
    }

    /// The record of the last apply.
    pub fn applied(&self) -> String {
        self.below("applied")
    }

    /// The specs with every default filled in.
    pub fn completed(&self) -> String {
        self.below("cluster-completed.spec")
    }

    /// An object of the cluster's public-key infrastructure.
    pub fn pki(&self, name: &str) -> String {
        self.below(&format!("pki/{name}"))
    }

    /// The rendered manifests of an addon. Their place, `<name>/<version>-<sha256>`, tells what they are.
    pub fn addon(&self, place: &str) -> String {
        self.below(&format!("addons/{place}.yaml"))
    }

    /// The place of the manifests that a key holds.
    pub fn addon_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.addons())?.strip_suffix(".yaml")
    }

    /// The prefix of the addons.
    pub fn addons(&self) -> String {
        self.below("addons/")
    }

    /// What the URLs of manifests held when they were fetched first.
    pub fn sources(&self) -> String {
        self.below("sources")
    }

    /// A configuration of nodes. Its name, `<role>/<group>-<sha256>`, tells its content, so that nodes which booted
    /// with an older one still find it.
    pub fn node(&self, name: &str) -> String {
        self.below(&format!("node/{name}.yaml"))
    }

    /// The name of the nodes' configuration that a key holds.
    pub fn node_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.nodes())?.strip_suffix(".yaml")
    }

    /// The prefix of the nodes' configurations.
    pub fn nodes(&self) -> String {
        self.below("node/")
    }

    /// The binary that nodes run, named by its content.
    pub fn binary(&self, os: &str, arch: &str, sha256: &str) -> String {
        self.below(&format!("bin/kspot-{os}-{arch}-{sha256}"))
    }

    /// The marker that this cluster's etcd was seeded once; outside every prefix that a lifecycle rule may expire.
    pub fn etcd_created(&self) -> String {
        self.below("etcd/created")
    }

    /// The marker that a member of an etcd cluster was seeded.
    pub fn etcd_member(&self, etcd: &str, member: &str) -> String {
        self.below(&format!("etcd/members/{etcd}/{member}"))
    }

    /// What the machines are asked to do with an etcd cluster.
    pub fn etcd_wanted(&self, etcd: &str, what: Wanted) -> String {
        self.below(&format!("etcd/wanted/{etcd}/{}", what.as_str()))
    }

    /// The prefix of what the machines tell of etcd's members.
    pub fn etcd_reports(&self) -> String {
        self.below("status/etcd/")
    }

    /// The prefix of etcd's snapshots.
    pub fn etcd_backups(&self) -> String {
        self.below("backups/etcd/")
    }

    /// How far the boot of a machine got.
    pub fn boot_status(&self, instance: &str) -> String {
        self.below(&format!("status/{instance}.json"))
    }

    /// The prefix of the boot statuses, which control-plane nodes write.
    pub fn status(&self) -> String {
        self.below("status/")
    }

    fn below(&self, rest: &str) -> String {
        format!("{}/{rest}", self.cluster)
    }
}

/// Which spec of a cluster; written as its key below the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SpecPath {
    /// The cluster's own spec, `config`.
    Cluster,
    /// The spec of an instance group, `instancegroup/<name>`.
    InstanceGroup(String),
}

impl SpecPath {
    /// The spec of the instance group with this name; an error if the name can't be one segment of a key.
    pub fn group(name: &str) -> Result<Self> {
        segment(name).map_err(|why| Error::failed(format!("instance group name {name:?} {why}")))?;
        Ok(SpecPath::InstanceGroup(name.into()))
    }

    /// The instance group's name; none for the cluster.
    pub fn group_name(&self) -> Option<&str> {
        match self {
            SpecPath::Cluster => None,
            SpecPath::InstanceGroup(name) => Some(name),
        }
    }
}

impl fmt::Display for SpecPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecPath::Cluster => f.write_str("config"),
            SpecPath::InstanceGroup(name) => write!(f, "instancegroup/{name}"),
        }
    }
}

impl FromStr for SpecPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('/') {
            None if text == "config" => Ok(SpecPath::Cluster),
            Some(("instancegroup", name)) => SpecPath::group(name),
            _ => Err(Error::failed(format!("{text:?} is not the path of a spec"))),
        }
    }
}

impl TryFrom<String> for SpecPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SpecPath> for String {
    fn from(path: SpecPath) -> String {
        path.to_string()
    }
}

/// A name that can stand between two slashes of a key, in S3 and as a file's name.
fn segment(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("is empty"),
        "." | ".." => Err("is a directory's name"),
        n if n.contains(['/', '\\']) => Err("contains a slash"),
        n if n.chars().any(char::is_control) => Err("contains a control character"),
        n if n.starts_with(".kspot") => Err("is reserved"),
        n if n.len() > 200 => Err("is longer than 200 bytes"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Revision keys sort as numbers do and are told from the texts beside them.
    #[test]
    fn revision_keys_round_trip_in_order() {
        let keys = Keys::of("c.example.com").unwrap();
        assert_eq!(keys.revision(42), "c.example.com/history/0000000042");
        assert_eq!(keys.revision_of(&keys.revision(42)), Some(42));
        assert!(keys.revision(9) < keys.revision(10));
        assert_eq!(keys.revision_of(&keys.object("ab")), None);
    }

    /// A spec's path is read from its key, and neighbours of the working copies are not specs.
    #[test]
    fn spec_paths_round_trip() {
        let keys = Keys::of("c").unwrap();
        for path in [SpecPath::Cluster, SpecPath::InstanceGroup("nodes-1".into())] {
            assert_eq!(keys.spec_of(&keys.spec(&path)), Some(path));
        }
        for key in ["c/instancegroup/", "c/instancegroup/a/b", "c/config.bak", "d/config", "c/lock"] {
            assert_eq!(keys.spec_of(key), None, "{key}");
        }
    }

    /// No name of a cluster or group can reach outside its place.
    #[test]
    fn names_that_leave_their_segment_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb", ".kspot-lock"] {
            assert!(Keys::of(name).is_err(), "{name:?}");
            assert!(SpecPath::group(name).is_err(), "{name:?}");
        }
    }
}
