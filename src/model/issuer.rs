//! The issuer of service accounts' tokens, where the spec publishes it: the documents in its bucket, and the provider by
//! which IAM trusts it.

use std::collections::BTreeSet;

use serde_json::json;

use super::Input;
use crate::error::{Error, Result};
use crate::pki::jwks;
use crate::resource::oidc_provider::{CONFIGURATION, KEYS};
use crate::resource::policy::canonical;
use crate::resource::{Desired, DiscoveryDocument, Kind, OidcProvider, Ref};

/// The audience of tokens that are meant for AWS.
pub(super) const AWS_AUDIENCE: &str = "amazonaws.com";

/// Who signs the tokens of the cluster's service accounts, as AWS sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issuer<'a> {
    bucket: &'a str,
    /// Empty, or without a slash at either end.
    prefix: &'a str,
    region: &'a str,
    dns_suffix: &'a str,
}

impl<'a> Issuer<'a> {
    /// The issuer of a cluster; none if its spec publishes none.
    pub(super) fn of(input: &Input<'a>) -> Result<Option<Self>> {
        let Some((bucket, prefix)) = input.cluster.spec.discovery_store() else { return Ok(None) };
        let unknown = || Error::failed(format!("the region of bucket {bucket} was not looked up"));
        let region = input.facts.discovery_region.as_deref().ok_or_else(unknown)?;
        Ok(Some(Issuer { bucket, prefix, region, dns_suffix: input.dns_suffix() }))
    }

    /// The URL without `https://`: the name of its provider, and of its claims in IAM's conditions.
    pub(super) fn name(&self) -> String {
        let Issuer { bucket, prefix, region, dns_suffix } = self;
        let path = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        format!("{bucket}.s3.{region}.{dns_suffix}{path}")
    }

    /// The URL, which every token names as its `iss`.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.name())
    }

    /// The URL of the public keys.
    pub(super) fn keys_url(&self) -> String {
        format!("{}/{KEYS}", self.url())
    }

    /// The ARN of the provider, whoever makes it.
    pub(super) fn provider_arn(&self, input: &Input<'_>) -> String {
        format!("arn:{}:iam::{}:oidc-provider/{}", input.account.partition, input.account.id, self.name())
    }

    /// The provider: the cluster's own, or one that the spec leaves to others.
    pub(super) fn provider(&self, input: &Input<'_>) -> Ref {
        match makes_provider(input) {
            true => Ref::to(Kind::OidcProvider, self.name()),
            false => Ref::id(self.provider_arn(input)),
        }
    }

    fn document(&self, input: &Input<'_>, path: &str, content: &serde_json::Value) -> DiscoveryDocument {
        DiscoveryDocument {
            cluster: input.cluster.name().to_owned(),
            bucket: self.bucket.to_owned(),
            region: self.region.to_owned(),
            key: if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) },
            content: canonical(content),
        }
    }
}

/// Whether the provider in IAM is kspot's to make.
fn makes_provider(input: &Input<'_>) -> bool {
    let discovery = input.cluster.spec.service_account_issuer_discovery.as_ref();
    discovery.and_then(|d| d.enable_aws_oidc_provider).unwrap_or(true)
}

/// The audiences of tokens that leave the cluster.
pub(super) fn audiences<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a str> {
    let discovery = input.cluster.spec.service_account_issuer_discovery.as_ref();
    std::iter::once(AWS_AUDIENCE).chain(discovery.into_iter().flat_map(|d| &d.additional_audiences).map(String::as_str))
}

/// The two documents, and the provider.
pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let Some(issuer) = Issuer::of(input)? else { return Ok(()) };
    let configuration = json!({
        "issuer": issuer.url(),
        "jwks_uri": issuer.keys_url(),
        "authorization_endpoint": "urn:kubernetes:programmatic_authorization",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss"],
    });
    let configuration = issuer.document(input, CONFIGURATION, &configuration);
    let keys = issuer.document(input, KEYS, &jwks::key_set(&input.facts.service_account_keys)?);
    if makes_provider(input) {
        let name = issuer.name();
        let provider = OidcProvider {
            arn: issuer.provider_arn(input),
            configuration: Ref::to(Kind::DiscoveryDocument, configuration.name()),
            client_ids: audiences(input).map(str::to_owned).collect::<BTreeSet<_>>(),
            tags: super::tags::owned(input, &name),
        };
        input.add(desired, &name, provider)?;
    }
    for document in [configuration, keys] {
        input.add(desired, &document.name(), document)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer<'a>(prefix: &'a str, region: &'a str, dns_suffix: &'a str) -> Issuer<'a> {
        Issuer { bucket: "tokens", prefix, region, dns_suffix }
    }

    /// The issuer is the bucket's own name in its own region, with no slash at its end.
    #[test]
    fn issuers_are_https_urls_of_the_bucket() {
        let plain = issuer("", "eu-west-1", "amazonaws.com");
        assert_eq!(plain.url(), "https://tokens.s3.eu-west-1.amazonaws.com");
        assert_eq!(plain.keys_url(), "https://tokens.s3.eu-west-1.amazonaws.com/openid/v1/jwks");
        let china = issuer("team/c", "cn-north-1", "amazonaws.com.cn");
        assert_eq!(china.name(), "tokens.s3.cn-north-1.amazonaws.com.cn/team/c");
    }
}
