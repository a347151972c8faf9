//! What a judgement says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::view::Boot;
use crate::spec::Role;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The cluster is not as it should be.
    Blocks,
    /// Machines that come and go explain it.
    Churn,
    /// Worth knowing.
    Warning,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The Kubernetes API.
    Api,
    /// The API server, etcd and their like on one machine.
    ControlPlane,
    /// An instance group.
    InstanceGroup,
    /// A machine.
    Machine,
    /// A node.
    Node,
    /// A pod.
    Pod,
    /// An addon.
    Addon,
    /// A key.
    Key,
    /// A member of etcd.
    Etcd,
    /// The snapshots of etcd.
    Snapshots,
}

impl Kind {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Api => "API",
            Kind::ControlPlane => "control plane",
            Kind::InstanceGroup => "instance group",
            Kind::Machine => "machine",
            Kind::Node => "node",
            Kind::Pod => "pod",
            Kind::Addon => "addon",
            Kind::Key => "key",
            Kind::Etcd => "etcd member",
            Kind::Snapshots => "etcd snapshots",
        }
    }
}

/// One thing that was found. Its message holds no time that runs, so that the same finding reads the same later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// Which one.
    pub name: String,
    /// The instance group that it belongs to, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What is the matter.
    pub message: String,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How far the machine's boot got; the message has it as well, without its times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
}

/// How a group stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupCount {
    /// The group's name.
    pub name: String,
    /// What its machines do.
    pub role: Role,
    /// How many machines it should have; none if AWS has no such group.
    pub desired: Option<u32>,
    /// How many take pods.
    pub ready: u32,
    /// How many are on their way.
    pub coming: u32,
    /// How many are leaving.
    pub going: u32,
    /// How many should be ready and are not.
    pub failing: u32,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing blocks.
    pub healthy: bool,
    /// When this was seen.
    pub when: Timestamp,
    /// The groups.
    pub groups: Vec<GroupCount>,
    /// What was found: what blocks first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    pub fn new(when: Timestamp, groups: Vec<GroupCount>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| (a.severity, a.kind, &a.group, &a.name).cmp(&(b.severity, b.kind, &b.group, &b.name)));
        Report { healthy: !findings.iter().any(|f| f.severity == Severity::Blocks), when, groups, findings }
    }

    /// What blocks.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Blocks)
    }

    /// How many nodes take pods.
    pub fn ready_nodes(&self) -> u32 {
        self.groups.iter().filter(|g| g.role != Role::Bastion).map(|g| g.ready).sum()
    }

    /// What is different from an earlier judgement.
    pub fn since<'a>(&'a self, earlier: Option<&'a Report>) -> News<'a> {
        let key = |f: &'a Finding| (f.kind, f.name.as_str());
        let said = |f: &'a Finding| (f.severity, f.kind, f.name.as_str(), f.message.as_str());
        let earlier = earlier.map_or(&[][..], |r| &r.findings);
        let before: BTreeSet<_> = earlier.iter().map(said).collect();
        let now: BTreeSet<_> = self.findings.iter().map(key).collect();
        News {
            found: self.findings.iter().filter(|f| !before.contains(&said(f))).collect(),
            over: earlier.iter().filter(|f| !now.contains(&key(f))).collect(),
        }
    }
}

/// What is different between two judgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News<'a> {
    /// What is new, or reads differently.
    pub found: Vec<&'a Finding>,
    /// What is no longer the matter.
    pub over: Vec<&'a Finding>,
}
