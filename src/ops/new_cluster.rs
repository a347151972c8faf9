//! From the options of `create cluster` to the first specs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv6Net;

use crate::error::{Error, Result};
use crate::spec::api::{ApiLoadBalancer, ApiSpec, DnsAccess};
use crate::spec::complete::member_names;
use crate::spec::etcd::{EtcdCluster, EtcdManager, EtcdMember};
use crate::spec::iam::IamSpec;
use crate::spec::instance_group::Tenancy;
use crate::spec::network::{AccessSource, Ipv4Cidr};
use crate::spec::networking::{DnsSpec, DnsType, LoadBalancerType, NatGateways, Networking, Topology};
use crate::spec::volume::VolumeType;
use crate::spec::{Cluster, InstanceGroup, KubernetesVersion, MixedInstancesPolicy, Role, Subnet, SubnetType};

/// What a user says about a new cluster. Everything but name and zones may be left out.
#[derive(Clone, Debug, Default)]
pub struct NewCluster {
    /// The cluster's name, a DNS name.
    pub name: String,
    /// Where the machines run.
    pub zones: Vec<String>,
    /// Where the control plane runs; default: the first of `zones`, as many as there are control planes.
    pub control_plane_zones: Vec<String>,
    /// How many control-plane machines; default: one a control-plane zone, else 1.
    pub control_plane_count: Option<u32>,
    /// How many workers over all zones; default: one a zone.
    pub node_count: Option<u32>,
    /// The machines of the control plane.
    pub control_plane: Machines,
    /// The workers.
    pub nodes: Machines,
    /// Whether subnets of machines are private.
    pub private: bool,
    /// NAT gateways of a private network.
    pub nat: Option<NatGateways>,
    /// Whether the network is IPv6.
    pub ipv6: bool,
    /// DNS of the cluster.
    pub dns: Option<DnsType>,
    /// The Route 53 zone.
    pub dns_zone: Option<String>,
    /// Which load balancer the API is behind.
    pub api_load_balancer: Option<LoadBalancerType>,
    /// The API's public name.
    pub api_public_name: Option<String>,
    /// The pod network.
    pub networking: Option<Networking>,
    /// Address ranges of the VPC, the main one first.
    pub network_cidrs: Vec<Ipv4Cidr>,
    /// An existing VPC.
    pub network_id: Option<String>,
    /// Existing subnets, one a zone.
    pub subnet_ids: Vec<String>,
    /// Existing public subnets for load balancers and NAT, one a zone.
    pub utility_subnet_ids: Vec<String>,
    /// Who may reach the API.
    pub admin_access: Vec<AccessSource>,
    /// Who may reach SSH.
    pub ssh_access: Vec<AccessSource>,
    /// The public key of the machines' default user.
    pub ssh_public_key: Option<String>,
    /// Whether there is a bastion.
    pub bastion: bool,
    /// Tags of everything.
    pub cloud_labels: BTreeMap<String, String>,
    /// The release of Kubernetes.
    pub kubernetes_version: Option<KubernetesVersion>,
    /// etcd's clusters; default main and events.
    pub etcd_clusters: Vec<String>,
    /// The type of etcd's volumes.
    pub etcd_volume_type: Option<VolumeType>,
    /// Whether etcd's volumes are encrypted; default true.
    pub etcd_encrypted: Option<bool>,
    /// Whether the cluster refuses to be deleted.
    pub protect: bool,
}

/// What a user says about the machines of one role.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// Instance types; several make a mixed group.
    pub types: Vec<String>,
    /// The image.
    pub image: Option<String>,
    /// Root volume in GiB.
    pub volume_size: Option<u32>,
    /// Root volume type.
    pub volume_type: Option<VolumeType>,
    /// Existing security groups the machines are also in.
    pub security_groups: Vec<String>,
    /// Tenancy.
    pub tenancy: Option<Tenancy>,
    /// Whether they get public addresses.
    pub associate_public_ip: Option<bool>,
}

