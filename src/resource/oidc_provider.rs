//! IAM OpenID Connect provider: lets AWS trust the tokens of the cluster's service accounts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::iam_role::{existing, foreign, from_tags, no_retry, to_tags};
use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, discovery_document, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// The path of the document that names all else, below an issuer.
pub const CONFIGURATION: &str = ".well-known/openid-configuration";

/// The path of the public keys, below an issuer.
pub const KEYS: &str = "openid/v1/jwks";

/// A provider. Its name is the issuer's URL without `https://`, its id its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OidcProvider {
    /// Its ARN, which follows from account and issuer.
    pub arn: String,
    /// The document that AWS reads when the provider is made.
    pub configuration: Ref,
    /// The audiences that tokens may be for.
    pub client_ids: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Model for OidcProvider {
    const KIND: Kind = Kind::OidcProvider;
    const RULES: Rules = Rules {
        noun: "IAM OpenID Connect provider",
        forces_replacement: &["arn"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// The issuer in a provider's ARN, without `https://`.
pub fn issuer_in(arn: &str) -> &str {
    arn.split_once(":oidc-provider/").map_or(arn, |(_, issuer)| issuer)
}

/// Where an issuer's documents are: host and path of its URL say in which bucket, in which region and where there.
fn place(issuer: &str) -> (&str, &str, String) {
    let (host, path) = issuer.split_once('/').unwrap_or((issuer, ""));
    let (bucket, rest) = host.split_once(".s3.").unwrap_or((host, ""));
    let region = rest.split('.').next().unwrap_or_default();
    (bucket, region, if path.is_empty() { String::new() } else { format!("{path}/") })
}

/// The issuer's first document.
fn configuration(issuer: &str) -> Ref {
    let (bucket, _, prefix) = place(issuer);
    Ref::id(discovery_document::id(bucket, &format!("{prefix}{CONFIGURATION}")))
}

/// The candidates of the documents of a provider's issuer: see [`discovery_document::DiscoveryDocument::candidate`].
pub fn candidates(arn: &str) -> [String; 2] {
    let (bucket, region, prefix) = place(issuer_in(arn));
    [CONFIGURATION, KEYS].map(|path| format!("{region}/{bucket}/{prefix}{path}"))
}

/// The provider of that ARN, whoever's it is.
pub async fn read(cloud: &AwsCloud, scope: &Scope, arn: &str) -> Result<Option<Found<OidcProvider>>> {
    let asked = cloud.iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn).customize().send().await;
    let Some(provider) = existing(asked.map_err(|e| AwsError::of(format!("read {arn}"), &e)))? else { return Ok(None) };
    Ok(Some(Found {
        name: issuer_in(arn).to_owned(),
        id: arn.to_owned(),
        attrs: Attrs::new(),
        resource: OidcProvider {
            arn: arn.to_owned(),
            configuration: configuration(issuer_in(arn)),
            client_ids: provider.client_id_list().iter().cloned().collect(),
            tags: from_tags(scope, provider.tags()),
        },
    }))
}

impl OidcProvider {
    /// Brings audiences and tags to what is wanted.
    async fn converge(&self, call: &Call<'_>, live: &OidcProvider) -> Result<()> {
        let (iam, arn) = (&call.cloud.iam, &self.arn);
        for id in self.client_ids.difference(&live.client_ids) {
            let add = iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(arn).client_id(id);
            add.customize().send().await.map_err(|e| AwsError::of(call.doing(&format!("add {id} to")), &e))?;
        }
        for id in live.client_ids.difference(&self.client_ids) {
            let remove = iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(arn);
            let removed = remove.client_id(id).customize().send().await;
            removed.map_err(|e| AwsError::of(call.doing(&format!("remove {id} from")), &e))?;
        }
        let (set, remove) = tags::difference(&live.tags, &self.tags);
        if !set.is_empty() {
            let tag = iam.tag_open_id_connect_provider().open_id_connect_provider_arn(arn);
            let tag = tag.set_tags(Some(to_tags(&set)?)).customize().send().await;
            tag.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let untag = iam.untag_open_id_connect_provider().open_id_connect_provider_arn(arn);
            let untag = untag.set_tag_keys(Some(remove)).customize().send().await;
            untag.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Aws for OidcProvider {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let found = try_join_all(scope.names(Kind::OidcProvider).map(|arn| read(cloud, scope, arn))).await?;
        Ok(found.into_iter().flatten().filter(|f| tags::is_owned(scope, &f.resource.tags)).collect())
    }

    /// Without thumbprints: AWS knows the authority that signs the certificates of S3.
    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let (scope, wanted_tags) = (tags::scope_of(&self.tags), to_tags(&self.tags)?);
        let issuer = issuer_in(&self.arn);
        let found = once::create_once(
            || async {
                let made = call
                    .cloud
                    .iam
                    .create_open_id_connect_provider()
                    .url(format!("https://{issuer}"))
                    .set_client_id_list(Some(self.client_ids.iter().cloned().collect()))
                    .set_tags(Some(wanted_tags.clone()))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let id = made.open_id_connect_provider_arn().unwrap_or(&self.arn).to_owned();
                Ok(Found { name: issuer.to_owned(), id, attrs: Attrs::new(), resource: self.clone() })
            },
            || async {
                match read(call.cloud, &scope, &self.arn).await? {
                    Some(f) if !tags::is_owned(&scope, &f.resource.tags) => {
                        Err(foreign("IAM OpenID Connect provider", issuer))
                    }
                    found => Ok(found),
                }
            },
        )
        .await?;
        self.converge(call, &found.resource).await?;
        Ok(Created { id: found.id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        self.converge(call, &live.resource).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(12, || async {
            let delete = call.cloud.iam.delete_open_id_connect_provider().open_id_connect_provider_arn(&live.id);
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider is known to hang on its cluster's document, with and without a prefix.
    #[test]
    fn the_document_follows_from_the_issuer() {
        let of = |issuer: &str| configuration(issuer_in(&format!("arn:aws:iam::123456789012:oidc-provider/{issuer}")));
        let id = |text: &str| Ref::id(text);
        assert_eq!(of("b.s3.eu-west-1.amazonaws.com"), id("s3://b/.well-known/openid-configuration"));
        assert_eq!(of("b.s3.eu-west-1.amazonaws.com/a/c"), id("s3://b/a/c/.well-known/openid-configuration"));
        let arn = "arn:aws:iam::123456789012:oidc-provider/b.s3.eu-west-1.amazonaws.com/c";
        assert_eq!(candidates(arn)[1], "eu-west-1/b/c/openid/v1/jwks");
    }
}
