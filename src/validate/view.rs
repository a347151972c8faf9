//! What is known of a cluster at one moment, as far as a judgement needs it: plain data, small enough for thousands of
//! nodes.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::spec::{KubernetesVersion, Role};
use crate::state::status::{BootStatus, JOINED};

/// Everything that a judgement needs.
#[derive(Clone, Debug)]
pub struct View {
    /// When this was seen.
    pub now: Timestamp,
    /// The version that the spec asks for.
    pub version: KubernetesVersion,
    /// The instance groups of the spec.
    pub groups: Vec<Group>,
    /// The machines that carry the cluster's tag and are not gone.
    pub machines: Vec<Machine>,
    /// What the Kubernetes API says, or why it says nothing.
    pub kubernetes: Result<Kubernetes, String>,
    /// The keys that sign, and when each ends.
    pub keys: Vec<Key>,
    /// When the certificate ends that the API server shows; none if nobody could see it.
    pub serving: Option<Timestamp>,
    /// The snapshots of each etcd cluster, if there should be any.
    pub snapshots: Vec<Snapshots>,
    /// What etcd's members complain of.
    pub alarms: Vec<Alarm>,
}

/// An instance group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What its machines do.
    pub role: Role,
    /// The least that the spec asks for.
    pub min: u32,
    /// Its Auto Scaling group; none if AWS has none.
    pub cloud: Option<CloudGroup>,
}

/// What AWS says of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudGroup {
    /// How many machines it should have now.
    pub desired: u32,
    /// Why it has fewer, and since when, as far as AWS tells.
    pub shortage: Option<Shortage>,
}

/// A group that does not get its machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// When the first launch began that did not succeed.
    pub since: Timestamp,
    /// AWS's words, if a launch failed.
    pub cause: Option<String>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// `i-...`
    pub id: String,
    /// Its instance group.
    pub group: String,
    /// Its zone.
    pub zone: String,
    /// `pending`, `running`, `shutting-down` ...
    pub state: String,
    /// Whether its group is about to end it, as the group's lifecycle says.
    pub ending: bool,
    /// When it was started.
    pub launched: Option<Timestamp>,
    /// How far its boot got, as it said last.
    pub boot: Option<Boot>,
}

/// What a machine said of its boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// `downloading`, `registered` ...
    pub phase: String,
    /// What went wrong in it, if something did.
    pub error: Option<String>,
    /// When the boot began.
    pub began: Option<Timestamp>,
    /// When the phase began.
    pub since: Option<Timestamp>,
    /// When it said this.
    pub when: Timestamp,
}

impl Boot {
    /// Whether the machine has joined: then its node tells the rest.
    pub fn is_over(&self) -> bool {
        self.phase == JOINED
    }
}

impl From<BootStatus> for Boot {
    fn from(told: BootStatus) -> Self {
        let BootStatus { instance: _, phase, error, began, since, when } = told;
        Boot { phase, error, began, since, when }
    }
}

/// What the Kubernetes API says.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    /// The API server's version.
    pub version: Option<KubernetesVersion>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The pods that matter: critical ones, and those of the control plane.
    pub pods: Vec<Pod>,
    /// The wanted addons.
    pub addons: Vec<Addon>,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The instance that it says it is: the end of its provider id.
    pub instance: Option<String>,
    /// Since when it takes pods; or since when and why not.
    pub ready: Result<(), NotReady>,
    /// When it joined.
    pub created: Timestamp,
    /// The keys of its taints.
    pub taints: Vec<String>,
    /// Whether new pods are kept away.
    pub cordoned: bool,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// The kubelet's version.
    pub kubelet: Option<KubernetesVersion>,
}

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// Since when; none if it never said.
    pub since: Option<Timestamp>,
    /// The kubelet's or the node controller's words.
    pub why: String,
}

/// A pod that matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node that it is bound to.
    pub node: Option<String>,
    /// `kube-apiserver`, `etcd` ...: the component label of a static pod of the control plane.
    pub component: Option<String>,
    /// The priority class, if it is one of the two critical ones.
    pub critical: Option<Critical>,
    /// The object that made it, by its unique id; none for a pod that stands alone.
    pub owner: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How it is.
    pub status: PodStatus,
}

/// How a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodStatus {
    /// All its containers are ready.
    Ready,
    /// It ended, well or not.
    Ended,
    /// It should be ready and is not; why, in words.
    Waiting(String),
}

/// A critical priority class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// `system-cluster-critical`.
    Cluster,
    /// `system-node-critical`.
    Node,
}

impl Critical {
    /// The class's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Critical::Cluster => "system-cluster-critical",
            Critical::Node => "system-node-critical",
        }
    }
}

/// An addon and the parts of it that must be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    /// Its name.
    pub name: String,
    /// What it has.
    pub parts: Vec<Part>,
}

/// An object of an addon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `Deployment kube-system/metrics-server`.
    pub what: String,
    /// How it is.
    pub state: PartState,
}

/// How an object of an addon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// It works.
    Ready,
    /// It is not there.
    Missing,
    /// It does not work; why, in words.
    NotReady(String),
    /// A DaemonSet that lacks this many of its pods.
    Lacks {
        /// How many are not ready.
        missing: u32,
        /// How many there should be.
        of: u32,
    },
}

impl PartState {
    /// What is the matter with it, if something is.
    pub fn words(&self) -> Option<String> {
        match self {
            PartState::Ready => None,
            PartState::Missing => Some("is not there: `kspot addons apply` brings it".to_owned()),
            PartState::NotReady(why) => Some(format!("is not ready: {why}")),
            PartState::Lacks { missing, of } => Some(format!("lacks {missing} of {of} pods")),
        }
    }
}

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `kubernetes-ca 0001`.
    pub name: String,
    /// When its certificate ends.
    pub expires: Timestamp,
}

/// The snapshots of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// The etcd cluster.
    pub etcd: String,
    /// Since when there should be some: when etcd was seeded.
    pub since: Timestamp,
    /// The newest; or why nobody can tell.
    pub newest: Result<Option<Timestamp>, String>,
    /// How often one is to be taken.
    pub interval: SignedDuration,
}

/// An alarm that a member of etcd raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The member: `main/a`.
    pub member: String,
    /// What it complains of, in etcd's words.
    pub what: String,
}
