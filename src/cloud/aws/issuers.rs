//! The issuer of a cluster of which nothing is recorded: found through the providers of the account.

use futures::future::try_join_all;

use super::{AwsCloud, AwsError};
use crate::cloud::Scope;
use crate::error::Result;
use crate::resource::{Kind, Ref, iam_role, oidc_provider, policy, tags};

impl AwsCloud {
    /// Where to look for the provider, the documents and the roles of a cluster's service accounts, of which its name
    /// alone does not tell: the providers that carry the cluster's tag, what they name, and the roles that trust them.
    pub async fn issuers(&self, cluster: &str) -> Result<Scope> {
        let mut scope = Scope::of(cluster);
        let listed = self.iam.list_open_id_connect_providers().customize().send().await;
        let listed = listed.map_err(|e| AwsError::of("list the OpenID Connect providers", &e))?;
        let arns: Vec<&str> = listed.open_id_connect_provider_list().iter().filter_map(|p| p.arn()).collect();
        let found = try_join_all(arns.iter().map(|arn| oidc_provider::read(self, &scope, arn))).await?;
        let owned: Vec<String> =
            found.into_iter().flatten().filter(|f| tags::is_owned(&scope, &f.resource.tags)).map(|f| f.id).collect();
        if owned.is_empty() {
            return Ok(scope);
        }
        scope.add(Kind::DiscoveryDocument, owned.iter().flat_map(|arn| oidc_provider::candidates(arn)));
        let mut pages = self.iam.list_roles().into_paginator().items().send();
        while let Some(role) = pages.next().await {
            let role = role.map_err(|e| AwsError::of("list the roles", &e))?;
            let trust = policy::from_iam(role.assume_role_policy_document().unwrap_or_default());
            if let Some(Ref::Id(arn)) = iam_role::identity_provider(&trust)
                && owned.contains(&arn)
            {
                scope.add(Kind::IamRole, [role.role_name().to_owned()]);
            }
        }
        scope.add(Kind::OidcProvider, owned);
        Ok(scope)
    }
}
