//! IAM role: what the cluster's machines and service accounts may do.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, policy, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Context, Error, Result};

/// A role of EC2 instances, or of a service account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IamRole {
    /// Who may assume it: the trust policy in [canonical](policy) form.
    pub trust_policy: String,
    /// The provider whose tokens the trust policy takes; none for a role of machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<Ref>,
    /// What it allows: the inline policy of the role's own name, in [canonical](policy) form.
    pub policy: Option<String>,
    /// ARNs of the managed policies attached to it.
    pub managed_policies: BTreeSet<String>,
    /// ARN of the policy that bounds what it can be allowed.
    pub permissions_boundary: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Model for IamRole {
    const KIND: Kind = Kind::IamRole;
    const RULES: Rules = Rules {
        noun: "IAM role",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &["trustPolicy", "policy"],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// Tags in IAM's type.
pub(super) fn to_tags(tags: &Tags) -> Result<Vec<aws_sdk_iam::types::Tag>> {
    let tag = |(k, v): (&String, &String)| aws_sdk_iam::types::Tag::builder().key(k).value(v).build();
    tags.iter().map(tag).collect::<std::result::Result<_, _>>().context(|| "can't make IAM tags".to_owned())
}

/// Tags out of IAM's type, as far as kspot manages them.
pub(super) fn from_tags(scope: &Scope, tags: &[aws_sdk_iam::types::Tag]) -> Tags {
    tags::managed(scope, tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())))
}

/// The configuration override for calls that [`once::create_once`] repeats itself.
pub(super) fn no_retry() -> aws_sdk_iam::config::Builder {
    aws_sdk_iam::config::Config::builder().retry_config(RetryConfig::disabled())
}

