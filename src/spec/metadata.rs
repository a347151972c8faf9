//! Name, labels and annotations of an object, and the labels kspot gives a meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The `apiVersion` of every object kspot writes.
pub const API_VERSION: &str = "kspot.io/v1alpha1";

/// The `apiVersion` of kOps' objects, read as an alias.
pub const KOPS_API_VERSION: &str = "kops.k8s.io/v1alpha2";

/// The label of an instance group that names its cluster.
pub const CLUSTER_LABEL: &str = "kspot.io/cluster";

/// kOps' name of [`CLUSTER_LABEL`].
pub const KOPS_CLUSTER_LABEL: &str = "kops.k8s.io/cluster";

/// What names an object and what is said about it without changing anything built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name of the object: for a cluster a DNS name with at least one dot, for an instance group a DNS label.
    pub name: String,
    /// Labels of the object itself; an instance group names its cluster in `kspot.io/cluster`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free notes; kspot keeps them and reads none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When the object was first written (RFC 3339); kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub creation_timestamp: Option<jiff::Timestamp>,
    /// Counter that kOps raises with each change; kept, never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

impl Metadata {
    /// Metadata that holds a name only.
    pub fn named(name: impl Into<String>) -> Self {
        Metadata { name: name.into(), ..Metadata::default() }
    }
}
