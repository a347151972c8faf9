//! The control plane: each of its nodes runs every part of it.

use std::collections::BTreeSet;

use super::{Case, Kind, Severity, Subject};
use crate::spec::Role;
use crate::validate::member::Standing;
use crate::validate::view::Kubernetes;

/// What runs on each node of the control plane, by the label `component` of its static pods. What is in etcd's second
/// cluster, events, can be lost; what makes the first one can't.
pub(crate) const COMPONENTS: &[&str] = &["etcd-main", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

pub(super) fn check(case: &mut Case<'_>, kubernetes: &Kubernetes) {
    let running: BTreeSet<(&str, &str)> = kubernetes
        .pods
        .iter()
        .filter(|pod| pod.namespace == "kube-system" && !pod.deleting)
        .filter_map(|pod| Some((pod.node.as_deref()?, pod.component.as_deref()?)))
        .collect();
    for member in case.members {
        let Some(node) = member.node.filter(|_| member.role == Some(Role::ControlPlane)) else { continue };
        if member.standing != Standing::Ready {
            continue;
        }
        let missing = COMPONENTS.iter().filter(|c| !running.contains(&(node.name.as_str(), **c)));
        for component in missing {
            let subject = Subject { group: member.group, ..Subject::new(Kind::ControlPlane, &node.name) };
            let subject = Subject { name: format!("{component} on {}", node.name), ..subject };
            case.say(Severity::Blocks, subject, "there is no such pod");
        }
    }
}