impl NewCluster {
    /// The specs: the cluster and its groups, with address ranges still to be assigned.
    pub fn specs(&self) -> Result<(Cluster, Vec<InstanceGroup>)> {
        if self.zones.is_empty() {
            return Err(Error::usage("no zones are given")
                .hint("name them with --zones, for example --zones us-east-1a,us-east-1b,us-east-1c"));
        }
        let zones = self.control_plane_zones()?;
        let control_plane: Vec<(String, String)> = self.control_plane_groups(&zones);
        let mut cluster = Cluster::named(&self.name);
        let spec = &mut cluster.spec;
        spec.kubernetes_version = self.kubernetes_version;
        spec.deletion_protection = self.protect.then_some(true);
        spec.network_cidr = self.network_cidrs.first().copied();
        spec.additional_network_cidrs = self.network_cidrs.iter().skip(1).copied().collect();
        // ::/0: pods and services have IPv6 addresses, which is what makes a cluster an IPv6 one.
        spec.non_masquerade_cidr = self.ipv6.then(|| AccessSource::Cidr(Ipv6Net::default().into()));
        spec.network_id = self.network_id.clone();
        spec.cloud_labels = self.cloud_labels.clone();
        spec.kubernetes_api_access = self.admin_access.clone();
        spec.ssh_access = self.ssh_access.clone();
        spec.ssh_public_key = self.ssh_public_key.clone();
        spec.networking = self.networking.clone();
        spec.dns_zone = self.dns_zone.clone();
        spec.iam = Some(IamSpec { allow_container_registry: Some(true), ..IamSpec::default() });
        spec.topology = Some(Topology {
            dns: Some(DnsSpec { dns_type: Some(self.dns_type()) }),
            nat: self.nat,
            ..Topology::default()
        });
        spec.api = Some(self.api());
        spec.subnets = self.subnets(&zones)?;
        spec.etcd_clusters = self.etcd(&control_plane);
        let mut groups: Vec<InstanceGroup> = Vec::new();
        for (name, zone) in &control_plane {
            groups.push(self.group(Role::ControlPlane, name, &self.control_plane, &[zone.as_str()]));
        }
        groups.extend(self.node_groups());
        if self.bastion {
            if !self.private {
                return Err(Error::usage("--bastion needs --topology private")
                    .hint("a public network has no use for a bastion"));
            }
            let zones: Vec<&str> = self.zones.iter().map(String::as_str).collect();
            groups.push(self.group(Role::Bastion, "bastions", &Machines::default(), &zones));
        }
        Ok((cluster, groups))
    }

    /// DNS as it will be: a name that ends in `.k8s.local` can't be published.
    pub fn dns_type(&self) -> DnsType {
        if self.name.ends_with(".k8s.local") {
            return DnsType::None;
        }
        let implied = if self.dns_zone.is_some() { DnsType::Public } else { DnsType::None };
        self.dns.unwrap_or(implied)
    }

    fn api(&self) -> ApiSpec {
        let hosted = self.dns_type() != DnsType::None;
        let plain = hosted && !self.private && self.api_load_balancer.is_none();
        let balancer = ApiLoadBalancer {
            balancer_type: Some(self.api_load_balancer.unwrap_or_default()),
            ..ApiLoadBalancer::default()
        };
        ApiSpec {
            dns: plain.then(DnsAccess::default),
            load_balancer: (!plain).then_some(balancer),
            public_name: self.api_public_name.clone(),
        }
    }

    fn control_plane_zones(&self) -> Result<Vec<String>> {
        let count = self.control_plane_count.unwrap_or(self.control_plane_zones.len().max(1) as u32) as usize;
        let zones = if self.control_plane_zones.is_empty() {
            self.zones.iter().take(count.max(1)).cloned().collect()
        } else {
            self.control_plane_zones.clone()
        };
        if count.is_multiple_of(2) {
            return Err(Error::usage(format!(
                "{count} control planes can't agree on a majority better than {}",
                count.saturating_sub(1)
            ))
            .hint("give an odd --control-plane-count: 1, 3 or 5"));
        }
        if count < zones.len() {
            return Err(Error::usage(format!("{count} control planes can't be in {} zones", zones.len()))
                .hint(format!("give --control-plane-count {}, or fewer --control-plane-zones", zones.len())));
        }
        let unknown: Vec<&String> = zones.iter().filter(|z| !self.zones.contains(z)).collect();
        if let Some(zone) = unknown.first() {
            return Err(Error::usage(format!(
                "control-plane zone {zone} is not among --zones {}",
                self.zones.join(",")
            )));
        }
        Ok(zones)
    }

    /// Group name and zone of each control plane, round robin over its zones.
    fn control_plane_groups(&self, zones: &[String]) -> Vec<(String, String)> {
        let count = self.control_plane_count.unwrap_or(zones.len() as u32) as usize;
        (0..count)
            .map(|n| {
                let zone = &zones[n % zones.len()];
                let round = n / zones.len();
                let name = if count > zones.len() {
                    format!("control-plane-{zone}-{}", round + 1)
                } else {
                    format!("control-plane-{zone}")
                };
                (name, zone.clone())
            })
            .collect()
    }

    fn subnets(&self, control_plane_zones: &[String]) -> Result<Vec<Subnet>> {
        let zones: BTreeSet<&String> = self.zones.iter().chain(control_plane_zones).collect();
        for (flag, ids) in [("--subnets", &self.subnet_ids), ("--utility-subnets", &self.utility_subnet_ids)] {
            if !ids.is_empty() && ids.len() != zones.len() {
                return Err(Error::usage(format!("{flag} names {} subnets for {} zones", ids.len(), zones.len()))
                    .hint("give one subnet for each zone, in the zones' alphabetical order"));
            }
        }
        let mut subnets = Vec::new();
        for (n, zone) in zones.iter().enumerate() {
            let kind = match (self.private, self.ipv6) {
                (true, true) => SubnetType::DualStack,
                (true, false) => SubnetType::Private,
                _ => SubnetType::Public,
            };
            subnets.push(Subnet {
                name: (*zone).clone(),
                zone: (*zone).clone(),
                subnet_type: kind,
                id: self.subnet_ids.get(n).cloned(),
                ..Subnet::default()
            });
        }
        if self.private {
            for (n, zone) in zones.iter().enumerate() {
                subnets.push(Subnet {
                    name: format!("utility-{zone}"),
                    zone: (*zone).clone(),
                    subnet_type: SubnetType::Utility,
                    id: self.utility_subnet_ids.get(n).cloned(),
                    ..Subnet::default()
                });
            }
        }
        if self.ipv6 {
            for (n, subnet) in subnets.iter_mut().enumerate() {
                subnet.ipv6_cidr = format!("/64#{n:x}").parse().ok();
            }
        }
        Ok(subnets)
    }

