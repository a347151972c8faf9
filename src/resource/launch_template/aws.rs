//! Launch templates on AWS: versions, the default one, and which old ones may go.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Filter, LaunchTemplate as AwsLaunchTemplate, LaunchTemplateVersion, ResourceType, ResponseLaunchTemplateData,
};

use super::{LATEST, LaunchTemplate, VERSION, wire};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};
use crate::resource::{Aws, Changed, Created, Found, Ref, tags};

/// How many versions are kept for a return to an older state.
const KEPT: usize = 5;

const PAGE: i32 = 200;

/// The cluster's templates, without their content.
async fn templates(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<AwsLaunchTemplate>> {
    let list = cloud.ec2.describe_launch_templates().filters(ec2_cluster_filter(&scope.cluster));
    let mut pages = list.into_paginator().page_size(PAGE).items().send();
    let mut found = Vec::new();
    while let Some(template) = pages.next().await {
        let template = template.map_err(|e| AwsError::of("list launch templates", &e))?;
        if tags::is_owned(scope, &from_ec2_tags(scope, template.tags())) {
            found.push(template);
        }
    }
    Ok(found)
}

/// The content of each template's default version. Without a template's id AWS answers the default versions of the
/// whole account, so that this is one call for any number of templates; it ends as soon as all of ours have come.
async fn default_contents(
    cloud: &AwsCloud,
    mut wanted: BTreeSet<String>,
) -> Result<BTreeMap<String, ResponseLaunchTemplateData>> {
    let list = cloud.ec2.describe_launch_template_versions().versions("$Default");
    let mut pages = list.into_paginator().page_size(PAGE).items().send();
    let mut found = BTreeMap::new();
    while !wanted.is_empty() {
        let Some(version) = pages.next().await else { break };
        let version = version.map_err(|e| AwsError::of("read launch templates", &e))?;
        let Some(id) = version.launch_template_id().filter(|id| wanted.remove(*id)).map(str::to_owned) else { continue };
        found.insert(id, version.launch_template_data.unwrap_or_else(|| ResponseLaunchTemplateData::builder().build()));
    }
    Ok(found)
}

fn facts(default: i64, latest: i64) -> Attrs {
    Attrs::from([(VERSION.to_owned(), default.to_string()), (LATEST.to_owned(), latest.to_string())])
}

async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<LaunchTemplate>>> {
    let templates = templates(cloud, scope).await?;
    let ids = templates.iter().filter_map(|t| t.launch_template_id().map(str::to_owned)).collect();
    let mut contents = default_contents(cloud, ids).await?;
    let found = templates.iter().filter_map(|template| {
        let id = template.launch_template_id().unwrap_or_default();
        // One that was deleted between the two calls has no content.
        let data = contents.remove(id)?;
        let default = template.default_version_number().unwrap_or(1);
        Some(Found {
            name: template.launch_template_name().unwrap_or_default().to_owned(),
            id: id.to_owned(),
            attrs: facts(default, template.latest_version_number().unwrap_or(default)),
            resource: LaunchTemplate {
                data: wire::observed(scope, &data),
                tags: from_ec2_tags(scope, template.tags()),
            },
        })
    });
    Ok(found.collect())
}

/// Every version of one template, newest first.
async fn versions(call: &Call<'_>, id: &str) -> Result<Vec<LaunchTemplateVersion>> {
    let list = call.cloud.ec2.describe_launch_template_versions().launch_template_id(id);
    let mut pages = list.into_paginator().page_size(PAGE).items().send();
    let mut found = Vec::new();
    while let Some(version) = pages.next().await {
        found.push(version.map_err(|e| AwsError::of(call.doing("list the versions of"), &e))?);
    }
    found.sort_by_key(|v| std::cmp::Reverse(v.version_number()));
    Ok(found)
}

/// The versions that groups of the account pin or live instances were launched from.
async fn used_versions(call: &Call<'_>, id: &str) -> Result<BTreeSet<i64>> {
    let mut used = BTreeSet::new();
    let mut groups = call.cloud.autoscaling.describe_auto_scaling_groups().into_paginator().page_size(100).items().send();
    while let Some(group) = groups.next().await {
        let group = group.map_err(|e| AwsError::of("list Auto Scaling groups", &e))?;
        let policy = group.mixed_instances_policy().and_then(|p| p.launch_template());
        let overrides = policy.into_iter().flat_map(|p| p.overrides()).filter_map(|o| o.launch_template_specification());
        let pins = group.launch_template().into_iter();
        let pins = pins.chain(policy.and_then(|p| p.launch_template_specification())).chain(overrides);
        let ours = pins.filter(|p| p.launch_template_id() == Some(id));
        used.extend(ours.filter_map(|p| p.version()?.parse::<i64>().ok()));
    }
    const LAUNCHED_FROM: &str = "aws:ec2launchtemplate:id";
    const LAUNCHED_VERSION: &str = "aws:ec2launchtemplate:version";
    let filter = Filter::builder().name(format!("tag:{LAUNCHED_FROM}")).values(id).build();
    let mut pages = call.cloud.ec2.describe_instances().filters(filter).into_paginator().page_size(1000).send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of("list instances", &e))?;
        let tags = page.reservations().iter().flat_map(|r| r.instances()).flat_map(|i| i.tags());
        used.extend(tags.filter(|t| t.key() == Some(LAUNCHED_VERSION)).filter_map(|t| t.value()?.parse::<i64>().ok()));
    }
    Ok(used)
}

