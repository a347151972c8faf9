//! Which pods of a node a drain moves, and which it leaves.

use k8s_openapi::api::core::v1::Pod;

use crate::kube::pods::{has_ended, is_of_node};

/// A pod that has to go before its machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its unique id: another pod of the same name is another pod.
    pub(super) uid: String,
    /// How many seconds it may take to end.
    pub(super) grace: i64,
    /// Whether it is being ended already.
    pub(super) ending: bool,
}

impl std::fmt::Display for Victim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The pod as one that has to go; none if it stays: one of its node's own, or one that has ended.
pub(super) fn victim(pod: &Pod) -> Option<Victim> {
    if is_of_node(pod) || has_ended(pod) {
        return None;
    }
    let meta = &pod.metadata;
    let asked = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    Some(Victim {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        grace: meta.deletion_grace_period_seconds.or(asked).unwrap_or(30),
        ending: meta.deletion_timestamp.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(metadata: Value, status: Value) -> Pod {
        let mut pod = json!({"metadata": {"namespace": "a", "name": "p", "uid": "u"}, "status": status});
        pod["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        serde_json::from_value(pod).unwrap()
    }

    /// Only what is its node's, or has ended, stays; a pod that nobody owns goes too: the machine goes whatever happens to
    /// it.
    #[test]
    fn what_stays() {
        let daemon = json!({"kind": "DaemonSet", "apiVersion": "apps/v1", "name": "o", "uid": "o", "controller": true});
        for (metadata, phase, goes) in [
            (json!({}), "Running", true),
            (json!({}), "Pending", true),
            (json!({"ownerReferences": [daemon]}), "Running", false),
            (json!({}), "Succeeded", false),
            (json!({}), "Failed", false),
        ] {
            assert_eq!(victim(&pod(metadata.clone(), json!({"phase": phase}))).is_some(), goes, "{metadata} {phase}");
        }
    }

    /// A pod that is being ended says how long that may take: what its deletion says counts before its spec.
    #[test]
    fn grace() {
        let mut pod = pod(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), json!({}));
        let seen = victim(&pod).unwrap();
        assert_eq!((seen.ending, seen.grace, seen.to_string().as_str()), (true, 30, "a/p"));
        pod.spec = serde_json::from_value(json!({"containers": [], "terminationGracePeriodSeconds": 90})).unwrap();
        assert_eq!(victim(&pod).unwrap().grace, 90);
        pod.metadata.deletion_grace_period_seconds = Some(5);
        assert_eq!(victim(&pod).unwrap().grace, 5);
    }
}
