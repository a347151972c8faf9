//! A group's node configuration: the object in the state store that its machines read when they boot.
//!
//! Its key tells its content, and the user data names its hash. A new configuration stands beside the old one, which
//! machines that booted with it may read again; all of a group's go when the group goes.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules};
use crate::cloud::aws::{AwsCloud, Call};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;
use crate::digest::sha256;
use crate::state::Keys;

/// How many hexadecimal digits of the hash are in the name: 48 bits, told apart within one group's history.
const DIGITS: usize = 12;

/// What the machines of a group are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeConfig {
    /// The cluster, whose keys it is below.
    pub cluster: String,
    /// `control-plane`, `node` or `bastion`.
    pub role: String,
    /// The group's name.
    pub group: String,
    /// The first digits of the text's sha256; the name has them too.
    pub digest: String,
    /// The text itself; an observation does not fetch it, its digest stands for it.
    #[serde(skip)]
    pub text: String,
}

impl NodeConfig {
    /// The configuration with this text.
    pub fn new(cluster: &str, role: &str, group: &str, text: String) -> Self {
        let digest = sha256(text.as_bytes())[..DIGITS].to_owned();
        NodeConfig { cluster: cluster.into(), role: role.into(), group: group.into(), digest, text }
    }

    /// Its name: `<role>/<group>-<digest>`.
    pub fn name(&self) -> String {
        format!("{}/{}-{}", self.role, self.group, self.digest)
    }

    /// Reads the name back.
    fn parse(cluster: &str, name: &str) -> Option<Self> {
        let (role, rest) = name.split_once('/')?;
        let (group, digest) = rest.rsplit_once('-')?;
        let made = |s: &str| s.to_owned();
        Some(NodeConfig { cluster: made(cluster), role: made(role), group: made(group), digest: made(digest), text: String::new() })
    }
}

impl Model for NodeConfig {
    const KIND: Kind = Kind::NodeConfig;
    const RULES: Rules = Rules {
        noun: "node configuration",
        forces_replacement: &["cluster", "role", "group", "digest"],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: None,
        loses_data: None,
        only_grows: &[],
    };
}

#[async_trait]
impl Aws for NodeConfig {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let Some(store) = &cloud.store else { return Ok(Vec::new()) };
        let keys = Keys::of(&scope.cluster)?;
        let wanted: BTreeSet<&str> = scope.names(Kind::NodeConfig).collect();
        let kept: BTreeSet<(String, String)> = wanted
            .iter()
            .filter_map(|name| NodeConfig::parse(&scope.cluster, name))
            .map(|c| (c.role, c.group))
            .collect();
        let mut found = Vec::new();
        for entry in store.list(&keys.nodes(), None).await? {
            let Some(name) = keys.node_of(&entry.key) else { continue };
            let Some(config) = NodeConfig::parse(&scope.cluster, name) else { continue };
            // An older configuration of a group that stays is history, not something to delete.
            let older = kept.contains(&(config.role.clone(), config.group.clone())) && !wanted.contains(name);
            if !older {
                found.push(Found { name: name.to_owned(), id: entry.key.clone(), attrs: Attrs::new(), resource: config });
            }
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let key = Keys::of(&self.cluster)?.node(&self.name());
        call.put_object(&key, &self.text).await?;
        Ok(Created { id: key, attrs: Attrs::new() })
    }

    async fn update(&self, _call: &Call<'_>, _live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        call.delete_object(&live.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name holds all that an observation needs, also for groups with dashes in their names.
    #[test]
    fn names_are_read_back() {
        let config = NodeConfig::new("c.example.com", "node", "spot-group-4vcpus", "a: 1\n".into());
        let read = NodeConfig::parse("c.example.com", &config.name()).unwrap();
        assert_eq!((read.group.as_str(), read.digest.as_str()), ("spot-group-4vcpus", config.digest.as_str()));
    }
}
