//! An addon's manifests: the object in the state store that the control plane applies from.
//!
//! Its key tells its release and its content, so that a listing is enough to know what is there.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules};
use crate::cloud::aws::{AwsCloud, Call};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;
use crate::digest::sha256;
use crate::state::Keys;

/// How many hexadecimal digits of the hash are in the key.
const DIGITS: usize = 12;

/// The manifests of one addon. Its id is its key in the state store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addon {
    /// The cluster, whose keys it is below.
    pub cluster: String,
    /// The release of what it runs.
    pub version: String,
    /// The first digits of the manifests' sha256.
    pub digest: String,
    /// The manifests, YAML; an observation does not fetch them, their digest stands for them.
    #[serde(skip)]
    pub manifests: String,
}

impl Addon {
    /// The addon with these manifests.
    pub fn new(cluster: &str, version: &str, manifests: String) -> Self {
        let digest = sha256(manifests.as_bytes())[..DIGITS].to_owned();
        Addon { cluster: cluster.into(), version: version.into(), digest, manifests }
    }

    /// Where it lies: `<name>/<version>-<digest>`.
    fn place(&self, name: &str) -> String {
        format!("{name}/{}-{}", self.version, self.digest)
    }

    /// Reads name and addon back from a place.
    pub fn parse(cluster: &str, place: &str) -> Option<(String, Self)> {
        let (name, rest) = place.split_once('/')?;
        let (version, digest) = rest.rsplit_once('-')?;
        let manifests = String::new();
        Some((name.into(), Addon { cluster: cluster.into(), version: version.into(), digest: digest.into(), manifests }))
    }

    async fn write(&self, call: &Call<'_>) -> Result<String> {
        let key = Keys::of(&self.cluster)?.addon(&self.place(&call.addr.name));
        call.put_object(&key, &self.manifests).await?;
        Ok(key)
    }
}

impl Model for Addon {
    const KIND: Kind = Kind::Addon;
    const RULES: Rules = Rules {
        noun: "addon",
        forces_replacement: &["cluster"],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: None,
        loses_data: None,
        only_grows: &[],
    };
}

#[async_trait]
impl Aws for Addon {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let Some(store) = &cloud.store else { return Ok(Vec::new()) };
        let keys = Keys::of(&scope.cluster)?;
        let listed = store.list(&keys.addons(), None).await?;
        let found = listed.into_iter().filter_map(|entry| {
            let (name, resource) = Addon::parse(&scope.cluster, keys.addon_of(&entry.key)?)?;
            Some(Found { name, id: entry.key, attrs: Attrs::new(), resource })
        });
        Ok(found.collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        Ok(Created { id: self.write(call).await?, attrs: Attrs::new() })
    }

    /// The new manifests are there before the old ones go.
    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        self.write(call).await?;
        Self::delete(call, live).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        call.delete_object(&live.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place holds all that an observation needs, whatever dashes are in name and version.
    #[test]
    fn places_are_read_back() {
        let addon = Addon::new("c.example.com", "1.36.2-rc.1", "kind: Pod\n".into());
        let (name, read) = Addon::parse("c.example.com", &addon.place("metrics-server")).unwrap();
        assert_eq!((name.as_str(), &read.version, &read.digest), ("metrics-server", &addon.version, &addon.digest));
    }
}
