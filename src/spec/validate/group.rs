//! A group by itself: subnets, sizes, metadata service, lifetime, scaling policies, user data, ids.

use std::collections::BTreeSet;

use super::access::security_groups;
use super::{GroupRule, Report, Specs};
use crate::error::did_you_mean;
use crate::spec::instance_group::{InstanceGroup, InterruptionBehavior, Role, ScalingMetric};
use crate::spec::int_or_percent::IntOrPercent;

pub(super) const GROUP_RULES: &[GroupRule] = &[
    subnets_exist,
    sizes_are_in_order,
    hop_limit,
    lifetime,
    spot_price,
    scaling_policies,
    security_group_ids,
    instance_profile,
    load_balancers,
    user_data_names,
    kernel_parameters,
    rolling_update_moves,
    processes_stand_once,
];

fn subnets_exist(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let cluster = &specs.cluster.spec;
    for (i, name) in group.spec.subnets.iter().enumerate().filter(|(_, name)| cluster.subnet(name).is_none()) {
        let names = cluster.subnets.iter().map(|s| s.name.as_str());
        let near = did_you_mean(name, names).map(|n| format!(", did you mean {n}")).unwrap_or_default();
        report.error(format!("spec.subnets[{i}]"), format!("the cluster has no subnet {name}{near}"));
    }
    let zones = cluster.zones();
    for (i, zone) in group.spec.zones.iter().enumerate().filter(|(_, zone)| !zones.contains(&zone.as_str())) {
        report.error(format!("spec.zones[{i}]"), format!("no subnet is in zone {zone}, only in {}", zones.join(", ")));
    }
    let none = cluster.subnets_of(&group.spec).is_empty() && !cluster.subnets.is_empty();
    let named = group.spec.subnets.iter().all(|name| cluster.subnet(name).is_some());
    report
        .require(!none || !named, "spec.subnets", || "no subnet of the cluster fits this group: name some".to_owned());
}

fn sizes_are_in_order(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let (min, max) = (group.spec.min_size(), group.spec.max_size());
    report.require(min <= max, "spec.minSize", || format!("{min} is more than maxSize {max}"));
}

fn hop_limit(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let hops = group.spec.http_put_response_hop_limit();
    report.require((1..=64).contains(&hops), "spec.instanceMetadata.httpPutResponseHopLimit", || {
        format!("{hops} is not between 1 and 64")
    });
}

fn lifetime(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let seconds = group.spec.max_instance_lifetime_seconds();
    report.require(seconds == 0 || (86_400..=31_536_000).contains(&seconds), "spec.maxInstanceLifetime", || {
        format!("{seconds} seconds: Auto Scaling takes 0 (never) or 24h to 8760h")
    });
}

fn spot_price(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    if let Some(price) = &group.spec.max_price {
        let positive = price.parse::<f64>().is_ok_and(|p| p > 0.0 && p.is_finite());
        report.require(positive, "spec.maxPrice", || {
            format!("{price:?} is not a price in dollars per hour such as \"0.1\"")
        });
    }
    if let Some(behavior) = group.spec.instance_interruption_behavior {
        let ends = behavior == InterruptionBehavior::Terminate;
        report.require(ends, "spec.instanceInterruptionBehavior", || {
            "machines of an Auto Scaling group are always terminated: write terminate or leave it out".to_owned()
        });
    }
}

fn scaling_policies(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut metrics = BTreeSet::new();
    let autoscaled = specs.cluster.spec.enabled_cluster_autoscaler().is_some() && group.spec.autoscale();
    for (i, policy) in group.spec.target_tracking.iter().enumerate() {
        let path = format!("spec.targetTracking[{i}]");
        report.require(!autoscaled, path.clone(), || {
            "the cluster autoscaler manages this group: set autoscale: false, or leave scaling to it".to_owned()
        });
        report.require(metrics.insert(policy.metric), format!("{path}.metric"), || {
            format!("{} has a policy already", policy.metric.as_str())
        });
        report.require(policy.target > 0.0, format!("{path}.target"), || format!("{} is not above 0", policy.target));
        let percent = policy.metric != ScalingMetric::ASGAverageCPUUtilization || policy.target <= 100.0;
        report.require(percent, format!("{path}.target"), || format!("{} percent is above 100", policy.target));
        let per_target = policy.metric == ScalingMetric::ALBRequestCountPerTarget;
        report.require(per_target == policy.resource_label.is_some(), format!("{path}.resourceLabel"), || {
            "ALBRequestCountPerTarget needs it, the other metrics have none".to_owned()
        });
    }
}

