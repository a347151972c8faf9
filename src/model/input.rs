//! What the model is built from: completed specs, and facts that somebody looked up before.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::naming::Names;
use crate::catalogue::{ImageInfo, InstanceType};
use crate::cloud::aws::Account;
use crate::cloud::aws::partition::dns_suffix;
use crate::error::{Error, Result};
use crate::resource::{Addr, Desired, Resource};
use crate::spec::{Cluster, InstanceGroup, Role};

/// Everything that decides what a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The cluster's spec, completed.
    pub cluster: &'a Cluster,
    /// The groups' specs, completed.
    pub groups: &'a [InstanceGroup],
    /// Where it is built.
    pub account: &'a Account,
    /// Where its state is.
    pub store: &'a Store,
    /// The instance types of the region, by name. A missing one costs the autoscaler a hint, nothing else.
    pub types: &'a BTreeMap<String, InstanceType>,
    /// What else was looked up.
    pub facts: &'a Facts,
}

/// Where the state store is, as the machines see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A bucket, or the part of it below a prefix.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Empty, or a prefix without a slash at either end.
        prefix: String,
        /// The bucket's region, which need not be the cluster's.
        region: String,
        /// The ARN of the KMS key that encrypts what is in it, if it is one that can be told.
        kms_key: Option<String>,
    },
    /// A directory, which control-plane machines must have mounted at the same path.
    Directory(PathBuf),
}

impl Store {
    /// The key or path in the store (`<cluster>/...`) with the store's own prefix.
    pub fn key(&self, key: &str) -> String {
        match self {
            Store::S3 { prefix, .. } if !prefix.is_empty() => format!("{prefix}/{key}"),
            Store::S3 { .. } => key.to_owned(),
            Store::Directory(path) => path.join(key).display().to_string(),
        }
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Store::S3 { bucket, prefix, .. } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Store::S3 { bucket, prefix, .. } => write!(f, "s3://{bucket}/{prefix}"),
            Store::Directory(path) => write!(f, "file://{}", path.display()),
        }
    }
}

/// What the model needs to know and the specs do not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The image of each group, by the group's name.
    pub images: BTreeMap<String, ImageInfo>,
    /// The node agent for each architecture, as AWS calls it: `x86_64`, `arm64`.
    pub agent: BTreeMap<String, AgentBinary>,
    /// Hashes of downloads by URL, for releases that kspot does not know by heart.
    pub checksums: BTreeMap<String, String>,
    /// The cluster's certificate authority (public halves, PEM; two while it is rotated), by which machines know the
    /// control plane. Empty before the first update has made it: then machines trust nobody.
    pub authorities: String,
    /// The manifests that come from elsewhere.
    pub manifests: crate::addons::Texts,
    /// The public keys that sign the tokens of service accounts, or did and are trusted (PEM). Empty before the first
    /// update has made them.
    pub service_account_keys: String,
    /// The region of the bucket that `serviceAccountIssuerDiscovery.discoveryStore` names.
    pub discovery_region: Option<String>,
    /// The SSH public key that was given for the cluster.
    pub ssh_public_key: Option<String>,
    /// The id of the internet gateway of a shared VPC.
    pub internet_gateway: Option<String>,
    /// The ids (`eipalloc-...`) of the addresses that subnets name in `publicIP`.
    pub elastic_ips: BTreeMap<String, String>,
    /// The id of the existing Route 53 zone that `dnsZone`, or the longest matching name, stands for.
    pub hosted_zone: Option<String>,
}

/// The node agent for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentBinary {
    /// Its key in the state store: `<cluster>/bin/kspot-linux-amd64-<sha256>`.
    pub key: String,
    /// Its sha256 in hex.
    pub sha256: String,
}

impl<'a> Input<'a> {
    pub(super) fn names(&self) -> Names<'a> {
        Names::of(self.cluster.name())
    }

    /// The groups of a role.
    pub(super) fn groups_of(&self, role: Role) -> impl Iterator<Item = &'a InstanceGroup> {
        self.groups.iter().filter(move |g| g.spec.role == role)
    }

    /// The last part of AWS's host names.
    pub(super) fn dns_suffix(&self) -> &'static str {
        dns_suffix(&self.account.partition)
    }

    /// The ARN of something in the account and region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Account { id, partition, region } = self.account;
        format!("arn:{partition}:{service}:{region}:{id}:{resource}")
    }

    /// The ARN of a bucket or of what is in it.
    pub(super) fn s3_arn(&self, path: &str) -> String {
        format!("arn:{}:s3:::{path}", self.account.partition)
    }

    /// Adds a resource. Two of one address are two groups or subnets whose names collide.
    pub(super) fn add(&self, desired: &mut Desired, name: &str, resource: impl Into<Resource>) -> Result<()> {
        let resource = resource.into();
        let addr = Addr::new(resource.kind(), name);
        if desired.contains_key(&addr) {
            return Err(
                Error::invalid(format!("two parts of the spec make {addr}")).hint("give one of them another name")
            );
        }
        desired.insert(addr, resource);
        Ok(())
    }
}
