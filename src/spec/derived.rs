//! What a cluster's spec means once defaults are applied: the questions the model asks.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};

use super::addons::{ClusterAutoscaler, NodeTerminationHandler};
use super::api::ApiLoadBalancer;
use super::cluster::{Cluster, ClusterSpec};
use super::instance_group::{InstanceGroup, InstanceGroupSpec, Role, ScalingProcess};
use super::network::{AccessSource, Ipv4Cidr};
use super::networking::{DnsType, FlannelBackend, LoadBalancerType, NatGateways, Subnet, SubnetType};
use super::version::KubernetesVersion;

/// The region of a zone: `us-east-1` of `us-east-1a`; `None` if it does not look like a zone.
pub fn region_of_zone(zone: &str) -> Option<&str> {
    let region = zone.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    let (rest, number) = region.rsplit_once('-')?;
    let whole = rest.contains('-') && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    whole.then_some(region)
}

impl Cluster {
    /// Where the cluster's names are published; a `.k8s.local` name never is.
    pub fn dns_type(&self) -> DnsType {
        if self.name().ends_with(".k8s.local") {
            return DnsType::None;
        }
        self.spec.topology.as_ref().and_then(|t| t.dns.as_ref()).and_then(|d| d.dns_type).unwrap_or_default()
    }

    /// The API's public DNS name, `None` without Route 53 and without a name of its own.
    pub fn api_public_name(&self) -> Option<String> {
        let given = self.spec.api.as_ref().and_then(|a| a.public_name.clone());
        given.or_else(|| (self.dns_type() != DnsType::None).then(|| format!("api.{}", self.name())))
    }

    /// Whether each zone's address of the API's load balancer serves every zone's machines.
    pub fn cross_zone_load_balancing(&self) -> bool {
        let given = self.spec.api_load_balancer().and_then(|lb| lb.cross_zone_load_balancing);
        given.unwrap_or(self.dns_type() == DnsType::None)
    }
}

impl ClusterSpec {
    /// Release of Kubernetes.
    pub fn kubernetes_version(&self) -> KubernetesVersion {
        self.kubernetes_version.unwrap_or(KubernetesVersion::DEFAULT)
    }

    /// IPv4 range of the VPC.
    pub fn network_cidr(&self) -> Ipv4Net {
        self.network_cidr.map_or(Ipv4Net::new_assert([172, 20, 0, 0].into(), 16), Ipv4Cidr::net)
    }

    /// Every IPv4 range of the VPC, the first one first.
    pub fn network_cidrs(&self) -> Vec<Ipv4Net> {
        let additional = self.additional_network_cidrs.iter().map(|c| c.net());
        std::iter::once(self.network_cidr()).chain(additional).collect()
    }

    /// Whether pods and services are IPv6.
    pub fn is_ipv6(&self) -> bool {
        matches!(&self.non_masquerade_cidr, Some(AccessSource::Cidr(IpNet::V6(_))))
    }

    /// The IPv4 range that pod and service ranges come from by default.
    pub fn non_masquerade_cidr(&self) -> Ipv4Net {
        match &self.non_masquerade_cidr {
            Some(AccessSource::Cidr(IpNet::V4(net))) => *net,
            _ => Ipv4Net::new_assert([100, 64, 0, 0].into(), 10),
        }
    }

    /// Range of pod addresses: as given, else the upper half of nonMasqueradeCIDR.
    pub fn pod_cidr(&self) -> Ipv4Net {
        let from = self.non_masquerade_cidr();
        self.pod_cidr.map_or_else(|| part(from, 1, 1).unwrap_or(from), Ipv4Cidr::net)
    }

    /// Range of service addresses: as given, else the first eighth of nonMasqueradeCIDR.
    pub fn service_cluster_ip_range(&self) -> Ipv4Net {
        let from = self.non_masquerade_cidr();
        self.service_cluster_ip_range.map_or_else(|| part(from, 3, 0).unwrap_or(from), Ipv4Cidr::net)
    }

    /// Domain of service names.
    pub fn cluster_dns_domain(&self) -> &str {
        self.cluster_dns_domain.as_deref().unwrap_or("cluster.local")
    }

    /// The region, from the first subnet's zone; `None` without subnets or with a zone that is none.
    pub fn region(&self) -> Option<&str> {
        self.subnets.iter().find_map(|s| region_of_zone(&s.zone))
    }

    /// The zones of the subnets, sorted, each once.
    pub fn zones(&self) -> Vec<&str> {
        let zones: BTreeSet<&str> = self.subnets.iter().map(|s| s.zone.as_str()).collect();
        zones.into_iter().collect()
    }

