//! Instance profile: what hands a role to an instance.

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::iam_role::{existing, foreign, from_tags, name_in, no_retry, to_tags};
use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// A profile with one role. Its id is its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceProfile {
    /// The role that its instances have.
    pub role: Ref,
    /// Its tags.
    pub tags: Tags,
}

impl Model for InstanceProfile {
    const KIND: Kind = Kind::InstanceProfile;
    const RULES: Rules = Rules {
        noun: "instance profile",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// The profile of that name, whoever's it is.
async fn read(cloud: &AwsCloud, scope: &Scope, name: &str) -> Result<Option<Found<InstanceProfile>>> {
    let answer = cloud.iam.get_instance_profile().instance_profile_name(name).customize().send().await;
    let answer = existing(answer.map_err(|e| AwsError::of(format!("read instance profile {name}"), &e)))?;
    let Some(profile) = answer.and_then(|a| a.instance_profile) else { return Ok(None) };
    // A profile whose role was deleted has none; an empty id is never equal to a wanted one.
    let role = profile.roles().first().map(|r| r.arn().to_owned()).unwrap_or_default();
    Ok(Some(Found {
        name: name.to_owned(),
        id: profile.arn().to_owned(),
        attrs: Attrs::new(),
        resource: InstanceProfile { role: Ref::id(role), tags: from_tags(scope, profile.tags()) },
    }))
}

async fn remove_role(call: &Call<'_>, live: &InstanceProfile) -> Result<()> {
    let role = match &live.role {
        Ref::Id(id) if id.is_empty() => return Ok(()),
        role => call.id(role)?,
    };
    let remove = call.cloud.iam.remove_role_from_instance_profile();
    let remove = remove.instance_profile_name(&call.addr.name).role_name(name_in(&role)).customize().send().await;
    existing(remove.map_err(|e| AwsError::of(call.doing("take the role from"), &e))).map(drop)
}

impl InstanceProfile {
    async fn add_role(&self, call: &Call<'_>) -> Result<()> {
        let role = call.id(&self.role)?;
        once::settled(12, || async {
            let add = call.cloud.iam.add_role_to_instance_profile();
            let add = add.instance_profile_name(&call.addr.name).role_name(name_in(&role));
            match add.customize().send().await.map_err(|e| AwsError::of(call.doing("give a role to"), &e)) {
                // A lost answer's second try: a profile has one role at most.
                Err(e) if e.class == Class::Quota && has_role(call, &role).await => Ok(()),
                added => added.map(drop),
            }
        })
        .await
    }
}

async fn has_role(call: &Call<'_>, role: &str) -> bool {
    let profile = read(call.cloud, &Scope::default(), &call.addr.name).await;
    matches!(profile, Ok(Some(p)) if matches!(&p.resource.role, Ref::Id(id) if name_in(id) == name_in(role)))
}

#[async_trait]
impl Aws for InstanceProfile {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let found = try_join_all(scope.names(Kind::InstanceProfile).map(|name| read(cloud, scope, name))).await?;
        Ok(found.into_iter().flatten().filter(|f| tags::is_owned(scope, &f.resource.tags)).collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let (scope, name, wanted_tags) = (tags::scope_of(&self.tags), &call.addr.name, to_tags(&self.tags)?);
        let found = once::create_once(
            || async {
                let made = call
                    .cloud
                    .iam
                    .create_instance_profile()
                    .instance_profile_name(name)
                    .set_tags(Some(wanted_tags.clone()))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let fresh = InstanceProfile { role: Ref::id(""), tags: self.tags.clone() };
                let id = made.instance_profile().map(|p| p.arn().to_owned()).unwrap_or_default();
                Ok(Found { name: name.clone(), id, attrs: Attrs::new(), resource: fresh })
            },
            || async {
                match read(call.cloud, &scope, name).await? {
                    Some(f) if !tags::is_owned(&scope, &f.resource.tags) => Err(foreign("instance profile", name)),
                    found => Ok(found),
                }
            },
        )
        .await?;
        if found.resource.role != Ref::id(call.id(&self.role)?) {
            remove_role(call, &found.resource).await?;
            self.add_role(call).await?;
        }
        Ok(Created { id: found.id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        let (iam, name) = (&call.cloud.iam, &call.addr.name);
        if changed.has("role") {
            remove_role(call, &live.resource).await?;
            self.add_role(call).await?;
        }
        let (set, remove) = tags::difference(&live.resource.tags, &self.tags);
        if !set.is_empty() {
            let tag = iam.tag_instance_profile().instance_profile_name(name).set_tags(Some(to_tags(&set)?));
            tag.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let untag = iam.untag_instance_profile().instance_profile_name(name).set_tag_keys(Some(remove));
            untag.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        remove_role(call, &live.resource).await?;
        once::deleted(40, || async {
            let delete = call.cloud.iam.delete_instance_profile().instance_profile_name(&call.addr.name);
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