/// Deletes old versions, except the newest few, the default one and those in use. Nothing is asked while there are few.
async fn prune(call: &Call<'_>, id: &str, versions: &[i64], default: i64) -> Result<()> {
    let mut old: BTreeSet<i64> = versions.iter().skip(KEPT).copied().filter(|v| *v != default).collect();
    if old.is_empty() {
        return Ok(());
    }
    let used = used_versions(call, id).await?;
    old.retain(|v| !used.contains(v));
    if old.is_empty() {
        return Ok(());
    }
    let numbers = old.iter().rev().take(PAGE.unsigned_abs() as usize).map(i64::to_string).collect();
    let delete = call.cloud.ec2.delete_launch_template_versions().launch_template_id(id).set_versions(Some(numbers));
    delete.customize().send().await.map_err(|e| AwsError::of(call.doing("delete old versions of"), &e))?;
    Ok(())
}

impl LaunchTemplate {
    /// Makes the version with this content the default one: an old version that has it, or a new one.
    async fn publish(&self, call: &Call<'_>, live: &Found<Self>) -> Result<Attrs> {
        let mut known = versions(call, &live.id).await?;
        let same = known.iter().find(|v| v.launch_template_data().is_some_and(|d| self.is_content(call, d)));
        let default = match same.and_then(LaunchTemplateVersion::version_number) {
            Some(number) => number,
            None => {
                let made = self.add_version(call, &live.id).await?;
                let number = made.version_number().unwrap_or_default();
                known.insert(0, made);
                number
            }
        };
        let modify = call.cloud.ec2.modify_launch_template().launch_template_id(&live.id);
        let modify = modify.default_version(default.to_string()).customize().send().await;
        modify.map_err(|e| AwsError::of(call.doing("set the default version of"), &e))?;
        let numbers: Vec<i64> = known.iter().filter_map(LaunchTemplateVersion::version_number).collect();
        prune(call, &live.id, &numbers, default).await?;
        Ok(facts(default, numbers.first().copied().unwrap_or(default)))
    }

    async fn add_version(&self, call: &Call<'_>, id: &str) -> Result<LaunchTemplateVersion> {
        let create = call.cloud.ec2.create_launch_template_version().launch_template_id(id).client_token(call.token);
        let create = create.launch_template_data(wire::request(&self.data, call)?).customize().send().await;
        let made = create.map_err(|e| AwsError::of(call.doing("make a new version of"), &e))?;
        made.launch_template_version.ok_or_else(|| Error::failed(format!("AWS answered no new version of {}", call.addr)))
    }

    /// Whether a version has this content, by the ids of what is referred to.
    fn is_content(&self, call: &Call<'_>, data: &ResponseLaunchTemplateData) -> bool {
        let mut scope = tags::scope_of(&self.tags);
        scope.labels.extend(self.data.instance_tags.keys().cloned());
        let by_id = |r: &Ref| call.id(r).map(Ref::Id).ok();
        let mut wanted = self.data.clone();
        wanted.key_pair = wanted.key_pair.as_ref().and_then(by_id);
        wanted.instance_profile = wanted.instance_profile.as_ref().and_then(by_id);
        let groups = &mut wanted.network_interface.security_groups;
        *groups = groups.iter().filter_map(by_id).collect();
        wire::observed(&scope, data) == wanted
    }
}

#[async_trait]
impl Aws for LaunchTemplate {
    /// Two paged requests for any number of templates.
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let scope = tags::scope_of(&self.tags);
        let data = wire::request(&self.data, call)?;
        let found = once::create_once(
            || async {
                let made = call
                    .cloud
                    .ec2
                    .create_launch_template()
                    .launch_template_name(&call.addr.name)
                    .client_token(call.token)
                    .launch_template_data(data.clone())
                    .tag_specifications(ec2_tag_spec(ResourceType::LaunchTemplate, &self.tags))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                let id = made.launch_template().and_then(|t| t.launch_template_id()).unwrap_or_default().to_owned();
                Ok((Found { name: call.addr.name.clone(), id, attrs: facts(1, 1), resource: self.clone() }, true))
            },
            || async {
                let ours = find(call.cloud, &scope).await?.into_iter().find(|f| f.name == call.addr.name);
                Ok(ours.map(|f| (f, false)))
            },
        )
        .await?;
        match found {
            (found, true) => Ok(Created { id: found.id, attrs: found.attrs }),
            (adopted, false) => Ok(Created { attrs: self.publish(call, &adopted).await?, id: adopted.id }),
        }
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        if changed.has("data") { self.publish(call, live).await } else { Ok(Attrs::new()) }
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(20, || async {
            let delete = call.cloud.ec2.delete_launch_template().launch_template_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
