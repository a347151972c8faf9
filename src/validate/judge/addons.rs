//! Addons: whether what the spec asks for runs.

use super::{Case, Kind, Severity, Subject};
use crate::validate::member::Standing;
use crate::validate::view::{Kubernetes, PartState};

pub(super) fn check(case: &mut Case<'_>, kubernetes: &Kubernetes) {
    let unsettled = case.members.iter().filter(|m| m.node.is_some() && m.standing != Standing::Ready).count();
    for addon in &kubernetes.addons {
        for part in &addon.parts {
            let Some(message) = part.state.words() else { continue };
            let severity = match &part.state {
                PartState::Lacks { missing, .. } if *missing as usize <= unsettled => case.churn(),
                _ => Severity::Blocks,
            };
            case.say(severity, Subject::new(Kind::Addon, &addon.name), format!("{} {message}", part.what));
        }
    }
}
