//! Machines joined with their nodes, and how each of them stands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::view::{Boot, Machine, Node, View};
use crate::spec::Role;

/// How long a machine may take from its launch until it takes pods.
pub const BOOT: SignedDuration = SignedDuration::from_mins(5);

/// Taints that say that a node leaves: of the termination handler, the autoscalers, and the cloud controller.
const LEAVING: &[&str] = &[
    "aws-node-termination-handler/",
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "node.cloudprovider.kubernetes.io/shutdown",
    "node.kubernetes.io/out-of-service",
];

/// How a machine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes pods.
    Ready,
    /// It is on its way, for no longer than that may take.
    Coming,
    /// It leaves; why, in words.
    Going(String),
    /// It should be ready and is not.
    Failing,
}

/// A machine and its node; at least one of them is there.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The machine, if EC2 has it.
    pub machine: Option<&'a Machine>,
    /// The node, if it has joined.
    pub node: Option<&'a Node>,
    /// The group, if it is one of the spec's.
    pub group: Option<&'a str>,
    /// What it does, if the group says so.
    pub role: Option<Role>,
    /// How it stands.
    pub standing: Standing,
}

impl Member<'_> {
    /// What people call it: the node's name, else the machine's id.
    pub fn name(&self) -> &str {
        self.node.map(|n| n.name.as_str()).or(self.machine.map(|m| m.id.as_str())).unwrap_or_default()
    }

    /// Since when it exists.
    pub fn since(&self) -> Option<Timestamp> {
        self.machine.and_then(|m| m.launched).or(self.node.map(|n| n.created))
    }

    /// How far its boot is, as long as it has not joined.
    pub fn boot(&self) -> Option<&Boot> {
        let boot = self.machine.and_then(|m| m.boot.as_ref()).filter(|_| self.node.is_none());
        boot.filter(|boot| !boot.is_over())
    }

    /// Whether it is ready, and was started longer ago than a boot takes.
    pub fn is_established(&self, now: Timestamp) -> bool {
        self.standing == Standing::Ready && self.since().is_none_or(|since| now.duration_since(since) > BOOT)
    }
}

/// Every machine with its node, and the nodes that no machine stands behind. Machines of groups that the spec does not
/// have are left out: they are on their way out with their group, or somebody else's.
pub fn members(view: &View) -> Vec<Member<'_>> {
    let nodes: &[Node] = view.kubernetes.as_ref().map_or(&[], |k| &k.nodes);
    let mut by_instance: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in nodes {
        if let Some(instance) = &node.instance {
            by_instance.insert(instance, node);
        }
    }
    let groups: BTreeMap<&str, Role> = view.groups.iter().map(|g| (g.name.as_str(), g.role)).collect();
    let mut known = BTreeSet::new();
    let mut members = Vec::new();
    for machine in &view.machines {
        known.insert(machine.id.as_str());
        let role = groups.get(machine.group.as_str()).copied();
        let node = by_instance.get(machine.id.as_str()).copied();
        let standing = match role {
            Some(Role::Bastion) => bastion(machine),
            _ => standing(view.now, Some(machine), node),
        };
        let group = role.map(|_| machine.group.as_str());
        members.push(Member { machine: Some(machine), node, group, role, standing });
    }
    for node in nodes {
        if node.instance.as_deref().is_none_or(|id| !known.contains(id)) {
            let standing = standing(view.now, None, Some(node));
            members.push(Member { machine: None, node: Some(node), group: None, role: None, standing });
        }
    }
    members
}

/// A bastion joins nothing: it is ready when it runs.
fn bastion(machine: &Machine) -> Standing {
    match machine.state.as_str() {
        "running" if !machine.ending => Standing::Ready,
        "pending" => Standing::Coming,
        _ => Standing::Going(format!("the machine is {}", machine.state)),
    }
}

fn standing(now: Timestamp, machine: Option<&Machine>, node: Option<&Node>) -> Standing {
    if let Some(why) = machine.and_then(leaves).or_else(|| node.and_then(is_marked)) {
        return Standing::Going(why);
    }
    let young = |since: Option<Timestamp>| since.is_some_and(|since| now.duration_since(since) <= BOOT);
    match (machine, node) {
        (_, Some(node)) if node.ready.is_ok() => Standing::Ready,
        (None, Some(_)) => Standing::Going("its machine is gone".to_owned()),
        (machine, node) if young(machine.and_then(|m| m.launched)) || young(node.map(|n| n.created)) => {
            Standing::Coming
        }
        _ => Standing::Failing,
    }
}

/// Why a machine leaves, if it does.
fn leaves(machine: &Machine) -> Option<String> {
    match machine.state.as_str() {
        "pending" | "running" if machine.ending => Some("its group ends the machine".to_owned()),
        "pending" | "running" => None,
        state => Some(format!("the machine is {state}")),
    }
}

/// Why a node leaves, if somebody marked it.
fn is_marked(node: &Node) -> Option<String> {
    if node.deleting {
        return Some("the node is being deleted".to_owned());
    }
    let taint = node.taints.iter().find(|taint| LEAVING.iter().any(|mark| taint.starts_with(mark)))?;
    Some(format!("it has the taint {taint}"))
}
