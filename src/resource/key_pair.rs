//! Key pair: the public key that a machine lets in by SSH. AWS refers to it by name.

use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use aws_smithy_types::Blob;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A public key; its name within AWS is the name of its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// The key in OpenSSH's form without its comment, as [`normalised`] gives it.
    pub public_key: String,
    /// Its tags.
    pub tags: Tags,
}

impl Model for KeyPair {
    const KIND: Kind = Kind::KeyPair;
    const RULES: Rules = Rules {
        noun: "key pair",
        forces_replacement: &["publicKey"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("key-pair"),
        only_grows: &[],
        loses_data: None,
    };
}

/// The attribute that holds the id that tags hang on (others refer to a key pair by name).
const KEY_PAIR_ID: &str = "key-pair-id";

/// An OpenSSH public key's type and body, without the comment, which AWS changes.
pub fn normalised(public_key: &str) -> String {
    public_key.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn attrs(id: Option<&str>) -> Attrs {
    id.map(|id| (KEY_PAIR_ID.to_owned(), id.to_owned())).into_iter().collect()
}

/// `DescribeKeyPairs` has no pages.
async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<KeyPair>>> {
    let filter = ec2_cluster_filter(&scope.cluster);
    let all = cloud.ec2.describe_key_pairs().filters(filter).include_public_key(true).customize().send().await;
    let all = all.map_err(|e| AwsError::of("list key pairs", &e))?;
    let found = all.key_pairs().iter().filter_map(|key| {
        let tags = from_ec2_tags(scope, key.tags());
        let name = key.key_name().unwrap_or_default().to_owned();
        tags::is_owned(scope, &tags).then(|| Found {
            id: name.clone(),
            name,
            attrs: attrs(key.key_pair_id()),
            resource: KeyPair { public_key: normalised(key.public_key().unwrap_or_default()), tags },
        })
    });
    Ok(found.collect())
}

#[async_trait]
impl Aws for KeyPair {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .import_key_pair()
                    .key_name(&call.addr.name)
                    .public_key_material(Blob::new(self.public_key.as_bytes()))
                    .tag_specifications(ec2_tag_spec(ResourceType::KeyPair, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let id = made.key_name().unwrap_or_default().to_owned();
                Ok(Created { id, attrs: attrs(made.key_pair_id()) })
            },
            || async {
                let found = find(call.cloud, &scope).await?;
                let same = found.into_iter().find(|f| f.name == call.addr.name);
                Ok(same.map(|f| Created { id: f.id, attrs: f.attrs }))
            },
        )
        .await
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        let id = live.attrs.get(KEY_PAIR_ID);
        let id = id.ok_or_else(|| Error::failed(format!("AWS gives {} no id to tag it by", call.addr)))?;
        call.retag_ec2(id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(12, || async {
            let delete = call.cloud.ec2.delete_key_pair().key_name(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key is the same whatever its comment and line end.
    #[test]
    fn a_comment_is_no_difference() {
        assert_eq!(normalised("ssh-ed25519 AAAAC3 me@laptop\n"), "ssh-ed25519 AAAAC3");
        assert_eq!(normalised("ssh-ed25519  AAAAC3"), normalised("ssh-ed25519 AAAAC3 kubernetes.c"));
    }
}
