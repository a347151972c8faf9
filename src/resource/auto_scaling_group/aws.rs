//! Auto Scaling groups on AWS.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup as AwsGroup, Filter, LaunchTemplateSpecification, Tag, TagDescription,
};

use super::{AutoScalingGroup, MixedInstancesPolicy, PINNED, hooks};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};
use crate::resource::{Aws, Changed, Created, Found, Ref, launch_template, tags};

/// The fields that `UpdateAutoScalingGroup` changes.
const IN_ONE_CALL: &[&str] = &[
    "launchTemplate",
    "launchTemplateContent",
    "min",
    "max",
    "subnets",
    "mixedInstancesPolicy",
    "capacityRebalance",
    "maxInstanceLifetime",
    "healthCheckType",
    "healthCheckGracePeriod",
    "newInstancesProtectedFromScaleIn",
    "terminationPolicies",
];

/// How long a group may take to end its instances: about 15 minutes.
const ENDING: usize = 180;

/// `MaxInstanceLifetime` that clears the one that is set.
const FOR_EVER: i32 = 0;

fn pairs(tags: &[TagDescription]) -> impl Iterator<Item = (String, String)> {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned())))
}

fn normalise(scope: &Scope, group: &AwsGroup) -> Found<AutoScalingGroup> {
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    let policy = group.mixed_instances_policy();
    let mixed = policy.and_then(|p| p.launch_template()).and_then(|t| t.launch_template_specification());
    let template = group.launch_template().or(mixed);
    let pinned = template.and_then(|t| t.version()).unwrap_or("$Default").to_owned();
    let hooks = group.tags().iter().find(|t| t.key() == Some(hooks::TAG)).and_then(|t| t.value()).unwrap_or_default();
    // A tag that instances don't get is not what is wanted: it shows up as missing.
    let propagated: Vec<TagDescription> =
        group.tags().iter().filter(|t| t.propagate_at_launch() == Some(true)).cloned().collect();
    let mut tags = tags::managed(scope, pairs(&propagated));
    tags.remove(hooks::TAG);
    let subnets = group.vpc_zone_identifier().unwrap_or_default().split(',').map(str::trim);
    let name = group.auto_scaling_group_name().unwrap_or_default().to_owned();
    Found {
        id: name.clone(),
        name,
        attrs: Attrs::from([(PINNED.to_owned(), pinned)]),
        resource: AutoScalingGroup {
            launch_template: Ref::id(template.and_then(|t| t.launch_template_id()).unwrap_or_default()),
            launch_template_content: String::new(),
            min: number(group.min_size()).unwrap_or_default(),
            max: number(group.max_size()).unwrap_or_default(),
            subnets: subnets.filter(|s| !s.is_empty()).map(Ref::id).collect(),
            mixed_instances_policy: policy.map(MixedInstancesPolicy::observed),
            capacity_rebalance: group.capacity_rebalance().unwrap_or_default(),
            max_instance_lifetime: number(group.max_instance_lifetime()).filter(|s| *s > 0),
            health_check_type: group.health_check_type().unwrap_or("EC2").to_owned(),
            health_check_grace_period: number(group.health_check_grace_period()).unwrap_or_default(),
            new_instances_protected_from_scale_in: group.new_instances_protected_from_scale_in().unwrap_or_default(),
            suspended_processes: group
                .suspended_processes()
                .iter()
                .filter_map(|p| p.process_name().map(str::to_owned))
                .collect(),
            termination_policies: Some(group.termination_policies().to_vec())
                .filter(|p| !p.is_empty())
                .unwrap_or_else(|| vec!["Default".to_owned()]),
            target_groups: group.target_group_arns().iter().map(Ref::id).collect(),
            enabled_metrics: group.enabled_metrics().iter().filter_map(|m| m.metric().map(str::to_owned)).collect(),
            lifecycle_hooks: hooks::decode(hooks),
            tags,
        },
    }
}

/// The groups that carry the cluster's tag, 100 a page.
async fn find(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<AutoScalingGroup>>> {
    let filter = Filter::builder().name(format!("tag:{}", tags::CLUSTER)).values(&scope.cluster).build();
    let list = cloud.autoscaling.describe_auto_scaling_groups().filters(filter).into_paginator().page_size(100);
    let mut pages = list.items().send();
    let mut found = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|e| AwsError::of("list Auto Scaling groups", &e))?;
        if tags::is_owned(scope, &tags::managed(scope, pairs(group.tags()))) {
            found.push(normalise(scope, &group));
        }
    }
    Ok(found)
}

/// The group of that name, whoever's it is.
async fn named(call: &Call<'_>) -> Result<Option<AwsGroup>> {
    let answer = call.cloud.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(&call.addr.name);
    let answer = answer.customize().send().await.map_err(|e| AwsError::of(call.doing("read"), &e))?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().pop())
}

fn no_retry() -> aws_sdk_autoscaling::config::Builder {
    aws_sdk_autoscaling::config::Config::builder().retry_config(RetryConfig::disabled())
}

