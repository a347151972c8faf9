//! Tags: what marks a resource as ours.

use std::collections::BTreeMap;

use crate::cloud::Scope;

/// The tags of a resource, as kspot manages them (never `aws:` ones, never somebody else's).
pub type Tags = BTreeMap<String, String>;

/// The tag that marks what kspot made for a cluster; its value is the cluster's name. Sweeps look for this one: the
/// tags of Kubernetes' own conventions are also on what controllers in the cluster make (load balancers, security
/// groups, volumes of claims), which is not kspot's to change or delete.
pub const CLUSTER: &str = "kspot.io/cluster";

/// The tag by which Kubernetes' AWS controllers know the cluster; its value is the cluster's name.
pub const KUBERNETES_CLUSTER: &str = "KubernetesCluster";

/// The tag that holds the resource's name.
pub const NAME: &str = "Name";

/// The tag key that marks ownership for Kubernetes' own controllers; its value is `owned`.
pub fn ownership(cluster: &str) -> String {
    format!("kubernetes.io/cluster/{cluster}")
}

/// The tags every owned resource carries: name, cluster (kspot's mark and Kubernetes' own), ownership.
pub fn owned(cluster: &str, name: &str) -> Tags {
    Tags::from([
        (NAME.to_owned(), name.to_owned()),
        (CLUSTER.to_owned(), cluster.to_owned()),
        (KUBERNETES_CLUSTER.to_owned(), cluster.to_owned()),
        (ownership(cluster), "owned".to_owned()),
    ])
}

/// Key prefixes that kspot manages on what it owns; other keys are a user's and stay untouched, unless the spec's
/// cloud labels name them.
const PREFIXES: &[&str] = &["kubernetes.io/", "k8s.io/", "kspot.io/", "kops.k8s.io/", "aws-node-termination-handler/"];

/// Keeps those tags that kspot manages on a resource of this cluster.
pub fn managed(scope: &Scope, tags: impl IntoIterator<Item = (String, String)>) -> Tags {
    tags.into_iter()
        .filter(|(k, _)| {
            k == NAME
                || k == KUBERNETES_CLUSTER
                || PREFIXES.iter().any(|p| k.starts_with(p))
                || scope.labels.contains(k)
        })
        .collect()
}

/// Whether the tags say that the resource is owned by the cluster, not shared with it.
pub fn is_owned(scope: &Scope, tags: &Tags) -> bool {
    tags.get(CLUSTER).is_some_and(|c| *c == scope.cluster)
        && tags.get(&ownership(&scope.cluster)).is_none_or(|v| v == "owned")
}

/// The scope that an owned resource's own tags imply: enough to find that resource again.
pub fn scope_of(tags: &Tags) -> Scope {
    let mut scope = Scope::of(tags.get(CLUSTER).cloned().unwrap_or_default());
    scope.labels.extend(tags.keys().cloned());
    scope
}

/// Which tags to write and which keys to remove to get from `live` to `wanted`.
pub fn difference(live: &Tags, wanted: &Tags) -> (Tags, Vec<String>) {
    let set = wanted.iter().filter(|(k, v)| live.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let remove = live.keys().filter(|k| !wanted.contains_key(*k)).cloned().collect();
    (set, remove)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user's own tag on our resource is neither seen nor touched, a cloud label of the spec is.
    #[test]
    fn foreign_tags_are_invisible() {
        let mut scope = Scope::of("c.example.com");
        scope.labels.insert("team".into());
        let seen = managed(
            &scope,
            [("Name", "x"), ("team", "a"), ("cost", "b"), ("k8s.io/role/node", "1")].map(|(k, v)| (k.into(), v.into())),
        );
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["Name", "k8s.io/role/node", "team"]);
    }

    /// What is shared with the cluster is not owned by it.
    #[test]
    fn shared_is_not_owned() {
        let scope = Scope::of("c");
        let mut tags = owned("c", "x");
        assert!(is_owned(&scope, &tags));
        tags.insert(ownership("c"), "shared".into());
        assert!(!is_owned(&scope, &tags));
    }
}
