//! Lets go of a node whose machine is gone for good, and of what was on it. Left to itself Kubernetes waits most of a minute
//! for word of the node, as long again before it lets go of its pods, and six minutes before volumes that were not unmounted
//! may be attached elsewhere.
//!
//! Pods end as Kubernetes' own garbage collector ends those of nodes that are no more: marked as failed, so that jobs count
//! them, then removed without a grace period that nobody is left to wait for.

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::again::again;
use super::error;
use super::label::{self, Change};
use super::pods::{has_ended, is_of_node};
use crate::error::Result;

/// The taint that tells Kubernetes that nothing of the node runs any more: its volumes may go elsewhere at once.
pub const TAINT: &str = "node.kubernetes.io/out-of-service";

/// How many pods are let go of at once.
const AT_ONCE: usize = 8;

/// What became of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// How many pods were let go of.
    pub pods: usize,
    /// Whether nothing is left; a node stays while volumes are attached to it.
    pub over: bool,
}

/// Lets go of a node and of what was on it: its volumes by a taint, the pods that others wait for, then the node, and the
/// pods that were its own, which would come back as long as it is there.
pub async fn release(client: &Client, node: &str, now: Timestamp) -> Result<Released> {
    let api = Api::<Node>::all(client.clone());
    let there = again(|| api.get_opt(node)).await.map_err(|e| error::of(&format!("look at node {node}"), e))?;
    let Some(there) = there else {
        return end_all(client, node, now, |_| true).await;
    };
    let (labelled, attached) = (label::labelled(there.clone()), has_volumes(&there));
    if !labelled.taints.iter().any(|taint| taint["key"] == TAINT) {
        let mut taints = labelled.taints.clone();
        taints.push(json!({"key": TAINT, "value": "terminated", "effect": "NoExecute"}));
        // Who wrote to the node at the same moment comes first: the next round finds it untainted still.
        label::change(client, &labelled, &Change { taints: Some(taints), ..Change::default() }).await?;
    }
    let Released { pods, .. } = end_all(client, node, now, is_lost).await?;
    if attached {
        return Ok(Released { pods, over: false });
    }
    let same = Preconditions { uid: there.metadata.uid, resource_version: None };
    let params = DeleteParams::default().preconditions(same);
    match again(|| api.delete(node, &params)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(e) => return Err(error::of(&format!("remove node {node}, whose machine is gone"), e)),
    }
    let rest = end_all(client, node, now, |_| true).await?;
    Ok(Released { pods: pods + rest.pods, ..rest })
}

/// Whether volumes are attached to a node as far as Kubernetes knows; it forgets them when it begins to detach them, which
/// it does of a node with the taint at once, and of one that is not there after six minutes.
fn has_volumes(node: &Node) -> bool {
    node.status.as_ref().and_then(|status| status.volumes_attached.as_ref()).is_some_and(|all| !all.is_empty())
}

/// Ends the pods of a node that are of this kind; it is over unless somebody else changed one at the same moment.
async fn end_all(client: &Client, node: &str, now: Timestamp, of_kind: impl Fn(&Pod) -> bool) -> Result<Released> {
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let api = Api::<Pod>::all(client.clone());
    let pods = again(|| api.list(&here)).await.map_err(|e| error::of(&format!("list the pods of node {node}"), e))?;
    let ends = pods.items.into_iter().filter(of_kind).map(|pod| end(client, pod, now));
    let ended = futures::stream::iter(ends).buffer_unordered(AT_ONCE);
    let none = Released { pods: 0, over: true };
    let count = |all: Released, ended| Released { pods: all.pods + usize::from(ended), over: all.over && ended };
    ended.try_fold(none, |all, ended| std::future::ready(Ok(count(all, ended)))).await
}

/// Whether others wait for a pod to be let go of: what is its node's own goes with the node, and what has ended is no loss,
/// unless somebody has deleted it.
fn is_lost(pod: &Pod) -> bool {
    !is_of_node(pod) && (!has_ended(pod) || pod.metadata.deletion_timestamp.is_some())
}

/// Marks a pod as failed and removes it; false if it changed meanwhile, so that it has to be looked at again.
async fn end(client: &Client, pod: Pod, now: Timestamp) -> Result<bool> {
    let (name, uid) = (pod.metadata.name.clone().unwrap_or_default(), pod.metadata.uid.clone());
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let doing = |what: &str| format!("{what} pod {namespace}/{name} of a machine that is gone");
    let api = Api::<Pod>::namespaced(client.clone(), &namespace);
    if !has_ended(&pod) {
        let params = PatchParams { field_manager: Some(label::MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Strategic(failed(pod.metadata.resource_version.as_deref(), now));
        match again(|| api.patch_status(&name, &params, &patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => return Ok(false),
            Err(e) => return Err(error::of(&doing("mark"), e)),
        }
    }
    let same = Preconditions { uid, resource_version: None };
    let params = DeleteParams::default().grace_period(0).preconditions(same);
    match again(|| api.delete(&name, &params)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(e) => Err(error::of(&doing("remove"), e)),
    }
}

/// What the status of a pod of this version becomes: failed, by no fault of its own.
fn failed(version: Option<&str>, now: Timestamp) -> Value {
    json!({
        "metadata": {"resourceVersion": version},
        "status": {
            "phase": "Failed",
            "conditions": [{
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "InstanceTerminated",
                "message": "EC2 has terminated the instance of its node",
                "lastTransitionTime": now.to_string(),
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node with volumes stays until they are let go of.
    #[test]
    fn volumes_keep_a_node() {
        let volume = json!({"name": "kubernetes.io/csi/ebs.csi.aws.com^vol-1", "devicePath": ""});
        for (status, keeps) in
            [(json!({"volumesAttached": [volume]}), true), (json!({"volumesAttached": []}), false), (json!({}), false)]
        {
            assert_eq!(has_volumes(&serde_json::from_value(json!({"status": status})).unwrap()), keeps, "{status}");
        }
    }

    /// What ran is lost, and so is what somebody waits for to be gone; what has ended stays to be read.
    #[test]
    fn what_is_lost() {
        for (phase, ending, lost) in [
            ("Running", false, true),
            ("Running", true, true),
            ("Pending", false, true),
            ("Succeeded", false, false),
            ("Failed", true, true),
        ] {
            let deleted = ending.then_some("2026-01-01T00:00:00Z");
            let pod = json!({"metadata": {"name": "p", "deletionTimestamp": deleted}, "status": {"phase": phase}});
            assert_eq!(is_lost(&serde_json::from_value(pod).unwrap()), lost, "{phase} {ending}");
        }
    }
}
