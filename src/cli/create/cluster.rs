//! `kspot create cluster`: writes the first specs and shows what they would make.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, ValueEnum};

use crate::cli::selector;
use crate::cli::session::Session;
use crate::cli::specs;
use crate::cli::update::Preview;
use crate::error::{Context as _, Error, Result};
use crate::ops::create::SpotWorkers;
use crate::ops::facts::Facts;
use crate::ops::new_cluster::{Machines, NewCluster};
use crate::spec::KubernetesVersion;
use crate::spec::instance_group::Tenancy;
use crate::spec::network::{AccessSource, Ipv4Cidr};
use crate::spec::networking::{
    CniConfig, DnsType, FlannelBackend, FlannelConfig, LoadBalancerType, NatGateways, Networking,
};
use crate::spec::volume::VolumeType;

/// Write the specs of a new cluster and show what they would make
///
/// Writes the cluster's and its groups' specs to the state store, then shows the plan. Nothing is made on AWS before
/// `kspot update cluster --yes`, unless --yes is given here.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot create cluster demo.k8s.local --zones us-east-1a,us-east-1b,us-east-1c --control-plane-count 3
  kspot create cluster --name demo.k8s.local --zones us-east-1a --node-size t3.large --node-count 2
  kspot create cluster demo.k8s.local --zones us-east-1a,us-east-1b,us-east-1c \\
    --node-usage-class spot --vcpus 4 --memory 16GiB
  kspot create cluster demo.k8s.local --zones us-east-1a --topology private --nat single --bastion
  kspot create cluster demo.k8s.local --zones us-east-1a --dry-run -o yaml
")]
pub(super) struct Args {
    /// The cluster's name, a DNS name such as demo.example.com or demo.k8s.local
    cluster: Option<String>,

    /// Only aws is supported
    #[arg(long, value_name = "CLOUD", hide = true, default_value = "aws")]
    cloud: String,

    /// Availability zones of the machines
    #[arg(long, value_name = "ZONE,...", value_delimiter = ',', help_heading = "Machines")]
    zones: Vec<String>,

    /// Zones of the control plane; default: the first of --zones
    #[arg(long, value_name = "ZONE,...", value_delimiter = ',', alias = "master-zones", help_heading = "Machines")]
    control_plane_zones: Vec<String>,

    /// How many control-plane machines, an odd number
    #[arg(long, value_name = "N", alias = "master-count", help_heading = "Machines")]
    control_plane_count: Option<u32>,

    /// Instance type of the control plane; several make a mixed group
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', alias = "master-size", help_heading = "Machines")]
    control_plane_size: Vec<String>,

    /// Root volume of the control plane in GiB
    #[arg(long, value_name = "GIB", alias = "master-volume-size", help_heading = "Machines")]
    control_plane_volume_size: Option<u32>,

    /// Root volume type of the control plane
    #[arg(long, value_name = "TYPE", alias = "master-volume-type", help_heading = "Machines")]
    control_plane_volume_type: Option<String>,

