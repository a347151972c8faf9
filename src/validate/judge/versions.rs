//! Versions: what may run beside what, and what the spec asks for.
//!
//! A kubelet may be up to three minor releases older than the API server, and never newer
//! (<https://kubernetes.io/releases/version-skew-policy/>).

use std::collections::BTreeMap;

use super::{Case, Kind, Severity, Subject};
use crate::spec::KubernetesVersion;
use crate::validate::view::Kubernetes;

/// How many minor releases a kubelet may be behind.
const BEHIND: u32 = 3;

pub(super) fn check(case: &mut Case<'_>, kubernetes: &Kubernetes) {
    let wanted = case.view.version;
    let api = kubernetes.version;
    if let Some(api) = api.filter(|api| *api != wanted) {
        let message = format!("the API server is {api}, the spec asks for {wanted}");
        case.say(Severity::Warning, Subject::new(Kind::Api, "version"), message);
    }
    let mut others: BTreeMap<KubernetesVersion, usize> = BTreeMap::new();
    for node in &kubernetes.nodes {
        let Some(kubelet) = node.kubelet else { continue };
        let refused = api.and_then(|api| skew(api, kubelet));
        if let Some(why) = refused {
            case.say(Severity::Blocks, Subject::new(Kind::Node, &node.name), why);
        } else if kubelet != wanted {
            *others.entry(kubelet).or_default() += 1;
        }
    }
    for (version, nodes) in others {
        let message = match nodes {
            1 => format!("one node runs {version}, the spec asks for {wanted}"),
            n => format!("{n} nodes run {version}, the spec asks for {wanted}"),
        };
        case.say(Severity::Warning, Subject::new(Kind::Node, format!("kubelet {version}")), message);
    }
}

/// Why a kubelet may not run beside an API server.
fn skew(api: KubernetesVersion, kubelet: KubernetesVersion) -> Option<String> {
    let (a, k) = ((api.major, api.minor), (kubelet.major, kubelet.minor));
    if k > a {
        return Some(format!("its kubelet ({kubelet}) is newer than the API server ({api})"));
    }
    (a.0 == k.0 && a.1 - k.1 > BEHIND).then(|| {
        format!("its kubelet ({kubelet}) is more than {BEHIND} minor releases older than the API server ({api})")
    })
}
