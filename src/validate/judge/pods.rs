//! Pods that the cluster can't do without.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Case, Kind, Severity, Subject, by_node};
use crate::spec::Role;
use crate::validate::member::Standing;
use crate::validate::view::{Critical, Kubernetes, Pod, PodStatus};

/// How long a pod may take until it is ready, while another of its kind is.
const START: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn check(case: &mut Case<'_>, kubernetes: &Kubernetes) {
    let members = by_node(case);
    let is_ready = |pod: &&Pod| pod.status == PodStatus::Ready && !pod.deleting;
    let ready: BTreeSet<&str> = kubernetes.pods.iter().filter(is_ready).filter_map(|p| p.owner.as_deref()).collect();
    for pod in &kubernetes.pods {
        let why = match &pod.status {
            PodStatus::Ready => continue,
            // What a controller made, it has made again.
            PodStatus::Ended if pod.owner.is_some() || pod.component.is_none() => continue,
            PodStatus::Ended => "it ended",
            PodStatus::Waiting(why) => why,
        };
        // A pod that is being deleted is replaced, or wanted no more.
        if pod.deleting {
            continue;
        }
        let member = pod.node.as_deref().map(|node| members.get(node).copied());
        let control_plane = member.flatten().is_some_and(|m| m.role == Some(Role::ControlPlane));
        let explained = match member {
            // Its node is gone: so is the pod, in a moment.
            Some(None) => true,
            Some(Some(member)) => member.standing != Standing::Ready && !control_plane,
            None => false,
        };
        let young = case.age(pod.created) <= START;
        let replaces = young && pod.owner.as_deref().is_some_and(|owner| ready.contains(owner));
        let severity = if explained || (replaces && !control_plane) { case.churn() } else { Severity::Blocks };
        let class = pod.critical.map_or("of the control plane", Critical::as_str);
        let subject = Subject {
            group: member.flatten().and_then(|m| m.group),
            since: Some(pod.created),
            ..Subject::new(Kind::Pod, format!("{}/{}", pod.namespace, pod.name))
        };
        case.say(severity, subject, format!("is not ready ({class}): {why}"));
    }
}