    /// Existing security groups of the control plane
    #[arg(
        long,
        value_name = "SG,...",
        value_delimiter = ',',
        alias = "master-security-groups",
        help_heading = "Machines"
    )]
    control_plane_security_groups: Vec<String>,

    /// Tenancy of the control plane: default or dedicated
    #[arg(long, value_name = "TENANCY", alias = "master-tenancy", help_heading = "Machines")]
    control_plane_tenancy: Option<String>,

    /// Image of the control plane
    #[arg(long, value_name = "IMAGE", alias = "master-image", help_heading = "Machines")]
    control_plane_image: Option<String>,

    /// How many workers over all zones
    #[arg(long, value_name = "N", help_heading = "Machines")]
    node_count: Option<u32>,

    /// Instance type of the workers; several make a mixed group
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', help_heading = "Machines")]
    node_size: Vec<String>,

    /// Root volume of the workers in GiB
    #[arg(long, value_name = "GIB", help_heading = "Machines")]
    node_volume_size: Option<u32>,

    /// Root volume type of the workers
    #[arg(long, value_name = "TYPE", help_heading = "Machines")]
    node_volume_type: Option<String>,

    /// Existing security groups of the workers
    #[arg(long, value_name = "SG,...", value_delimiter = ',', help_heading = "Machines")]
    node_security_groups: Vec<String>,

    /// Tenancy of the workers: default or dedicated
    #[arg(long, value_name = "TENANCY", help_heading = "Machines")]
    node_tenancy: Option<String>,

    /// Image of the workers
    #[arg(long, value_name = "IMAGE", help_heading = "Machines")]
    node_image: Option<String>,

    /// Image of every machine: ami-..., OWNER/NAME or a name; default: the newest Ubuntu 24.04
    #[arg(long, value_name = "IMAGE", help_heading = "Machines")]
    image: Option<String>,

    /// How workers are bought; spot picks pools with the instance selector
    #[arg(long, value_enum, value_name = "CLASS", help_heading = "Spot at birth")]
    node_usage_class: Option<UsageClass>,

    /// vCPUs of a spot worker
    #[arg(
        long,
        value_name = "N",
        requires = "node_usage_class",
        conflicts_with = "node_size",
        help_heading = "Spot at birth"
    )]
    vcpus: Option<u32>,

    /// Memory of a spot worker, for example 16GiB
    #[arg(
        long,
        value_name = "SIZE",
        requires = "node_usage_class",
        conflicts_with = "node_size",
        help_heading = "Spot at birth"
    )]
    memory: Option<String>,

    /// Whether machines have public addresses of their own
    #[arg(short, long, value_enum, default_value_t = TopologyKind::Public, help_heading = "Network")]
    topology: TopologyKind,

    /// NAT gateways of a private topology
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Network")]
    nat: Option<Nat>,

    /// The pod network: flannel, flannel-vxlan, flannel-udp, or cni for one of your own
    #[arg(long, value_name = "NETWORK", help_heading = "Network")]
    networking: Option<String>,

    /// DNS of the cluster: none, public or private (Route 53)
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Network")]
    dns: Option<Dns>,

    /// Route 53 zone, by name or id
    #[arg(long, value_name = "ZONE", help_heading = "Network")]
    dns_zone: Option<String>,

    /// Address ranges of the VPC, the main one first
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', help_heading = "Network")]
    network_cidr: Vec<Ipv4Cidr>,

    /// An existing VPC; it is never changed or deleted
    #[arg(long, value_name = "VPC", alias = "vpc", help_heading = "Network")]
    network_id: Option<String>,

    /// Existing subnets, one a zone; they are never changed or deleted
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',', help_heading = "Network")]
    subnets: Vec<String>,

    /// Existing public subnets of a private topology, one a zone
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',', help_heading = "Network")]
    utility_subnets: Vec<String>,

    /// IPv6 network; machines do not come up in it yet
    #[arg(long, help_heading = "Network")]
    ipv6: bool,

    /// The API's load balancer: public or internal
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Access")]
    api_loadbalancer_type: Option<LoadBalancer>,

    /// Public name of the API
    #[arg(long, value_name = "NAME", alias = "master-public-name", help_heading = "Access")]
    api_public_name: Option<String>,

    /// Who may reach the API: CIDRs or prefix lists; without it, everybody
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', help_heading = "Access")]
    admin_access: Vec<AccessSource>,

    /// Who may reach SSH: CIDRs or prefix lists; without it, nobody
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', help_heading = "Access")]
    ssh_access: Vec<AccessSource>,

    /// File with the public SSH key of the machines' default user
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    ssh_public_key: Option<PathBuf>,

    /// A bastion host for SSH into a private topology
    #[arg(long, help_heading = "Access")]
    bastion: bool,

    /// Whether machines get public addresses
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Access")]
    associate_public_ip: Option<bool>,

    /// Release of Kubernetes
    #[arg(long, value_name = "VERSION", help_heading = "Cluster")]
    kubernetes_version: Option<KubernetesVersion>,

    /// Tags of every AWS resource: KEY=VALUE,...
    #[arg(long, value_name = "KEY=VALUE,...", value_delimiter = ',', help_heading = "Cluster")]
    cloud_labels: Vec<String>,

    /// etcd's clusters
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "Cluster")]
    etcd_clusters: Vec<String>,

    /// Type of etcd's volumes
    #[arg(long, value_name = "TYPE", help_heading = "Cluster")]
    etcd_storage_type: Option<String>,

    /// Whether etcd's volumes are encrypted
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Cluster")]
    encrypt_etcd_storage: Option<bool>,

    /// Refuse to delete the cluster until spec.deletionProtection is unset
    #[arg(long, help_heading = "Cluster")]
    protect: bool,

    /// Set a field of the cluster's spec after everything else, for example spec.metricsServer.enabled=true
    #[arg(long = "set", value_name = "PATH=VALUE", alias = "override", action = ArgAction::Append, help_heading = "Cluster")]
    sets: Vec<String>,

    /// Unset a field of the cluster's spec after everything else
    #[arg(long = "unset", value_name = "PATH", action = ArgAction::Append, help_heading = "Cluster")]
    unsets: Vec<String>,

    /// Print the specs, write nothing
    #[arg(long, help_heading = "Running")]
    dry_run: bool,

    /// Form of --dry-run's output
    #[arg(short, long, value_enum, default_value_t = specs::Form::Yaml, requires = "dry_run", help_heading = "Running")]
    output: specs::Form,

    /// Make the cluster at once
    #[arg(short, long, help_heading = "Running")]
    yes: bool,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", help_heading = "Running")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UsageClass {
    /// Spare capacity, cheaper, may be taken away
    Spot,
    /// Ordinary machines
    OnDemand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TopologyKind {
    /// Machines have public addresses
    Public,
    /// Machines reach the internet through NAT
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Nat {
    /// No way out
    None,
    /// One for all zones: cheaper, and every zone depends on that one
    Single,
    /// One in each zone
    PerZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dns {
    /// The API is the load balancer's name
    None,
    /// Records in a public Route 53 zone
    Public,
    /// Records in a private Route 53 zone
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LoadBalancer {
    /// Reachable from the internet
    Public,
    /// Reachable from the network only
    Internal,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        if self.cloud != "aws" {
            return Err(
                Error::usage(format!("cloud {} is not supported", self.cloud)).hint("kspot makes clusters on aws")
            );
        }
        let name = session.cluster(self.cluster.as_deref())?;
        if !self.dry_run {
            session.location()?;
        }
        let new = self.options(&name)?;
        self.remark(session, &new);
        let mut draft = crate::ops::create::draft(&new, &self.sets, &self.unsets)?;
        let region = draft.region()?;
        session.require_home(Some(&region))?;
        if self.node_usage_class == Some(UsageClass::OnDemand) && (self.vcpus.is_some() || self.memory.is_some()) {
            return Err(Error::usage("--vcpus and --memory choose spot pools, --node-usage-class says on-demand")
                .hint("name the types of on-demand workers with --node-size"));
        }
        if self.node_usage_class == Some(UsageClass::Spot) {
            let catalogue = selector::catalogue(session, &region).await?;
            let ask = SpotWorkers { vcpus: self.vcpus, memory: self.memory.clone() };
            selector::show::selection(session, "workers", &draft.use_spot(&catalogue, &ask)?, false);
        }
        draft.pin_images(&Facts::new(&session.sdk(Some(&region)).await, &session.context)?).await?;
        if self.dry_run {
            return specs::print(session, &draft.objects(), self.output);
        }
        let store = session.store().await?;
        let change = specs::Change::new(&store, &name, "create cluster", self.message.as_deref());
        let written = specs::create_all(session, &change, draft.objects()).await?;
        session.ui.say(format!("cluster {name} has its specs in {}", store.describe()));
        Preview { cluster: name, yes: self.yes, specs: Some(written), ..Preview::default() }.run(session).await
    }

    /// What a user should know of what was chosen for them.
    fn remark(&self, session: &Session, new: &NewCluster) {
        let wanted = self.dns.map(Dns::kind);
        if wanted.is_some_and(|w| w != DnsType::None) && new.dns_type() == DnsType::None {
            session.ui.say(
                "a name that ends in .k8s.local can't be published: DNS is none, the API is the load balancer's name",
            );
        }
    }

    fn options(&self, name: &str) -> Result<NewCluster> {
        let volume = |t: &Option<String>| t.as_deref().map(parse_as::<VolumeType>).transpose();
        let tenancy = |t: &Option<String>| t.as_deref().map(parse_as::<Tenancy>).transpose();
        let key = match &self.ssh_public_key {
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).context(|| format!("can't read the SSH key {}", file.display()))?;
                Some(text.trim().to_owned())
            }
            None => None,
        };
        let anywhere = || -> Vec<AccessSource> {
            ["0.0.0.0/0", "::/0"].iter().take(if self.ipv6 { 2 } else { 1 }).filter_map(|c| c.parse().ok()).collect()
        };
        Ok(NewCluster {
            name: name.to_owned(),
            zones: self.zones.clone(),
            control_plane_zones: self.control_plane_zones.clone(),
            control_plane_count: self.control_plane_count,
            node_count: self.node_count,
            control_plane: Machines {
                types: self.control_plane_size.clone(),
                image: self.control_plane_image.clone().or_else(|| self.image.clone()),
                volume_size: self.control_plane_volume_size,
                volume_type: volume(&self.control_plane_volume_type)?,
                security_groups: self.control_plane_security_groups.clone(),
                tenancy: tenancy(&self.control_plane_tenancy)?,
                associate_public_ip: self.associate_public_ip,
            },
            nodes: Machines {
                types: self.node_size.clone(),
                image: self.node_image.clone().or_else(|| self.image.clone()),
                volume_size: self.node_volume_size,
                volume_type: volume(&self.node_volume_type)?,
                security_groups: self.node_security_groups.clone(),
                tenancy: tenancy(&self.node_tenancy)?,
                associate_public_ip: self.associate_public_ip,
            },
            private: self.topology == TopologyKind::Private || self.ipv6,
            nat: self.nat.map(|n| match n {
                Nat::None => NatGateways::None,
                Nat::Single => NatGateways::Single,
                Nat::PerZone => NatGateways::PerZone,
            }),
            ipv6: self.ipv6,
            dns: self.dns.map(Dns::kind),
            dns_zone: self.dns_zone.clone(),
            api_load_balancer: self.api_loadbalancer_type.map(|t| match t {
                LoadBalancer::Public => LoadBalancerType::Public,
                LoadBalancer::Internal => LoadBalancerType::Internal,
            }),
            api_public_name: self.api_public_name.clone(),
            networking: self.networking.as_deref().map(networking).transpose()?,
            network_cidrs: self.network_cidr.clone(),
            network_id: self.network_id.clone(),
            subnet_ids: self.subnets.clone(),
            utility_subnet_ids: self.utility_subnets.clone(),
            admin_access: if self.admin_access.is_empty() { anywhere() } else { self.admin_access.clone() },
            ssh_access: self.ssh_access.clone(),
            ssh_public_key: key,
            bastion: self.bastion,
            cloud_labels: labels(&self.cloud_labels)?,
            kubernetes_version: self.kubernetes_version,
            etcd_clusters: self.etcd_clusters.clone(),
            etcd_volume_type: volume(&self.etcd_storage_type)?,
            etcd_encrypted: self.encrypt_etcd_storage,
            protect: self.protect,
        })
    }
}