/// The name in an IAM ARN (`arn:aws:iam::123456789012:role/path/name`), or the name itself.
pub(super) fn name_in(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// That a thing of that name is there which is not this cluster's.
pub(super) fn foreign(noun: &str, name: &str) -> Error {
    Error::failed(format!("an {noun} named {name} exists that is not this cluster's: its tags do not say so"))
        .hint(format!("delete or rename it if nothing uses it, or choose another cluster name; kspot never changes an {noun} it did not make"))
}

/// Nothing instead of an error when the thing is not there.
pub fn existing<T>(answer: Result<T, AwsError>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.class == Class::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The provider that a trust policy names.
pub fn identity_provider(trust_policy: &str) -> Option<Ref> {
    let document: Value = serde_json::from_str(trust_policy).ok()?;
    let statements = document["Statement"].as_array()?;
    statements.iter().find_map(|s| s["Principal"]["Federated"].as_str()).map(Ref::id)
}

async fn attached(cloud: &AwsCloud, name: &str) -> Result<BTreeSet<String>> {
    let mut pages = cloud.iam.list_attached_role_policies().role_name(name).into_paginator().items().send();
    let mut arns = BTreeSet::new();
    while let Some(policy) = pages.next().await {
        let policy = policy.map_err(|e| AwsError::of(format!("list the managed policies of role {name}"), &e));
        match existing(policy)? {
            Some(policy) => arns.extend(policy.policy_arn().map(str::to_owned)),
            None => break,
        }
    }
    Ok(arns)
}

/// The role of that name, whoever's it is: one request when it is missing, else three.
async fn read(cloud: &AwsCloud, scope: &Scope, name: &str) -> Result<Option<Found<IamRole>>> {
    let role = cloud.iam.get_role().role_name(name).customize().send().await;
    let role = existing(role.map_err(|e| AwsError::of(format!("read role {name}"), &e)))?;
    let Some(role) = role.and_then(|r| r.role) else { return Ok(None) };
    let inline = async {
        let policy = cloud.iam.get_role_policy().role_name(name).policy_name(name).customize().send().await;
        existing(policy.map_err(|e| AwsError::of(format!("read the policy of role {name}"), &e)))
    };
    let (inline, managed_policies) = try_join(inline, attached(cloud, name)).await?;
    let trust_policy = policy::from_iam(role.assume_role_policy_document().unwrap_or_default());
    Ok(Some(Found {
        name: name.to_owned(),
        id: role.arn().to_owned(),
        attrs: Attrs::new(),
        resource: IamRole {
            identity_provider: identity_provider(&trust_policy),
            trust_policy,
            policy: inline.map(|p| policy::from_iam(p.policy_document())),
            managed_policies,
            permissions_boundary: role
                .permissions_boundary()
                .and_then(|b| b.permissions_boundary_arn())
                .map(str::to_owned),
            tags: from_tags(scope, role.tags()),
        },
    }))
}

impl IamRole {
    /// Brings everything beyond the create call to what is wanted; `live` is what is there now.
    async fn converge(&self, call: &Call<'_>, live: &IamRole) -> Result<()> {
        let (iam, name) = (&call.cloud.iam, &call.addr.name);
        if live.trust_policy != self.trust_policy {
            let update = iam.update_assume_role_policy().role_name(name);
            let update = update.policy_document(policy::compact(&self.trust_policy));
            update.customize().send().await.map_err(|e| AwsError::of(call.doing("set the trust policy of"), &e))?;
        }
        match &self.policy {
            wanted if *wanted == live.policy => {}
            Some(wanted) => {
                let put = iam.put_role_policy().role_name(name).policy_name(name);
                let put = put.policy_document(policy::compact(wanted));
                put.customize().send().await.map_err(|e| AwsError::of(call.doing("set the policy of"), &e))?;
            }
            None => {
                let delete = iam.delete_role_policy().role_name(name).policy_name(name).customize().send().await;
                existing(delete.map_err(|e| AwsError::of(call.doing("delete the policy of"), &e)))?;
            }
        }
        for arn in self.managed_policies.difference(&live.managed_policies) {
            let attach = iam.attach_role_policy().role_name(name).policy_arn(arn);
            attach.customize().send().await.map_err(|e| AwsError::of(call.doing(&format!("attach {arn} to")), &e))?;
        }
        for arn in live.managed_policies.difference(&self.managed_policies) {
            detach(call, arn).await?;
        }
        self.bound(call, live).await?;
        self.retag(call, live).await
    }

    async fn bound(&self, call: &Call<'_>, live: &IamRole) -> Result<()> {
        let (iam, name) = (&call.cloud.iam, &call.addr.name);
        match &self.permissions_boundary {
            wanted if *wanted == live.permissions_boundary => {}
            Some(arn) => {
                let put = iam.put_role_permissions_boundary().role_name(name).permissions_boundary(arn);
                put.customize().send().await.map_err(|e| AwsError::of(call.doing("bound the permissions of"), &e))?;
            }
            None => {
                let delete = iam.delete_role_permissions_boundary().role_name(name).customize().send().await;
                existing(delete.map_err(|e| AwsError::of(call.doing("unbound the permissions of"), &e)))?;
            }
        }
        Ok(())
    }

    async fn retag(&self, call: &Call<'_>, live: &IamRole) -> Result<()> {
        let (iam, name) = (&call.cloud.iam, &call.addr.name);
        let (set, remove) = tags::difference(&live.tags, &self.tags);
        if !set.is_empty() {
            let tag = iam.tag_role().role_name(name).set_tags(Some(to_tags(&set)?));
            tag.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let untag = iam.untag_role().role_name(name).set_tag_keys(Some(remove));
            untag.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
        Ok(())
    }
}

async fn detach(call: &Call<'_>, arn: &str) -> Result<()> {
    let detach = call.cloud.iam.detach_role_policy().role_name(&call.addr.name).policy_arn(arn).customize().send().await;
    existing(detach.map_err(|e| AwsError::of(call.doing(&format!("detach {arn} from")), &e))).map(drop)
}

#[async_trait]
impl Aws for IamRole {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let found = try_join_all(scope.names(Kind::IamRole).map(|name| read(cloud, scope, name))).await?;
        Ok(found.into_iter().flatten().filter(|f| tags::is_owned(scope, &f.resource.tags)).collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let (scope, name, wanted_tags) = (tags::scope_of(&self.tags), &call.addr.name, to_tags(&self.tags)?);
        let found = once::create_once(
            || async {
                let made = call
                    .cloud
                    .iam
                    .create_role()
                    .role_name(name)
                    .assume_role_policy_document(policy::compact(&self.trust_policy))
                    .set_permissions_boundary(self.permissions_boundary.clone())
                    .set_tags(Some(wanted_tags.clone()))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let fresh = IamRole { policy: None, managed_policies: BTreeSet::new(), ..self.clone() };
                let id = made.role().map(|r| r.arn().to_owned()).unwrap_or_default();
                Ok(Found { name: name.clone(), id, attrs: Attrs::new(), resource: fresh })
            },
            || async {
                match read(call.cloud, &scope, name).await? {
                    Some(f) if !tags::is_owned(&scope, &f.resource.tags) => Err(foreign("IAM role", name)),
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

    async fn delete(call: &Call<'_>, _live: &Found<Self>) -> Result<()> {
        let (iam, name) = (&call.cloud.iam, &call.addr.name);
        let inline = iam.list_role_policies().role_name(name).customize().send().await;
        let Some(inline) = existing(inline.map_err(|e| AwsError::of(call.doing("list the policies of"), &e)))? else {
            return Ok(());
        };
        for policy in inline.policy_names() {
            let delete = iam.delete_role_policy().role_name(name).policy_name(policy).customize().send().await;
            existing(delete.map_err(|e| AwsError::of(call.doing("delete the policy of"), &e)))?;
        }
        for arn in attached(call.cloud, name).await? {
            detach(call, &arn).await?;
        }
        once::deleted(40, || async {
            let delete = iam.delete_role().role_name(name).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