fn security_group_ids(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    security_groups("spec.additionalSecurityGroups", &group.spec.additional_security_groups, report);
    if let Some(id) = &group.spec.security_group_override {
        report.require(id.starts_with("sg-"), "spec.securityGroupOverride", || {
            format!("{id:?} is not the id of a security group, sg-...")
        });
    }
}

fn instance_profile(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    if let Some(arn) = group.spec.iam.as_ref().and_then(|i| i.profile.as_deref()) {
        let known = arn.starts_with("arn:") && arn.contains(":instance-profile/");
        report.require(known, "spec.iam.profile", || format!("{arn:?} is not the ARN of an instance profile"));
    }
}

fn load_balancers(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    for (i, balancer) in group.spec.external_load_balancers.iter().enumerate() {
        let path = format!("spec.externalLoadBalancers[{i}]");
        match (&balancer.load_balancer_name, &balancer.target_group_arn) {
            (Some(name), None) => {
                let path = format!("{path}.loadBalancerName");
                report.require((1..=32).contains(&name.len()), path, || format!("{name:?} has not 1 to 32 characters"));
            }
            (None, Some(arn)) => {
                let known = arn.starts_with("arn:") && arn.contains(":targetgroup/");
                let path = format!("{path}.targetGroupArn");
                report.require(known, path, || format!("{arn:?} is not the ARN of a target group"));
            }
            _ => report.error(path, "give exactly one of loadBalancerName and targetGroupArn"),
        }
    }
}

fn user_data_names(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut names = BTreeSet::new();
    for (i, part) in group.spec.additional_user_data.iter().enumerate() {
        let path = format!("spec.additionalUserData[{i}]");
        report.require(!part.name.is_empty(), format!("{path}.name"), || "the name is empty".to_owned());
        report.require(names.insert(&part.name), format!("{path}.name"), || format!("{} stands here twice", part.name));
        report
            .require(!part.content.trim().is_empty(), format!("{path}.content"), || "the content is empty".to_owned());
    }
}

fn kernel_parameters(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    for (i, line) in group.spec.sysctl_parameters.iter().enumerate() {
        report.require(line.contains('='), format!("spec.sysctlParameters[{i}]"), || {
            format!("{line:?} is not name=value")
        });
    }
}

fn rolling_update_moves(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let zero = |n: IntOrPercent| matches!(n, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
    let (own, all) = (group.spec.rolling_update.as_ref(), specs.cluster.spec.rolling_update.as_ref());
    let unavailable = own.and_then(|r| r.max_unavailable).or(all.and_then(|r| r.max_unavailable));
    let surge = own.and_then(|r| r.max_surge).or(all.and_then(|r| r.max_surge));
    let stuck = unavailable.is_some_and(zero) && surge.is_some_and(zero);
    report.require(!stuck, "spec.rollingUpdate", || {
        "maxSurge and maxUnavailable are both 0, so nothing could be replaced".to_owned()
    });
    let surging = group.spec.role == Role::ControlPlane && own.and_then(|r| r.max_surge).is_some_and(|s| !zero(s));
    report.require(!surging, "spec.rollingUpdate.maxSurge", || {
        "a control-plane machine is replaced in place: write 0".to_owned()
    });
}

fn processes_stand_once(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (i, process) in group.spec.suspend_processes.iter().enumerate() {
        report.require(seen.insert(process), format!("spec.suspendProcesses[{i}]"), || {
            format!("{} stands here twice", process.as_str())
        });
    }
}
