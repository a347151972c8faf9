//! What a spec document can hold.

use super::cluster::Cluster;
use super::instance_group::InstanceGroup;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `kind: Cluster`.
    Cluster,
    /// `kind: InstanceGroup`.
    InstanceGroup,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 2] = [Kind::Cluster, Kind::InstanceGroup];

    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Cluster => "Cluster",
            Kind::InstanceGroup => "InstanceGroup",
        }
    }
}

/// One spec document.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A cluster.
    Cluster(Box<Cluster>),
    /// An instance group.
    InstanceGroup(Box<InstanceGroup>),
}

impl Object {
    /// The kind of the object.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Cluster(_) => Kind::Cluster,
            Object::InstanceGroup(_) => Kind::InstanceGroup,
        }
    }

    /// The cluster, if it is one.
    pub fn as_cluster(&self) -> Option<&Cluster> {
        match self {
            Object::Cluster(cluster) => Some(cluster),
            Object::InstanceGroup(_) => None,
        }
    }

    /// Turns into the cluster, if it is one.
    pub fn into_cluster(self) -> Option<Cluster> {
        match self {
            Object::Cluster(cluster) => Some(*cluster),
            Object::InstanceGroup(_) => None,
        }
    }

    /// The instance group, if it is one.
    pub fn as_group(&self) -> Option<&InstanceGroup> {
        match self {
            Object::InstanceGroup(group) => Some(group),
            Object::Cluster(_) => None,
        }
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        match self {
            Object::Cluster(cluster) => cluster.name(),
            Object::InstanceGroup(group) => group.name(),
        }
    }
}

impl From<Cluster> for Object {
    fn from(cluster: Cluster) -> Self {
        Object::Cluster(Box::new(cluster))
    }
}

impl From<InstanceGroup> for Object {
    fn from(group: InstanceGroup) -> Self {
        Object::InstanceGroup(Box::new(group))
    }
}
