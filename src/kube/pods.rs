//! Which pods belong to their node, and have nothing to do elsewhere.

use k8s_openapi::api::core::v1::Pod;

/// The annotation of a pod that a kubelet runs out of a file: the API only shows it.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether a pod is its node's: the mirror of a static pod, or a DaemonSet's, which would come back at once.
pub(super) fn is_of_node(pod: &Pod) -> bool {
    let meta = &pod.metadata;
    let mirror = meta.annotations.iter().flatten().any(|(key, _)| key == MIRROR);
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    mirror || owner.is_some_and(|owner| owner.kind == "DaemonSet" && owner.api_version.starts_with("apps/"))
}

/// Whether all its containers have ended for good.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(metadata: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn owned(kind: &str, api_version: &str, controller: bool) -> Pod {
        let owner = json!({"kind": kind, "apiVersion": api_version, "name": "o", "uid": "o", "controller": controller});
        pod(json!({"ownerReferences": [owner]}))
    }

    /// Static pods' mirrors and DaemonSets' pods are their node's; what is only named like that is not.
    #[test]
    fn pods_of_nodes() {
        assert!(is_of_node(&owned("DaemonSet", "apps/v1", true)));
        assert!(is_of_node(&pod(json!({"annotations": {MIRROR: "x"}}))));
        assert!(!is_of_node(&pod(json!({}))));
        assert!(!is_of_node(&owned("ReplicaSet", "apps/v1", true)));
        assert!(!is_of_node(&owned("DaemonSet", "apps.example.com/v1", true)));
        assert!(!is_of_node(&owned("DaemonSet", "apps/v1", false)));
    }
}