    /// The subnet of this name.
    pub fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.name == name)
    }

    /// Whether the subnets exist already and are not ours.
    pub fn subnets_are_shared(&self) -> bool {
        self.subnets.iter().any(|s| s.id.is_some())
    }

    /// How many NAT gateways private subnets share.
    pub fn nat(&self) -> NatGateways {
        self.topology.as_ref().and_then(|t| t.nat).unwrap_or_default()
    }

    /// The API's load balancer as far as the spec says something about it.
    pub fn api_load_balancer(&self) -> Option<&ApiLoadBalancer> {
        self.api.as_ref().and_then(|a| a.load_balancer.as_ref())
    }

    /// Whether the API is behind a load balancer (else DNS points at the machines).
    pub fn api_uses_load_balancer(&self) -> bool {
        self.api_load_balancer().is_some() || self.api.as_ref().is_none_or(|a| a.dns.is_none())
    }

    /// Whether the API's load balancer has public addresses.
    pub fn api_load_balancer_type(&self) -> LoadBalancerType {
        self.api_load_balancer().and_then(|lb| lb.balancer_type).unwrap_or_default()
    }

    /// flannel's backend, `None` when the pod network is the user's own.
    pub fn flannel(&self) -> Option<FlannelBackend> {
        match &self.networking {
            Some(networking) if networking.cni.is_some() => None,
            Some(networking) => Some(networking.flannel.as_ref().and_then(|f| f.backend).unwrap_or_default()),
            None => Some(FlannelBackend::default()),
        }
    }

    /// Whether `delete cluster` refuses.
    pub fn is_protected(&self) -> bool {
        self.deletion_protection.unwrap_or(false)
    }

    /// The termination handler, if it runs.
    pub fn enabled_node_termination_handler(&self) -> Option<&NodeTerminationHandler> {
        self.node_termination_handler.as_ref().filter(|n| n.enabled())
    }

    /// The cluster autoscaler, if it runs.
    pub fn enabled_cluster_autoscaler(&self) -> Option<&ClusterAutoscaler> {
        self.cluster_autoscaler.as_ref().filter(|c| c.enabled())
    }

    /// Whether metrics-server runs.
    pub fn metrics_server_enabled(&self) -> bool {
        self.metrics_server.as_ref().is_some_and(|m| m.enabled.unwrap_or(false))
    }

    /// Whether nodes may pull from ECR.
    pub fn allows_container_registry(&self) -> bool {
        self.iam.as_ref().and_then(|i| i.allow_container_registry).unwrap_or(true)
    }

    /// The bucket and the prefix (without a slash at either end) that the service accounts' issuer is published in.
    pub fn discovery_store(&self) -> Option<(&str, &str)> {
        let store = self.service_account_issuer_discovery.as_ref()?.discovery_store.as_deref()?;
        let path = store.strip_prefix("s3://").unwrap_or(store);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        Some((bucket, prefix.trim_matches('/')))
    }

    /// Whether kspot's own addons have roles of their own.
    pub fn uses_service_account_roles(&self) -> bool {
        let discovery = self.discovery_store().is_some();
        self.iam.as_ref().and_then(|i| i.use_service_account_external_permissions).unwrap_or(discovery)
    }

    /// The subnets of a group, in the cluster's order: those it names, else those that fit its role, in its zones if it names some.
    pub fn subnets_of(&self, group: &InstanceGroupSpec) -> Vec<&Subnet> {
        let has_private = self.subnets.iter().any(|s| s.subnet_type.is_private());
        let fits = |subnet: &Subnet| match (group.role, subnet.subnet_type) {
            (Role::Bastion, SubnetType::Utility) => true,
            (Role::Bastion, SubnetType::Public) => !has_private || !self.has_utility_subnet(),
            (_, SubnetType::Private | SubnetType::DualStack) => group.role != Role::Bastion,
            (_, SubnetType::Public) => !has_private,
            (_, SubnetType::Utility) => false,
        };
        let named = |subnet: &Subnet| group.subnets.contains(&subnet.name);
        let in_zone = |subnet: &Subnet| group.zones.is_empty() || group.zones.contains(&subnet.zone);
        let wanted = |subnet: &&Subnet| match group.subnets.is_empty() {
            true => fits(subnet) && in_zone(subnet),
            false => named(subnet) && in_zone(subnet),
        };
        self.subnets.iter().filter(wanted).collect()
    }

    fn has_utility_subnet(&self) -> bool {
        self.subnets.iter().any(|s| s.subnet_type == SubnetType::Utility)
    }
}

impl InstanceGroup {
    /// Whether the group's machines get public addresses: as the spec says, only in Public and Utility subnets.
    pub fn associates_public_ip(&self, cluster: &ClusterSpec) -> bool {
        let subnets = cluster.subnets_of(&self.spec);
        let public = !subnets.is_empty() && subnets.iter().all(|s| !s.subnet_type.is_private());
        public && self.spec.associate_public_ip.unwrap_or(true)
    }

    /// The Auto Scaling processes that stand still: as given, else AZRebalance for a group that buys spot over several
    /// zones, because rebalancing would end machines that nobody interrupts.
    pub fn suspended_processes(&self, cluster: &ClusterSpec) -> BTreeSet<ScalingProcess> {
        if !self.spec.suspend_processes.is_empty() {
            return self.spec.suspend_processes.iter().copied().collect();
        }
        let zones: BTreeSet<&str> = cluster.subnets_of(&self.spec).iter().map(|s| s.zone.as_str()).collect();
        let rebalances = self.spec.buys_spot() && zones.len() > 1;
        rebalances.then_some(ScalingProcess::AZRebalance).into_iter().collect()
    }
}

/// The `index`-th of the `2^bits` equal parts of a range; `None` if it cannot be split that far.
pub(crate) fn part(net: Ipv4Net, bits: u8, index: usize) -> Option<Ipv4Net> {
    net.subnets(net.prefix_len().checked_add(bits)?).ok()?.nth(index)
}
