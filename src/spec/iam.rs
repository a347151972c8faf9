//! Rights: what roles may do, permissions boundary, roles of service accounts.

use serde::{Deserialize, Serialize};

use super::block::block;

block! {
    /// Rights of machines and service accounts.
    pub struct IamSpec {
        /// Whether nodes may pull from ECR. Default true.
        pub allow_container_registry: Option<bool>,
        /// ARN of a policy that bounds every role kspot makes.
        pub permissions_boundary: Option<String>,
        /// Whether kspot's own addons get a role of their own; needs serviceAccountIssuerDiscovery. Default: true as soon as that is set.
        pub use_service_account_external_permissions: Option<bool>,
        /// Roles for service accounts of yours.
        pub service_account_external_permissions: Vec<ServiceAccountPermission>,
    }
}

/// The role of one service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountPermission {
    /// Name of the service account.
    pub name: String,
    /// Its namespace; `test-*` stands for every namespace with that prefix.
    pub namespace: String,
    /// What it may do on AWS.
    pub aws: AwsPermission,
}

block! {
    /// Rights on AWS: exactly one of the two.
    pub struct AwsPermission {
        /// ARNs of existing policies.
        #[serde(rename = "policyARNs")]
        pub policy_arns: Vec<String>,
        /// A JSON list of IAM statements.
        pub inline_policy: Option<String>,
    }
}

block! {
    /// Publishes the documents with which AWS can check service-account tokens.
    pub struct ServiceAccountIssuerDiscovery {
        /// `s3://bucket[/prefix]` the documents are written to; the bucket's name has no dot.
        pub discovery_store: Option<String>,
        /// Whether the OpenID Connect provider is made in IAM. Default true as soon as discoveryStore is set.
        #[serde(rename = "enableAWSOIDCProvider")]
        pub enable_aws_oidc_provider: Option<bool>,
        /// Audiences besides `amazonaws.com`.
        pub additional_audiences: Vec<String>,
    }
}
