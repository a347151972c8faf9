//! Machines and nodes one by one: who has not joined, who is not ready, who is not who it says.

use std::collections::BTreeMap;

use super::{Case, Kind, Severity, Subject};
use crate::spec::Role;
use crate::validate::member::{Member, Standing};
use crate::validate::view::{Boot, Node};

pub(super) fn check(case: &mut Case<'_>) {
    if !case.knows_nodes() {
        return without_api(case);
    }
    let failing = |m: &&Member<'_>| m.standing == Standing::Failing && m.role != Some(Role::ControlPlane);
    let tolerated = case.members.iter().filter(failing).count() <= case.rules.max_unready_nodes as usize;
    for member in case.members {
        let control_plane = member.role == Some(Role::ControlPlane);
        let severity = match &member.standing {
            Standing::Ready => {
                ready(case, member);
                continue;
            }
            Standing::Going(_) => case.churn(),
            Standing::Coming if control_plane => Severity::Blocks,
            Standing::Coming => case.churn(),
            Standing::Failing if !control_plane && tolerated => Severity::Churn,
            Standing::Failing => Severity::Blocks,
        };
        let subject = Subject::member(member);
        let subject = match member.node.map(|n| &n.ready) {
            Some(Err(not_ready)) if member.standing == Standing::Failing => {
                let since = not_ready.since.or(subject.since);
                subject.since(since)
            }
            _ => subject,
        };
        case.say(severity, subject, words(member));
    }
    doubles(case);
}

/// What is the matter with a member that is not ready.
fn words(member: &Member<'_>) -> String {
    let had_joined = member.machine.and_then(|m| m.boot.as_ref()).is_some_and(Boot::is_over);
    match (&member.standing, member.node) {
        (Standing::Going(why), _) => format!("leaves: {why}"),
        (_, None) if had_joined => "has joined the cluster, which has no node of it".to_owned(),
        (Standing::Coming, None) => format!("comes up{}", progress(member)),
        (_, None) if is_silent(member) => "has not joined the cluster, and has said nothing of its boot".to_owned(),
        (_, None) => format!("has not joined the cluster{}", progress(member)),
        (standing, Some(node)) => {
            let yet = if *standing == Standing::Coming { " yet" } else { "" };
            let why = node.ready.as_ref().err().map(|n| n.why.as_str()).filter(|why| !why.is_empty());
            format!("is not ready{yet}{}", why.map(|why| format!(": {why}")).unwrap_or_default())
        }
    }
}

/// Whether a machine runs, and nothing was heard of its boot.
fn is_silent(member: &Member<'_>) -> bool {
    member.boot().is_none() && member.machine.is_some_and(|m| m.state == "running")
}

/// How far a boot got.
fn progress(member: &Member<'_>) -> String {
    match (member.boot(), member.machine.map(|m| m.state.as_str())) {
        (Some(Boot { phase, error: Some(error), .. }), _) => format!(": {phase}: {error}"),
        (Some(Boot { phase, error: None, .. }), _) => format!(": {phase}"),
        (None, Some("pending")) => ": launching".to_owned(),
        _ => String::new(),
    }
}

/// What may be odd about a node that is ready.
fn ready(case: &mut Case<'_>, member: &Member<'_>) {
    match (member.machine, member.node) {
        (Some(machine), _) if member.group.is_none() => {
            let message = format!("is of instance group {}, which the spec does not have", machine.group);
            case.say(Severity::Warning, Subject::member(member), message);
        }
        (None, Some(Node { instance: None, .. })) => {
            case.say(Severity::Blocks, Subject::member(member), "has no provider id: nothing says which machine it is");
        }
        (None, Some(Node { instance: Some(id), .. })) => {
            let message = format!("says that it is {id}, which is none of the cluster's machines");
            case.say(Severity::Warning, Subject::member(member), message);
        }
        _ => {}
    }
}

/// Two nodes that say they are the same machine.
fn doubles(case: &mut Case<'_>) {
    let Ok(kubernetes) = &case.view.kubernetes else { return };
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for node in &kubernetes.nodes {
        let Some(id) = node.instance.as_deref() else { continue };
        if let Some(other) = first.insert(id, &node.name) {
            let message = format!("says that it is {id}, and so does node {other}");
            case.say(Severity::Blocks, Subject::new(Kind::Node, &node.name), message);
        }
    }
}

/// Without an API only the control plane's boots tell why there is none.
fn without_api(case: &mut Case<'_>) {
    for member in case.members {
        let Some(machine) = member.machine.filter(|_| member.role == Some(Role::ControlPlane)) else { continue };
        let message = match &member.standing {
            Standing::Going(why) => format!("leaves: {why}"),
            _ => format!("is {}{}", machine.state, progress(member)),
        };
        case.say(Severity::Warning, Subject::member(member), message);
    }
}
