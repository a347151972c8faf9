//! The checks: each looks at one sort of thing and says what it finds.

mod addons;
mod control_plane;
mod etcd;
mod groups;
mod keys;
mod members;
mod pods;
mod versions;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::member::{Member, members as members_of};
use super::report::{Finding, Kind, Report, Severity};
use super::view::{Boot, View};

/// From then on before its end a key is worth a warning.
pub use keys::SOON;

/// What the user puts up with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Machines that come and go block as well.
    pub strict: bool,
    /// So many workers may be failing.
    pub max_unready_nodes: u32,
}

/// Judges what is known of a cluster.
pub fn judge(view: &View, rules: Rules) -> Report {
    let members = members_of(view);
    let mut case = Case { view, rules, members: &members, findings: Vec::new() };
    if let Err(why) = &view.kubernetes {
        case.say(Severity::Blocks, Subject::new(Kind::Api, "api"), why.clone());
    }
    let groups = groups::check(&mut case);
    members::check(&mut case);
    keys::check(&mut case);
    etcd::check(&mut case);
    if let Ok(kubernetes) = &view.kubernetes {
        control_plane::check(&mut case, kubernetes);
        pods::check(&mut case, kubernetes);
        addons::check(&mut case, kubernetes);
        versions::check(&mut case, kubernetes);
    }
    Report::new(view.now, groups, case.findings)
}

/// What a check works with.
struct Case<'a> {
    view: &'a View,
    rules: Rules,
    members: &'a [Member<'a>],
    findings: Vec<Finding>,
}

/// What a finding is about.
struct Subject<'a> {
    kind: Kind,
    name: String,
    group: Option<&'a str>,
    since: Option<Timestamp>,
    boot: Option<&'a Boot>,
}

impl<'a> Subject<'a> {
    fn new(kind: Kind, name: impl Into<String>) -> Self {
        Subject { kind, name: name.into(), group: None, since: None, boot: None }
    }

    /// A machine or its node.
    fn member(member: &'a Member<'a>) -> Self {
        let kind = if member.node.is_some() { Kind::Node } else { Kind::Machine };
        let boot = member.boot();
        Subject { group: member.group, since: member.since(), boot, ..Subject::new(kind, member.name()) }
    }

    fn group(name: &'a str) -> Self {
        Subject { group: Some(name), ..Subject::new(Kind::InstanceGroup, name) }
    }

    fn since(self, since: Option<Timestamp>) -> Self {
        Subject { since, ..self }
    }
}

impl<'a> Case<'a> {
    fn say(&mut self, severity: Severity, subject: Subject<'_>, message: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            kind: subject.kind,
            name: subject.name,
            group: subject.group.map(str::to_owned),
            message: message.into(),
            since: subject.since,
            boot: subject.boot.cloned(),
        });
    }

    /// The severity of what machines that come and go explain.
    fn churn(&self) -> Severity {
        if self.rules.strict { Severity::Blocks } else { Severity::Churn }
    }

    /// How long ago something was.
    fn age(&self, since: Timestamp) -> SignedDuration {
        self.view.now.duration_since(since)
    }

    /// Whether the API said which nodes there are.
    fn knows_nodes(&self) -> bool {
        self.view.kubernetes.is_ok()
    }
}

/// The members by the names of their nodes.
fn by_node<'a>(case: &Case<'a>) -> BTreeMap<&'a str, &'a Member<'a>> {
    case.members.iter().filter_map(|m| Some((m.node?.name.as_str(), m))).collect()
}

#[cfg(test)]
mod tests;