fn tag(group: &str, key: &str, value: Option<&str>) -> Tag {
    let tag = Tag::builder().resource_id(group).resource_type("auto-scaling-group").key(key);
    tag.set_value(value.map(str::to_owned)).propagate_at_launch(true).build()
}

/// A plain template or a policy: AWS takes one of them, and it replaces the other.
enum Launch {
    Template(LaunchTemplateSpecification),
    Policy(Box<aws_sdk_autoscaling::types::MixedInstancesPolicy>),
}

impl AutoScalingGroup {
    fn launch(&self, call: &Call<'_>) -> Result<Launch> {
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id(call.id(&self.launch_template)?)
            .version(call.ids.attr(&self.launch_template, launch_template::VERSION)?)
            .build();
        Ok(match &self.mixed_instances_policy {
            Some(policy) => Launch::Policy(Box::new(policy.request(template))),
            None => Launch::Template(template),
        })
    }

    fn create_tags(&self, name: &str) -> Result<Vec<Tag>> {
        let tags = self.tags.iter().map(|(k, v)| tag(name, k, Some(v)));
        Ok(tags.chain(hooks::tag(name, &self.lifecycle_hooks)?).collect())
    }

    fn creation(&self, call: &Call<'_>) -> Result<CreateAutoScalingGroupFluentBuilder> {
        let name = &call.addr.name;
        let targets = call.all(&self.target_groups)?;
        let create = call
            .cloud
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(name)
            .min_size(self.min.cast_signed())
            .max_size(self.max.cast_signed())
            .vpc_zone_identifier(call.all(&self.subnets)?.join(","))
            .capacity_rebalance(self.capacity_rebalance)
            .set_max_instance_lifetime(self.max_instance_lifetime.map(u32::cast_signed))
            .health_check_type(&self.health_check_type)
            .health_check_grace_period(self.health_check_grace_period.cast_signed())
            .new_instances_protected_from_scale_in(self.new_instances_protected_from_scale_in)
            .set_termination_policies(Some(self.termination_policies.clone()))
            .set_target_group_arns(Some(targets).filter(|t| !t.is_empty()))
            .set_lifecycle_hook_specification_list(hooks::specifications(&self.lifecycle_hooks))
            .set_tags(Some(self.create_tags(name)?));
        Ok(match self.launch(call)? {
            Launch::Template(template) => create.launch_template(template),
            Launch::Policy(policy) => create.mixed_instances_policy(*policy),
        })
    }

    async fn send_update(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        let lifetime = self.max_instance_lifetime.map_or(FOR_EVER, u32::cast_signed);
        let relived = self.max_instance_lifetime != live.max_instance_lifetime;
        let update = call
            .cloud
            .autoscaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(&call.addr.name)
            .min_size(self.min.cast_signed())
            .max_size(self.max.cast_signed())
            .vpc_zone_identifier(call.all(&self.subnets)?.join(","))
            .capacity_rebalance(self.capacity_rebalance)
            .set_max_instance_lifetime(relived.then_some(lifetime))
            .health_check_type(&self.health_check_type)
            .health_check_grace_period(self.health_check_grace_period.cast_signed())
            .new_instances_protected_from_scale_in(self.new_instances_protected_from_scale_in)
            .set_termination_policies(Some(self.termination_policies.clone()));
        // A request that names neither would leave the old one; one that names both is refused.
        let update = match self.launch(call)? {
            Launch::Template(template) => update.launch_template(template),
            Launch::Policy(policy) => update.mixed_instances_policy(*policy),
        };
        update.customize().send().await.map_err(|e| AwsError::of(call.doing("change"), &e))?;
        Ok(())
    }

    /// Brings what has calls of its own to what is wanted; `live` is what is there now.
    async fn converge(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        self.processes(call, live).await?;
        self.metrics(call, live).await?;
        self.targets(call, live).await?;
        if self.lifecycle_hooks != live.lifecycle_hooks {
            hooks::change(call, &live.lifecycle_hooks, &self.lifecycle_hooks).await?;
        }
        self.retag(call, live).await
    }

    async fn processes(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        let (autoscaling, name) = (&call.cloud.autoscaling, &call.addr.name);
        if let Some(more) = missing(&self.suspended_processes, &live.suspended_processes) {
            let suspend = autoscaling.suspend_processes().auto_scaling_group_name(name);
            let suspend = suspend.set_scaling_processes(Some(more)).customize().send().await;
            suspend.map_err(|e| AwsError::of(call.doing("suspend processes of"), &e))?;
        }
        if let Some(fewer) = missing(&live.suspended_processes, &self.suspended_processes) {
            let resume = autoscaling.resume_processes().auto_scaling_group_name(name);
            let resume = resume.set_scaling_processes(Some(fewer)).customize().send().await;
            resume.map_err(|e| AwsError::of(call.doing("resume processes of"), &e))?;
        }
        Ok(())
    }

