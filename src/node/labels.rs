//! Which labels a kubelet may set for itself: Kubernetes' NodeRestriction admission, described in its documentation under
//! "Admission Control in Kubernetes", NodeRestriction. Everything else the controller sets.

/// The labels of Kubernetes' own domains that a kubelet may set.
const ALLOWED: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// The domains, with everything below them, in which a kubelet may set any label.
const OPEN: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Whether a kubelet may give its own node a label with this key.
pub fn kubelet_may_set(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    let below = |parent: &str| domain == parent || domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    if !below("kubernetes.io") && !below("k8s.io") {
        return true;
    }
    ALLOWED.contains(&key) || OPEN.iter().any(|open| below(open))
}

#[cfg(test)]
mod tests {
    use super::kubelet_may_set;

    /// Roles and Kubernetes' own labels are not a kubelet's to choose; its own domains and everybody else's are.
    #[test]
    fn what_a_kubelet_may_set() {
        for mine in [
            "kspot.io/instancegroup",
            "team",
            "example.com/pool",
            "kubernetes.io/hostname",
            "node.kubernetes.io/exclude-from-external-load-balancers",
            "kubelet.kubernetes.io/x",
            "sub.node.kubernetes.io/x",
            "topology.kubernetes.io/region",
            "notkubernetes.io/x",
        ] {
            assert!(kubelet_may_set(mine), "{mine}");
        }
        for theirs in [
            "node-role.kubernetes.io/node",
            "kops.k8s.io/instancegroup",
            "kubernetes.io/role",
            "k8s.io/x",
            "node-restriction.kubernetes.io/tenant",
            "x.node-restriction.kubernetes.io/tenant",
            "topology.kubernetes.io/rack",
        ] {
            assert!(!kubelet_may_set(theirs), "{theirs}");
        }
    }
}
