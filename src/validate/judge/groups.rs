//! Groups: whether each has the machines that it should have.

use super::{Case, Severity, Subject};
use crate::spec::Role;
use crate::validate::member::{BOOT, Member, Standing};
use crate::validate::report::GroupCount;
use crate::validate::view::Group;

pub(super) fn check(case: &mut Case<'_>) -> Vec<GroupCount> {
    let view = case.view;
    view.groups.iter().map(|group| check_group(case, group)).collect()
}

fn check_group(case: &mut Case<'_>, group: &Group) -> GroupCount {
    let members: Vec<&Member<'_>> = case.members.iter().filter(|m| m.group == Some(group.name.as_str())).collect();
    let count = |is: fn(&Standing) -> bool| members.iter().filter(|m| is(&m.standing)).count() as u32;
    let counted = GroupCount {
        name: group.name.clone(),
        role: group.role,
        desired: group.cloud.as_ref().map(|c| c.desired),
        ready: count(|s| *s == Standing::Ready),
        coming: count(|s| *s == Standing::Coming),
        going: count(|s| matches!(s, Standing::Going(_))),
        failing: count(|s| *s == Standing::Failing),
    };
    let Some(cloud) = &group.cloud else {
        let message = "AWS has no Auto Scaling group for it: `kspot update cluster` makes it";
        case.say(Severity::Blocks, Subject::group(&group.name), message);
        return counted;
    };
    // Those that leave are replaced as they go: their own findings tell of them.
    let there = counted.ready + counted.coming + counted.failing + counted.going;
    let missing = cloud.desired.saturating_sub(there);
    let knows = case.knows_nodes() || group.role == Role::Bastion;
    let below = knows && counted.ready < floor(case, group, cloud.desired, &members);
    if missing > 0 {
        let shortage = cloud.shortage.as_ref();
        let since = shortage.map(|s| s.since);
        let lasting = since.is_some_and(|since| case.age(since) > BOOT);
        let blocks = below || lasting || group.role == Role::ControlPlane;
        let severity = if blocks { Severity::Blocks } else { case.churn() };
        let cause = shortage.and_then(|s| s.cause.as_ref()).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{missing} of {} machines are missing{cause}", cloud.desired);
        case.say(severity, Subject::group(&group.name).since(since), message);
    } else if below {
        let word = if group.role == Role::Bastion { "machines are running" } else { "nodes are ready" };
        let message = format!("{} of {} {word}", counted.ready, cloud.desired);
        case.say(Severity::Blocks, Subject::group(&group.name), message);
    }
    counted
}

/// How many machines must be ready whatever explains that the others are not. All of a control plane; of workers none,
/// once one has been ready for a while, since from then on they come and go; before, the group comes up, and what the spec
/// asks for at least must be there.
fn floor(case: &Case<'_>, group: &Group, desired: u32, members: &[&Member<'_>]) -> u32 {
    match group.role {
        Role::ControlPlane => desired,
        _ if members.iter().any(|m| m.is_established(case.view.now)) => 0,
        _ => group.min.min(desired),
    }
}