impl Dns {
    fn kind(self) -> DnsType {
        match self {
            Dns::None => DnsType::None,
            Dns::Public => DnsType::Public,
            Dns::Private => DnsType::Private,
        }
    }
}

/// Reads a word as the spec would.
fn parse_as<T: serde::de::DeserializeOwned>(word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(|e| Error::usage(format!("{word}: {e}")))
}

fn networking(name: &str) -> Result<Networking> {
    let flannel = |backend| Networking {
        flannel: Some(FlannelConfig { backend: Some(backend), ..FlannelConfig::default() }),
        ..Networking::default()
    };
    match name {
        "flannel" | "flannel-vxlan" => Ok(flannel(FlannelBackend::Vxlan)),
        "flannel-udp" => Ok(flannel(FlannelBackend::Udp)),
        "cni" | "external" => Ok(Networking { cni: Some(CniConfig::default()), ..Networking::default() }),
        _ => Err(Error::usage(format!("network {name} is not supported"))
            .hint("use flannel, or cni and install the network of your choice yourself")),
    }
}

fn labels(pairs: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |p: &String| {
        let (key, value) = p.split_once('=')?;
        Some((key.trim().to_owned(), value.trim_matches('"').to_owned()))
    };
    pairs
        .iter()
        .map(|p| {
            pair(p).ok_or_else(|| Error::usage(format!("{p:?} is not KEY=VALUE")).hint("--cloud-labels team=a,env=dev"))
        })
        .collect()
}
