//! Nodes and pods as a judgement needs them: read out of the API's objects, everything else dropped at once, so that tens
//! of thousands fit into little memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::core::{ApiResource, DynamicResourceScope, GroupVersionKind};
use kube::{Resource, ResourceExt};
use serde::Deserialize;

use crate::spec::KubernetesVersion;
use crate::validate::view::{Critical, Node, NotReady, Pod, PodStatus};

/// What is watched: how it is asked for, and what is kept of it.
pub(super) trait Watched: Clone + PartialEq + Send + Sync + Sized + 'static {
    /// The object's `spec`.
    type Spec: for<'de> Deserialize<'de> + Clone + Send + Sync + std::fmt::Debug + 'static;
    /// The object's `status`.
    type Status: for<'de> Deserialize<'de> + Default + Clone + Send + Sync + std::fmt::Debug + 'static;
    /// `Node`, `Pod`.
    const KIND: &'static str;
    /// Its plural in paths.
    const PLURAL: &'static str;
    /// How many of them a page of a listing holds: few requests, and little memory for each.
    const PAGE: u32;

    /// What is kept; none if the object does not matter.
    fn keep(object: &Object<Self::Spec, Self::Status>) -> Option<Self>;

    /// How the API calls it.
    fn resource() -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", Self::KIND), Self::PLURAL)
    }
}

/// An object as far as it is read: of its metadata only what somebody asks for. Who manages which field would be half of
/// all that is read.
#[derive(Clone, Debug)]
pub(super) struct Object<P, U> {
    metadata: ObjectMeta,
    spec: P,
    status: Option<U>,
}

#[derive(Deserialize)]
struct Raw<P, U> {
    metadata: Metadata,
    spec: P,
    status: Option<U>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

impl<'de, P: Deserialize<'de>, U: Deserialize<'de>> Deserialize<'de> for Object<P, U> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::<P, U>::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: raw.metadata.name,
            namespace: raw.metadata.namespace,
            resource_version: raw.metadata.resource_version,
            labels: raw.metadata.labels,
            owner_references: raw.metadata.owner_references,
            creation_timestamp: raw.metadata.creation_timestamp,
            deletion_timestamp: raw.metadata.deletion_timestamp,
            ..ObjectMeta::default()
        };
        Ok(Object { metadata, spec: raw.spec, status: raw.status })
    }
}

impl<P, U> Resource for Object<P, U> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// A condition of a node or a pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// The message, or the reason where there is none.
    fn words(&self) -> &str {
        if self.message.is_empty() { &self.reason } else { &self.message }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeSpec {
    #[serde(default, rename = "providerID")]
    provider_id: String,
    #[serde(default)]
    unschedulable: bool,
    #[serde(default)]
    taints: Vec<Taint>,
}

#[derive(Clone, Debug, Deserialize)]
struct Taint {
    key: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default)]
    kubelet_version: String,
}

impl Watched for Node {
    type Spec = NodeSpec;
    type Status = NodeStatus;
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";
    const PAGE: u32 = 500;

    fn keep(object: &Object<NodeSpec, NodeStatus>) -> Option<Self> {
        let status = object.status.as_ref();
        let condition = status.and_then(|s| s.conditions.iter().find(|c| c.kind == "Ready"));
        Some(Node {
            name: object.name_any(),
            instance: instance(&object.spec.provider_id),
            ready: match condition {
                Some(c) if c.status == "True" => Ok(()),
                Some(c) => Err(NotReady { since: c.last_transition_time, why: c.words().to_owned() }),
                None => Err(NotReady { since: None, why: "its kubelet has said nothing yet".to_owned() }),
            },
            created: created(object),
            taints: object.spec.taints.iter().map(|t| t.key.clone()).collect(),
            cordoned: object.spec.unschedulable,
            deleting: object.metadata.deletion_timestamp.is_some(),
            kubelet: status.and_then(|s| version(&s.node_info.kubelet_version)),
        })
    }
}

/// `aws:///eu-west-1a/i-0123` names `i-0123`.
fn instance(provider_id: &str) -> Option<String> {
    provider_id.rsplit('/').next().filter(|id| id.starts_with("i-")).map(str::to_owned)
}

/// `v1.36.4`, also with what distributions put behind it.
pub(super) fn version(text: &str) -> Option<KubernetesVersion> {
    text.split(['-', '+']).next()?.parse().ok()
}

