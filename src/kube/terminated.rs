//! Lets go of what was on a node whose machine is gone for good. Left to itself Kubernetes waits most of a minute for word
//! of the node, as long again before it lets go of its pods, and six minutes before their volumes may be attached elsewhere.
//!
//! Pods end as Kubernetes' own garbage collector ends those of nodes that are no more: marked as failed, so that jobs count
//! them, then removed without a grace period that nobody is left to wait for. The node itself is the cloud controller's to
//! remove.

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
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

/// Lets go of a node's pods and volumes; gives how many pods that were.
pub async fn release(client: &Client, node: &str, now: Timestamp) -> Result<usize> {
    let Some(there) = label::get(client, node).await? else { return Ok(0) };
    if !there.taints.iter().any(|taint| taint["key"] == TAINT) {
        let mut taints = there.taints.clone();
        taints.push(json!({"key": TAINT, "value": "terminated", "effect": "NoExecute"}));
        // Who wrote to the node at the same moment comes first: the next round finds it untainted still.
        label::change(client, &there, &Change { taints: Some(taints), ..Change::default() }).await?;
    }
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let api = Api::<Pod>::all(client.clone());
    let doing = format!("list the pods of node {node}");
    let pods = again(|| api.list(&here)).await.map_err(|e| error::of(&doing, e))?;
    let lost = pods.items.into_iter().filter(is_lost);
    let ended = futures::stream::iter(lost.map(|pod| end(client, pod, now))).buffer_unordered(AT_ONCE);
    ended.try_fold(0, |count, ended| std::future::ready(Ok(count + usize::from(ended)))).await
}

/// Whether a pod has to be let go of: what is its node's own goes with the node, and what has ended is no loss, unless
/// somebody waits for it to be gone.
fn is_lost(pod: &Pod) -> bool {
    !is_of_node(pod) && (!has_ended(pod) || pod.metadata.deletion_timestamp.is_some())
}

/// Marks a pod as failed and removes it; false if it changed meanwhile, which the next round sees.
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
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(false),
            Err(e) => return Err(error::of(&doing("mark"), e)),
        }
    }
    let same = Preconditions { uid, resource_version: None };
    let params = DeleteParams::default().grace_period(0).preconditions(same);
    match again(|| api.delete(&name, &params)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
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
