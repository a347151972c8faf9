//! The control plane: an odd number of groups of one machine, each in one zone.

use std::collections::BTreeSet;

use super::{ClusterRule, GroupRule, Report, Specs};
use crate::spec::instance_group::{InstanceGroup, Role};

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[number_is_odd, somebody_does_the_work];
pub(super) const GROUP_RULES: &[GroupRule] = &[one_machine_per_group, one_zone_per_group, no_spot_control_plane];

fn number_is_odd(specs: &Specs, report: &mut Report) {
    let count = specs.groups.iter().filter(|g| g.spec.role == Role::ControlPlane).count();
    match count {
        0 => report.error("metadata.name", "the cluster has no control-plane group"),
        n if n % 2 == 0 => {
            let message = format!(
                "{n} control-plane groups survive no more failures than {}: take {} or {}",
                n - 1,
                n - 1,
                n + 1
            );
            report.error("metadata.name", message);
        }
        _ => {}
    }
}

fn somebody_does_the_work(specs: &Specs, report: &mut Report) {
    if !specs.groups.iter().any(|g| g.spec.role == Role::Node) {
        report.warning("metadata.name", "the cluster has no group of role Node, so pods have no place to run");
    }
}

fn one_machine_per_group(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    let (min, max) = (group.spec.min_size(), group.spec.max_size());
    if group.spec.role == Role::ControlPlane {
        let message =
            || format!("a control-plane group has exactly one machine, not {min} to {max}: add groups instead");
        report.require((min, max) == (1, 1), if min == 1 { "spec.maxSize" } else { "spec.minSize" }, message);
    }
}

/// The etcd volume of a control-plane machine stays in its zone, so the machine must too.
fn one_zone_per_group(specs: &Specs, group: &InstanceGroup, report: &mut Report) {
    let subnets = specs.cluster.spec.subnets_of(&group.spec);
    let zones: BTreeSet<&str> = subnets.iter().map(|s| s.zone.as_str()).collect();
    if group.spec.role == Role::ControlPlane && zones.len() > 1 {
        let zones = zones.into_iter().collect::<Vec<_>>().join(", ");
        report
            .error("spec.subnets", format!("a control-plane group stays in one zone with its volumes, not in {zones}"));
    }
}

fn no_spot_control_plane(_: &Specs, group: &InstanceGroup, report: &mut Report) {
    if group.spec.role == Role::ControlPlane && group.spec.buys_spot() {
        report.warning(
            "spec.mixedInstancesPolicy",
            "a control plane on spot machines loses etcd members when AWS wants them back",
        );
    }
}