    fn etcd(&self, control_plane: &[(String, String)]) -> Vec<EtcdCluster> {
        let names = member_names(&control_plane.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        let default = ["main".to_owned(), "events".to_owned()];
        let clusters = if self.etcd_clusters.is_empty() { &default[..] } else { &self.etcd_clusters[..] };
        clusters
            .iter()
            .map(|cluster| EtcdCluster {
                name: cluster.clone(),
                etcd_members: control_plane
                    .iter()
                    .zip(&names)
                    .map(|((group, _), name)| EtcdMember {
                        name: name.clone(),
                        instance_group: group.clone(),
                        encrypted_volume: Some(self.etcd_encrypted.unwrap_or(true)),
                        volume_type: self.etcd_volume_type,
                        ..EtcdMember::default()
                    })
                    .collect(),
                manager: Some(EtcdManager { backup_retention_days: Some(90), ..EtcdManager::default() }),
                ..EtcdCluster::default()
            })
            .collect()
    }

    fn node_groups(&self) -> Vec<InstanceGroup> {
        let zones = self.zones.len() as u32;
        let count = self.node_count.unwrap_or(zones);
        self.zones
            .iter()
            .enumerate()
            .map(|(n, zone)| {
                let share = count / zones + u32::from((n as u32) < count % zones);
                let mut group = self.group(Role::Node, &format!("nodes-{zone}"), &self.nodes, &[zone.as_str()]);
                group.spec.min_size = Some(share);
                group.spec.max_size = Some(share);
                group
            })
            .collect()
    }

    fn group(&self, role: Role, name: &str, machines: &Machines, zones: &[&str]) -> InstanceGroup {
        let mut group = InstanceGroup::new(&self.name, name, role);
        let spec = &mut group.spec;
        spec.subnets = zones.iter().map(|z| (*z).to_owned()).collect();
        spec.machine_type = machines.types.first().cloned();
        if machines.types.len() > 1 {
            spec.mixed_instances_policy =
                Some(MixedInstancesPolicy { instances: machines.types.clone(), ..MixedInstancesPolicy::default() });
        }
        spec.image = machines.image.clone();
        spec.root_volume_size = machines.volume_size;
        spec.root_volume_type = machines.volume_type;
        spec.additional_security_groups = machines.security_groups.clone();
        spec.tenancy = machines.tenancy;
        spec.associate_public_ip = machines.associate_public_ip;
        if role != Role::Node {
            spec.min_size = Some(1);
            spec.max_size = Some(1);
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_zones() -> Vec<String> {
        ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).to_vec()
    }

    /// The tutorial's flags give three control planes, three worker groups and etcd members a, b, c.
    #[test]
    fn the_tutorial_cluster() {
        let new = NewCluster {
            name: "spot-kops-cluster.k8s.local".into(),
            zones: three_zones(),
            control_plane_zones: three_zones(),
            control_plane_count: Some(3),
            node_count: Some(2),
            dns: Some(DnsType::Private),
            ..NewCluster::default()
        };
        let (cluster, groups) = new.specs().unwrap();
        let sizes: Vec<(&str, Option<u32>)> = groups.iter().map(|g| (g.name(), g.spec.min_size)).collect();
        assert_eq!(
            sizes,
            [
                ("control-plane-us-east-1a", Some(1)),
                ("control-plane-us-east-1b", Some(1)),
                ("control-plane-us-east-1c", Some(1)),
                ("nodes-us-east-1a", Some(1)),
                ("nodes-us-east-1b", Some(1)),
                ("nodes-us-east-1c", Some(0)),
            ]
        );
        let members: Vec<&str> = cluster.spec.etcd_clusters[0].etcd_members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(members, ["a", "b", "c"]);
        assert_eq!(cluster.dns_type(), DnsType::None);
    }

    /// Several control planes in one zone get numbered groups and members.
    #[test]
    fn more_control_planes_than_zones() {
        assert_eq!(
            member_names(&["control-plane-z-1", "control-plane-z-2", "control-plane-z-3"]),
            ["etcd-1", "etcd-2", "etcd-3"]
        );
        assert_eq!(member_names(&["control-plane-us-east-1a"]), ["a"]);
    }

    /// An even control plane is refused before anything is written.
    #[test]
    fn an_even_control_plane_is_refused() {
        let new = NewCluster { zones: three_zones(), control_plane_count: Some(2), ..NewCluster::default() };
        assert!(new.specs().unwrap_err().message().contains("2 control planes"));
    }
}