    async fn metrics(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        let (autoscaling, name) = (&call.cloud.autoscaling, &call.addr.name);
        if let Some(more) = missing(&self.enabled_metrics, &live.enabled_metrics) {
            let enable = autoscaling.enable_metrics_collection().auto_scaling_group_name(name).granularity("1Minute");
            let enable = enable.set_metrics(Some(more)).customize().send().await;
            enable.map_err(|e| AwsError::of(call.doing("collect metrics of"), &e))?;
        }
        if let Some(fewer) = missing(&live.enabled_metrics, &self.enabled_metrics) {
            let disable = autoscaling.disable_metrics_collection().auto_scaling_group_name(name);
            let disable = disable.set_metrics(Some(fewer)).customize().send().await;
            disable.map_err(|e| AwsError::of(call.doing("stop metrics of"), &e))?;
        }
        Ok(())
    }

    async fn targets(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        let (autoscaling, name) = (&call.cloud.autoscaling, &call.addr.name);
        if let Some(more) = missing(&self.target_groups, &live.target_groups) {
            let attach = autoscaling.attach_load_balancer_target_groups().auto_scaling_group_name(name);
            let attach = attach.set_target_group_arns(Some(call.all(&more)?)).customize().send().await;
            attach.map_err(|e| AwsError::of(call.doing("attach target groups to"), &e))?;
        }
        if let Some(fewer) = missing(&live.target_groups, &self.target_groups) {
            let detach = autoscaling.detach_load_balancer_target_groups().auto_scaling_group_name(name);
            let detach = detach.set_target_group_arns(Some(call.all(&fewer)?)).customize().send().await;
            detach.map_err(|e| AwsError::of(call.doing("detach target groups from"), &e))?;
        }
        Ok(())
    }

    async fn retag(&self, call: &Call<'_>, live: &Self) -> Result<()> {
        let (autoscaling, name) = (&call.cloud.autoscaling, &call.addr.name);
        let (set, remove) = tags::difference(&live.tags, &self.tags);
        if !set.is_empty() {
            let tags = set.iter().map(|(k, v)| tag(name, k, Some(v))).collect();
            let write = autoscaling.create_or_update_tags().set_tags(Some(tags));
            write.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let tags = remove.iter().map(|k| tag(name, k, None)).collect();
            let delete = autoscaling.delete_tags().set_tags(Some(tags));
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
        Ok(())
    }
}

/// What is in `wanted` and not in `present`, if anything.
fn missing<T: Ord + Clone>(wanted: &BTreeSet<T>, present: &BTreeSet<T>) -> Option<Vec<T>> {
    Some(wanted.difference(present).cloned().collect::<Vec<_>>()).filter(|m| !m.is_empty())
}

fn foreign(call: &Call<'_>) -> Error {
    Error::failed(format!("an Auto Scaling group named {} exists that is not this cluster's", call.addr.name))
        .hint("delete it, or choose another name; kspot never changes a group it did not make")
}

#[async_trait]
impl Aws for AutoScalingGroup {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        find(cloud, scope).await
    }

    /// Waits out an instance profile that Auto Scaling does not see yet. A group of that name that is ours already, from
    /// a lost answer, is brought to what is wanted.
    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let (scope, create) = (tags::scope_of(&self.tags), self.creation(call)?);
        let adopted = once::create_once(
            || async {
                let made = create.clone().customize().config_override(no_retry()).send().await;
                made.map(|_| None).map_err(|e| AwsError::of(call.doing("create"), &e))
            },
            || async {
                let Some(group) = named(call).await? else { return Ok(None) };
                if !tags::is_owned(&scope, &tags::managed(&scope, pairs(group.tags()))) {
                    return Err(foreign(call));
                }
                Ok(Some(Some(normalise(&scope, &group).resource)))
            },
        )
        .await?;
        match adopted {
            Some(live) => {
                self.send_update(call, &live).await?;
                // Its references are by id: compared as such.
                let by_id = call.all(&self.target_groups)?.into_iter().map(Ref::Id).collect();
                let wanted = AutoScalingGroup { target_groups: by_id, ..self.clone() };
                wanted.converge(call, &live).await?;
            }
            None => {
                let fresh = AutoScalingGroup {
                    suspended_processes: BTreeSet::new(),
                    enabled_metrics: BTreeSet::new(),
                    ..self.clone()
                };
                self.converge(call, &fresh).await?;
            }
        }
        Ok(Created { id: call.addr.name.clone(), attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.any(IN_ONE_CALL) {
            self.send_update(call, &live.resource).await?;
        }
        self.converge(call, &live.resource).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        // An instance that waits at a hook would hold the group for its heartbeat.
        futures::future::try_join_all(live.resource.lifecycle_hooks.keys().map(|name| hooks::delete(call, name))).await?;
        let autoscaling = &call.cloud.autoscaling;
        once::deleted(40, || async {
            let delete = autoscaling.delete_auto_scaling_group().auto_scaling_group_name(&call.addr.name);
            delete.force_delete(true).customize().send().await.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await?;
        once::until(&format!("the end of the instances of {}", call.addr), ENDING, || async {
            Ok(named(call).await?.is_none().then_some(()))
        })
        .await
    }
}
