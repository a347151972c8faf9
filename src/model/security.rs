//! Security groups and each of their rules.
//!
//! Rules of a group that the spec gives by id are somebody else's; such a group can still be the other end of a rule of
//! ours.

use std::collections::BTreeSet;

use super::{Input, shared, tags};
use crate::error::Result;
use crate::resource::security_group_rule::{Direction, Peer};
use crate::resource::{Desired, Kind, Ref, SecurityGroup, SecurityGroupRule, Tags};
use crate::spec::network::AccessSource;
use crate::spec::{InstanceGroup, Role};

/// The API's port, on the machines and on the load balancer.
pub(super) const API_PORT: u16 = 443;
/// The API's port for client certificates when a certificate of ACM stands on [`API_PORT`].
pub(super) const API_CERTIFICATE_PORT: u16 = 8443;
/// The controller on the control plane, which workers join through.
pub(super) const CONTROLLER_PORT: u16 = 3988;
/// SSH.
pub(super) const SSH_PORT: u16 = 22;

/// The TCP ports of the control plane that workers reach: all but etcd's (peers 2380 and 2381, clients 4001 and 4002).
const WORKERS_TO_CONTROL_PLANE: [(u16, u16); 3] = [(1, 2379), (2382, 4000), (4003, 65535)];

/// The security group of the API's load balancer.
const API: &str = "api-elb";
/// The security group of the bastion's load balancer.
const BASTION_BALANCER: &str = "bastion-elb";

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let mut rules = Rules { input, desired };
    rules.groups()?;
    rules.egress()?;
    rules.between_machines()?;
    rules.ssh()?;
    rules.api()?;
    rules.node_ports()
}

/// The security group of an instance group's machines.
pub(super) fn of_group(input: &Input<'_>, group: &InstanceGroup) -> Ref {
    match &group.spec.security_group_override {
        Some(id) => Ref::id(id),
        None => Ref::to(Kind::SecurityGroup, input.names().security_group(group.spec.role)),
    }
}

/// The security group of the API's load balancer.
pub(super) fn of_api(input: &Input<'_>) -> Ref {
    let given = input.cluster.spec.api_load_balancer().and_then(|lb| lb.security_group_override.as_ref());
    given.map_or_else(|| Ref::to(Kind::SecurityGroup, input.names().group(API)), Ref::id)
}

/// The security group of the bastion's load balancer.
pub(super) fn of_bastion_balancer(input: &Input<'_>) -> Ref {
    Ref::to(Kind::SecurityGroup, input.names().group(BASTION_BALANCER))
}

