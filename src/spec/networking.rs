//! The network: subnets, how traffic leaves them, DNS of the cluster, the pod network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::network::{AccessSource, Ipv4Cidr, Ipv6Cidr};

/// A subnet: one zone, one kind of route to the outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// Name that instance groups refer to; for public and private subnets usually the zone.
    pub name: String,
    /// Availability zone, for example us-east-1a. All zones are of one region.
    pub zone: String,
    /// What kind of route the subnet has. Default Public.
    #[serde(rename = "type", default)]
    pub subnet_type: SubnetType,
    /// IPv4 range inside the network. Default: assigned from networkCIDR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Ipv4Cidr>,
    /// IPv6 range, or `/64#N` for the N-th /64 of the VPC's own.
    #[serde(rename = "ipv6CIDR", default, skip_serializing_if = "Option::is_none")]
    pub ipv6_cidr: Option<Ipv6Cidr>,
    /// Id of an existing subnet (`subnet-...`); then every subnet needs one. Shared: only tagged, never changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How traffic of a private subnet leaves: an existing `nat-...`, `eipalloc-...` (for kspot's NAT gateway), `i-...`, `tgw-...`, or `External` (routes are somebody else's). Default: a NAT gateway as `topology.nat` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<String>,
    /// Public IPv4 address (an existing Elastic IP) for the NAT gateway of this private subnet's zone.
    #[serde(rename = "publicIP", default, skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
    /// Further routes of a private subnet that kspot makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_routes: Vec<Route>,
}

/// What kind of route a subnet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum SubnetType {
    /// To the internet gateway; machines have public addresses.
    #[default]
    Public,
    /// To a NAT gateway; machines have private addresses only.
    Private,
    /// To the internet gateway; for load balancers, NAT gateways and bastions of private clusters.
    Utility,
    /// IPv4 and IPv6, private: for IPv6 clusters.
    DualStack,
}

impl SubnetType {
    /// The name in specs and in the tag `SubnetType`.
    pub fn as_str(self) -> &'static str {
        match self {
            SubnetType::Public => "Public",
            SubnetType::Private => "Private",
            SubnetType::Utility => "Utility",
            SubnetType::DualStack => "DualStack",
        }
    }

    /// Whether machines in it reach the internet through NAT.
    pub fn is_private(self) -> bool {
        matches!(self, SubnetType::Private | SubnetType::DualStack)
    }
}

/// A route of a private subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Destination.
    pub cidr: AccessSource,
    /// Where it goes: `pcx-`, `i-`, `nat-`, `tgw-`, `igw-` or `eigw-` and an id.
    pub target: String,
}

block! {
    /// How the cluster is reached and how it reaches out.
    pub struct Topology {
        /// DNS of the cluster.
        pub dns: Option<DnsSpec>,
        /// NAT gateways for private subnets: `None`, `Single` (one for all zones: cheap, one zone's failure cuts all) or `PerZone`. Default PerZone.
        pub nat: Option<NatGateways>,
        /// The bastion's load balancer and name.
        pub bastion: Option<BastionSpec>,
    }
}

block! {
    /// DNS of the cluster.
    pub struct DnsSpec {
        /// `None` (the default: the API is the load balancer's name), `Public` or `Private` (Route 53). A cluster named `*.k8s.local` is always None.
        #[serde(rename = "type")]
        pub dns_type: Option<DnsType>,
    }
}

/// Where the cluster's names are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum DnsType {
    /// Nowhere.
    #[default]
    None,
    /// In a public Route 53 zone.
    Public,
    /// In a private Route 53 zone of the VPC.
    Private,
}

/// How many NAT gateways private subnets share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NatGateways {
    /// None: private subnets reach no internet unless `egress` says how.
    #[serde(alias = "none")]
    None,
    /// One, in the first zone.
    #[serde(alias = "single")]
    Single,
    /// One in each zone that has private subnets.
    #[default]
    #[serde(alias = "perZone", alias = "per-zone")]
    PerZone,
}

block! {
    /// The way in over SSH for private clusters.
    pub struct BastionSpec {
        /// DNS name of the bastion; needs Route 53.
        pub bastion_public_name: Option<String>,
        /// The bastion's load balancer.
        pub load_balancer: Option<BastionLoadBalancer>,
    }
}

block! {
    /// The load balancer before the bastion.
    pub struct BastionLoadBalancer {
        /// `Public` (the default) or `Internal`.
        #[serde(rename = "type")]
        pub balancer_type: Option<LoadBalancerType>,
        /// Ids of existing security groups (`sg-...`) it is also in.
        pub additional_security_groups: Vec<String>,
    }
}

/// Whether a load balancer has public addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancerType {
    /// It has.
    #[default]
    Public,
    /// Reached from inside the network only.
    Internal,
}

block! {
    /// The pod network; exactly one. Default flannel.
    pub struct Networking {
        /// flannel, installed by kspot together with kube-network-policies.
        pub flannel: Option<FlannelConfig>,
        /// Your own pod network, installed by you or by `spec.addons`.
        pub cni: Option<CniConfig>,
    }
}

block! {
    /// flannel.
    pub struct FlannelConfig {
        /// How packets travel between nodes: `vxlan` (the default) or `udp`.
        pub backend: Option<FlannelBackend>,
        /// Whether transmit checksum offloading is switched off on the flannel interface. Default false.
        pub disable_tx_checksum_offloading: Option<bool>,
        /// How often iptables rules are written again, seconds. Default 5.
        pub iptables_resync_seconds: Option<u32>,
    }
}

/// How flannel carries packets between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlannelBackend {
    /// VXLAN in the kernel.
    #[default]
    Vxlan,
    /// UDP in user space; slow, for debugging.
    Udp,
}

block! {
    /// Your own pod network.
    pub struct CniConfig {
        /// Whether it gives pods secondary addresses of the VPC, so that nodes need source/destination checks off. Default false.
        #[serde(rename = "usesSecondaryIP")]
        pub uses_secondary_ip: Option<bool>,
    }
}
