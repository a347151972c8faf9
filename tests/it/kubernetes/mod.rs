//! A real control plane on loopback: etcd and kube-apiserver, with certificates that kspot's own PKI makes, and Kubernetes'
//! controllers where a test asks for them. Tier: real API server; no kubelet stands behind it, `nodes` takes its place.

mod access;
mod addons;
mod drain;
mod nodes;
mod plane;

pub(crate) use nodes::Nodes;
pub(crate) use plane::Plane;