/// What a rule lets through: the protocol and, where it has some, the ports (for ICMP: type and code).
type Traffic = (&'static str, Option<(i32, i32)>);

const ALL: Traffic = ("-1", None);
/// "Packet too big": without it connections through a load balancer hang on paths with a small MTU.
const TOO_BIG_IPV4: Traffic = ("icmp", Some((3, 4)));
const TOO_BIG_IPV6: Traffic = ("icmpv6", Some((2, 0)));

fn tcp(port: u16) -> Traffic {
    ports("tcp", port, port)
}

fn ports(protocol: &'static str, first: u16, last: u16) -> Traffic {
    (protocol, Some((first.into(), last.into())))
}

struct Rules<'r, 'a> {
    input: &'r Input<'a>,
    desired: &'r mut Desired,
}

impl Rules<'_, '_> {
    /// Every group of ours that is used.
    fn groups(&mut self) -> Result<()> {
        let input = self.input;
        let mut wanted: Vec<(Ref, &str)> = Vec::new();
        for group in input.groups {
            let what = match group.spec.role {
                Role::ControlPlane => "Security group for masters",
                Role::Node => "Security group for nodes",
                Role::Bastion => "Security group for bastion",
            };
            wanted.push((of_group(input, group), what));
        }
        if input.cluster.spec.api_uses_load_balancer() {
            wanted.push((of_api(input), "Security group for api ELB"));
        }
        if self.has_bastion() {
            wanted.push((of_bastion_balancer(input), "Security group for bastion ELB"));
        }
        for (group, description) in wanted {
            if let Some(addr) = group.addr().filter(|a| !self.desired.contains_key(*a)) {
                let made = SecurityGroup {
                    vpc: shared::vpc(input),
                    description: description.to_owned(),
                    tags: tags::owned(input, &addr.name),
                };
                input.add(self.desired, &addr.name, made)?;
            }
        }
        Ok(())
    }

    fn has_bastion(&self) -> bool {
        self.input.groups_of(Role::Bastion).next().is_some()
    }

    /// The groups of a role's machines.
    fn machines(&self, role: Role) -> BTreeSet<Ref> {
        self.input.groups_of(role).map(|g| of_group(self.input, g)).collect()
    }

    fn egress(&mut self) -> Result<()> {
        let ours: Vec<Ref> =
            self.desired.keys().filter(|a| a.kind == Kind::SecurityGroup).cloned().map(Ref::from).collect();
        for group in ours {
            for everywhere in [Peer::Ipv4("0.0.0.0/0".to_owned()), Peer::Ipv6("::/0".to_owned())] {
                self.add(&group, Direction::Egress, ALL, everywhere)?;
            }
        }
        Ok(())
    }

    fn between_machines(&mut self) -> Result<()> {
        let (control_plane, nodes) = (self.machines(Role::ControlPlane), self.machines(Role::Node));
        self.allow(&control_plane, &control_plane, ALL)?;
        self.allow(&control_plane, &nodes, ALL)?;
        self.allow(&nodes, &nodes, ALL)?;
        for (first, last) in WORKERS_TO_CONTROL_PLANE {
            self.allow(&nodes, &control_plane, ports("tcp", first, last))?;
        }
        self.allow(&nodes, &control_plane, ports("udp", 1, 65535))
    }

    /// Through the bastion if there is one, else directly; only for those the spec names.
    fn ssh(&mut self) -> Result<()> {
        let access = &self.input.cluster.spec.ssh_access;
        let machines = || [Role::ControlPlane, Role::Node].into_iter().flat_map(|r| self.machines(r));
        let machines: BTreeSet<Ref> = machines().collect();
        if !self.has_bastion() {
            return self.open(&machines, access, tcp(SSH_PORT));
        }
        let (bastion, balancer) = (self.machines(Role::Bastion), BTreeSet::from([of_bastion_balancer(self.input)]));
        self.open(&balancer, access, tcp(SSH_PORT))?;
        self.open_too_big(&balancer, access)?;
        self.allow(&balancer, &bastion, tcp(SSH_PORT))?;
        self.allow(&balancer, &bastion, TOO_BIG_IPV4)?;
        self.allow(&bastion, &balancer, TOO_BIG_IPV4)?;
        self.allow(&bastion, &machines, tcp(SSH_PORT))
    }

    fn api(&mut self) -> Result<()> {
        let spec = &self.input.cluster.spec;
        let access = &spec.kubernetes_api_access;
        let control_plane = self.machines(Role::ControlPlane);
        if !spec.api_uses_load_balancer() {
            return self.open(&control_plane, access, tcp(API_PORT));
        }
        let balancer = BTreeSet::from([of_api(self.input)]);
        self.open(&balancer, access, tcp(API_PORT))?;
        if spec.api_load_balancer().is_some_and(|lb| lb.ssl_certificate.is_some()) {
            self.open(&balancer, access, tcp(API_CERTIFICATE_PORT))?;
        }
        self.open_too_big(&balancer, access)?;
        self.allow(&balancer, &control_plane, tcp(API_PORT))?;
        self.allow(&balancer, &control_plane, TOO_BIG_IPV4)?;
        self.allow(&control_plane, &balancer, TOO_BIG_IPV4)?;
        let nodes = self.machines(Role::Node);
        self.allow(&nodes, &balancer, tcp(API_PORT))
    }

    fn node_ports(&mut self) -> Result<()> {
        let spec = &self.input.cluster.spec;
        let range = spec.kube_api_server.as_ref().and_then(|a| a.service_node_port_range.as_deref());
        let range = range.and_then(|r| r.split_once('-')).and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (first, last) = range.unwrap_or((30000, 32767));
        let nodes = self.machines(Role::Node);
        for protocol in ["tcp", "udp"] {
            self.open(&nodes, &spec.node_port_access, ports(protocol, first, last))?;
        }
        Ok(())
    }

    /// Lets machines of some groups reach those of others.
    fn allow(&mut self, from: &BTreeSet<Ref>, to: &BTreeSet<Ref>, traffic: Traffic) -> Result<()> {
        for to in to {
            for from in from {
                self.add(to, Direction::Ingress, traffic, Peer::Group(from.clone()))?;
            }
        }
        Ok(())
    }

    /// Lets those outside that the spec names reach machines.
    fn open(&mut self, to: &BTreeSet<Ref>, access: &[AccessSource], traffic: Traffic) -> Result<()> {
        for to in to {
            for source in access.iter().collect::<BTreeSet<_>>() {
                self.add(to, Direction::Ingress, traffic, peer(source))?;
            }
        }
        Ok(())
    }

    fn open_too_big(&mut self, to: &BTreeSet<Ref>, access: &[AccessSource]) -> Result<()> {
        let ipv6 = |s: &AccessSource| matches!(s, AccessSource::Cidr(ipnet::IpNet::V6(_)));
        let (six, four): (Vec<AccessSource>, Vec<AccessSource>) = access.iter().cloned().partition(ipv6);
        self.open(to, &four, TOO_BIG_IPV4)?;
        self.open(to, &six, TOO_BIG_IPV6)
    }

    fn add(&mut self, group: &Ref, direction: Direction, traffic: Traffic, peer: Peer) -> Result<()> {
        if group.addr().is_none() {
            return Ok(());
        }
        let mut rule = SecurityGroupRule {
            group: group.clone(),
            direction,
            protocol: traffic.0.to_owned(),
            from_port: traffic.1.map(|(first, _)| first),
            to_port: traffic.1.map(|(_, last)| last),
            peer,
            description: String::new(),
            tags: Tags::new(),
        };
        let name = rule.name();
        rule.tags = tags::owned(self.input, &name);
        self.input.add(self.desired, &name, rule)
    }
}

fn peer(source: &AccessSource) -> Peer {
    match source {
        AccessSource::Cidr(net @ ipnet::IpNet::V4(_)) => Peer::Ipv4(net.to_string()),
        AccessSource::Cidr(net @ ipnet::IpNet::V6(_)) => Peer::Ipv6(net.to_string()),
        AccessSource::PrefixList(id) => Peer::PrefixList(id.clone()),
    }
}
