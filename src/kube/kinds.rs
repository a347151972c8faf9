//! The kinds of object that addons are made of, in the order in which they are made; they go in the opposite one.

use kube::core::GroupVersionKind;
use serde_json::Value;

/// `apiVersion` and kind: what others need stands first.
pub const KINDS: &[(&str, &str)] = &[
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Service"),
    ("storage.k8s.io/v1", "CSIDriver"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("networking.k8s.io/v1", "Ingress"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("apiregistration.k8s.io/v1", "APIService"),
];

/// Where an object stands in the order; what is not listed comes last.
pub fn rank(object: &Value) -> usize {
    let is_it = |(version, kind): &(&str, &str)| object["apiVersion"] == *version && object["kind"] == *kind;
    KINDS.iter().position(is_it).unwrap_or(KINDS.len())
}

/// Group, version and kind of an `apiVersion` and a kind.
pub fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts and rights are there before what runs with them; groups are read out of versions.
    #[test]
    fn order_of_kinds() {
        let object = |version: &str, kind: &str| serde_json::json!({"apiVersion": version, "kind": kind});
        assert!(rank(&object("v1", "ServiceAccount")) < rank(&object("apps/v1", "Deployment")));
        assert!(rank(&object("example.com/v1", "Thing")) > rank(&object("apps/v1", "Deployment")));
        assert_eq!(gvk("apps/v1", "Deployment").group, "apps");
        assert_eq!(gvk("v1", "Pod").group, "");
    }
}
