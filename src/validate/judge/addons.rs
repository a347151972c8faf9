//! Addons: whether what the spec asks for runs.

use super::{Case, Kind, Severity, Subject};
use crate::validate::member::Standing;
use crate::validate::view::{Kubernetes, PartState};

pub(super) fn check(case: &mut Case<'_>, kubernetes: &Kubernetes) {
    let unsettled = case.members.iter().filter(|m| m.node.is_some() && m.standing != Standing::Ready).count();
    for addon in &kubernetes.addons {
        for part in &addon.parts {
            let (severity, message) = match &part.state {
                PartState::Ready => continue,
                PartState::Missing => (Severity::Blocks, "is not there: `kspot addons apply` brings it".to_owned()),
                PartState::NotReady(why) => (Severity::Blocks, format!("is not ready: {why}")),
                PartState::Lacks { missing, of } => {
                    let severity = if *missing as usize <= unsettled { case.churn() } else { Severity::Blocks };
                    (severity, format!("lacks {missing} of {of} pods"))
                }
            };
            case.say(severity, Subject::new(Kind::Addon, &addon.name), format!("{} {message}", part.what));
        }
    }
}
