//! What people write: a Cluster and its InstanceGroups, as typed values.
//!
//! The fields are kOps' (`v1alpha2` names); doc comments are the help that `kspot explain` and the JSON schema show.
//! Fields are optional and hold what was written; the accessors ([`ClusterSpec::network_cidr`],
//! [`InstanceGroupSpec::root_volume`] ...) answer with every default applied.

mod alias;
mod block;
mod breaks;
mod check;
mod format;
mod locate;
mod meaningless;
mod path;
mod scalar;
mod shape;
mod yaml;

pub mod addons;
pub mod api;
pub mod cidr;
pub mod cluster;
pub mod complete;
pub mod derived;
pub mod duration;
pub mod edit;
pub mod etcd;
pub mod explain;
pub mod iam;
pub mod instance_group;
pub mod int_or_percent;
pub mod kubernetes;
pub mod merge;
pub mod metadata;
pub mod mixed_instances;
pub mod network;
pub mod networking;
pub mod object;
pub mod parse;
pub mod print;
pub mod problem;
pub mod quantity;
pub mod reference;
pub mod rolling_update;
pub mod taint;
pub mod validate;
pub mod version;
pub mod volume;

pub use cluster::{Cluster, ClusterSpec};
pub use complete::complete;
pub use derived::region_of_zone;
pub use duration::GoDuration;
pub use instance_group::{InstanceGroup, InstanceGroupSpec, Role};
pub use int_or_percent::IntOrPercent;
pub use metadata::{API_VERSION, CLUSTER_LABEL, Metadata};
pub use mixed_instances::MixedInstancesPolicy;
pub use networking::{Subnet, SubnetType};
pub use object::{Kind, Object};
pub use problem::{ObjectId, Place, Problem, Problems, Severity};
pub use quantity::Quantity;
pub use shape::schema;
pub use taint::{Taint, TaintEffect};
pub use validate::{Facts, Specs, TypeFacts, validate};
pub use version::KubernetesVersion;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