fn created<P, U>(object: &Object<P, U>) -> Timestamp {
    object.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    node_name: Option<String>,
    #[serde(default)]
    priority_class_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatusSeen {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    init_container_statuses: Vec<Container>,
    #[serde(default)]
    container_statuses: Vec<Container>,
}

#[derive(Clone, Debug, Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct State {
    waiting: Option<Reason>,
    terminated: Option<Reason>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reason {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    exit_code: Option<i32>,
}

impl Watched for Pod {
    type Spec = PodSpec;
    type Status = PodStatusSeen;
    const KIND: &'static str = "Pod";
    const PLURAL: &'static str = "pods";
    const PAGE: u32 = 1_500;

    fn keep(object: &Object<PodSpec, PodStatusSeen>) -> Option<Self> {
        let critical = match object.spec.priority_class_name.as_str() {
            "system-cluster-critical" => Some(Critical::Cluster),
            "system-node-critical" => Some(Critical::Node),
            _ => None,
        };
        let is_static = object.labels().get("tier").is_some_and(|tier| tier == "control-plane");
        let component = object.labels().get("component").filter(|_| is_static).cloned();
        if critical.is_none() && component.is_none() {
            return None;
        }
        let owner = object.owner_references().iter().find(|o| o.controller == Some(true));
        Some(Pod {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            node: object.spec.node_name.clone(),
            // A static pod is owned by its node: nothing makes it again elsewhere.
            owner: owner.filter(|o| o.kind != "Node").map(|o| o.uid.clone()),
            component,
            critical,
            created: created(object),
            deleting: object.metadata.deletion_timestamp.is_some(),
            status: object.status.as_ref().map_or_else(|| PodStatus::Waiting("nobody has seen it yet".into()), state),
        })
    }
}

fn state(status: &PodStatusSeen) -> PodStatus {
    let condition = |kind: &str| status.conditions.iter().find(|c| c.kind == kind);
    match status.phase.as_str() {
        "Succeeded" | "Failed" => return PodStatus::Ended,
        "Running" if condition("Ready").is_some_and(|c| c.status == "True") => return PodStatus::Ready,
        _ => {}
    }
    if let Some(unscheduled) = condition("PodScheduled").filter(|c| c.status == "False") {
        return PodStatus::Waiting(format!("no node takes it: {}", unscheduled.words()));
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    let troubles: Vec<String> = containers.filter(|c| !c.ready).filter_map(trouble).collect();
    PodStatus::Waiting(match troubles.first() {
        Some(trouble) => trouble.clone(),
        None if !status.message.is_empty() => status.message.clone(),
        None if !status.reason.is_empty() => status.reason.clone(),
        None => match status.container_statuses.iter().find(|c| !c.ready) {
            Some(container) => format!("container {} is not ready", container.name),
            None => format!("it is {}", status.phase.to_lowercase()),
        },
    })
}

/// What holds a container up, if it says so. An init container that ended well is done.
fn trouble(container: &Container) -> Option<String> {
    if let Some(waiting) = &container.state.waiting {
        let message = waiting.message.lines().next().unwrap_or_default();
        let colon = if message.is_empty() { "" } else { ": " };
        return Some(format!("container {}: {}{colon}{message}", container.name, waiting.reason));
    }
    let terminated = container.state.terminated.as_ref().filter(|t| t.exit_code != Some(0))?;
    let code = terminated.exit_code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
    Some(format!("container {}: {}{code}", container.name, terminated.reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen<T: Watched>(mut object: Value) -> Option<T> {
        object["metadata"]["creationTimestamp"] = json!("2026-11-21T10:00:00Z");
        T::keep(&serde_json::from_value(object).unwrap())
    }

    /// A node is read with who it is, how it is and who wants it gone.
    #[test]
    fn nodes() {
        let node: Node = seen(json!({
            "metadata": {"name": "n"},
            "spec": {"providerID": "aws:///eu-west-1a/i-0123", "taints": [{"key": "k", "effect": "NoSchedule"}]},
            "status": {
                "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.", "lastTransitionTime": "2026-11-21T11:00:00Z"}],
                "nodeInfo": {"kubeletVersion": "v1.35.2-eks-1"},
            },
        }))
        .unwrap();
        assert_eq!(node.instance.as_deref(), Some("i-0123"));
        assert_eq!(node.taints, ["k"]);
        assert_eq!(node.kubelet, "1.35.2".parse().ok());
        let since = "2026-11-21T11:00:00Z".parse().ok();
        assert_eq!(node.ready, Err(NotReady { since, why: "Kubelet stopped posting node status.".into() }));
        let bare: Node = seen(json!({"metadata": {"name": "n"}, "spec": {}})).unwrap();
        assert_eq!((bare.instance, bare.kubelet), (None, None));
        assert!(bare.ready.is_err());
    }

    fn status(status: Value) -> PodStatus {
        let object = json!({
            "metadata": {"name": "p", "namespace": "kube-system"},
            "spec": {"priorityClassName": "system-node-critical"},
            "status": status,
        });
        seen::<Pod>(object).unwrap().status
    }

    /// Why a pod is not ready is told by what holds it up: no node, an image, a crash, a probe.
    #[test]
    fn pods() {
        let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(status(ready), PodStatus::Ready);
        assert_eq!(status(json!({"phase": "Failed", "reason": "Terminated"})), PodStatus::Ended);
        let waiting = |text: &str| PodStatus::Waiting(text.into());
        let unscheduled = json!({"phase": "Pending", "conditions":
            [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]});
        assert_eq!(status(unscheduled), waiting("no node takes it: 0/3 nodes"));
        let pulling = json!({"phase": "Pending", "containerStatuses":
            [{"name": "c", "ready": false, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}}]});
        assert_eq!(status(pulling), waiting("container c: ImagePullBackOff: no such tag"));
        let crashed = json!({"phase": "Running",
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}],
            "containerStatuses": [{"name": "c", "state": {"terminated": {"reason": "Error", "exitCode": 2}}}]});
        assert_eq!(status(crashed), waiting("container c: Error (exit code 2)"));
        let probed = json!({"phase": "Running", "containerStatuses":
            [{"name": "c", "ready": false, "state": {"running": {"startedAt": "2026-11-21T10:00:00Z"}}}]});
        assert_eq!(status(probed), waiting("container c is not ready"));
    }

    /// Only pods that matter are kept: critical ones, and the control plane's.
    #[test]
    fn what_does_not_matter_is_dropped() {
        let pod = |labels: Value, class: &str| {
            seen::<Pod>(json!({"metadata": {"name": "p", "labels": labels}, "spec": {"priorityClassName": class}}))
        };
        assert!(pod(json!({}), "").is_none());
        assert!(pod(json!({"component": "web"}), "").is_none());
        assert!(pod(json!({}), "system-cluster-critical").is_some());
        let etcd = pod(json!({"component": "etcd", "tier": "control-plane"}), "").unwrap();
        assert_eq!(etcd.component.as_deref(), Some("etcd"));
    }
}
