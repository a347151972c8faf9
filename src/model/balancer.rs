//! What the API's and the bastion's network load balancers have in common.

use std::collections::{BTreeMap, BTreeSet};

use super::{Input, shared, tags};
use crate::error::{Error, Result};
use crate::resource::target_group::HealthCheck;
use crate::resource::{Desired, Kind, Listener, LoadBalancer, Ref, TargetGroup};
use crate::spec::networking::LoadBalancerType;
use crate::spec::{Subnet, SubnetType};

/// One load balancer.
pub(super) struct Balancer<'a> {
    /// What its name begins with, and its `Name` tag.
    pub(super) prefix: &'static str,
    /// Whether it has public addresses.
    pub(super) balancer_type: LoadBalancerType,
    /// The subnets it lives in.
    pub(super) subnets: Vec<&'a Subnet>,
    /// Its security groups.
    pub(super) security_groups: BTreeSet<Ref>,
    /// Whether each address serves the machines of every zone.
    pub(super) cross_zone: bool,
}

impl Balancer<'_> {
    /// Adds the load balancer.
    pub(super) fn add(self, input: &Input<'_>, desired: &mut Desired) -> Result<()> {
        if self.subnets.is_empty() {
            return Err(Error::invalid(format!("there is no subnet for the load balancer {}", self.prefix)));
        }
        let dual = self.subnets.iter().all(|s| s.ipv6_cidr.is_some());
        let balancer = LoadBalancer {
            scheme: match self.balancer_type {
                LoadBalancerType::Public => "internet-facing".to_owned(),
                LoadBalancerType::Internal => "internal".to_owned(),
            },
            subnets: self.subnets.iter().map(|s| shared::subnet(input, s)).collect(),
            security_groups: self.security_groups,
            cross_zone: self.cross_zone,
            ip_address_type: if dual { "dualstack".to_owned() } else { "ipv4".to_owned() },
            tags: tags::owned(input, &input.names().below(self.prefix)),
        };
        input.add(desired, &input.names().balancer(self.prefix), balancer)
    }
}

/// Where connections go: a port of machines that count as fit when they take connections.
#[derive(Clone, Copy)]
pub(super) struct Targets {
    /// What the target group's name begins with.
    pub(super) prefix: &'static str,
    /// `TCP`, or `TLS` behind a listener that ends TLS: then the load balancer begins a new one to the machine.
    pub(super) protocol: &'static str,
    /// The port.
    pub(super) port: u16,
    /// Whether machines see the client's address. With it a machine can't reach itself through the load balancer.
    pub(super) preserve_client_ip: bool,
}

/// Adds a target group.
pub(super) fn target_group(input: &Input<'_>, desired: &mut Desired, targets: Targets) -> Result<()> {
    let name = input.names().balancer(targets.prefix);
    let group = TargetGroup {
        protocol: targets.protocol.to_owned(),
        port: targets.port,
        vpc: shared::vpc(input),
        health_check: HealthCheck {
            protocol: "TCP".to_owned(),
            port: "traffic-port".to_owned(),
            path: None,
            interval: 10,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        },
        deregistration_delay: 30,
        connection_termination: true,
        preserve_client_ip: targets.preserve_client_ip,
        tags: tags::owned(input, &name),
    };
    input.add(desired, &name, group)
}

/// A listener that passes connections on as they are.
pub(super) fn tcp_listener(
    input: &Input<'_>,
    desired: &mut Desired,
    balancer: &str,
    port: u16,
    target: &str,
) -> Result<()> {
    let balancer = input.names().balancer(balancer);
    let listener = Listener {
        cluster: input.cluster.name().to_owned(),
        load_balancer: Ref::to(Kind::LoadBalancer, &balancer),
        port,
        protocol: "TCP".to_owned(),
        target_group: Ref::to(Kind::TargetGroup, input.names().balancer(target)),
        certificate: None,
        ssl_policy: None,
    };
    input.add(desired, &listener_name(&balancer, port), listener)
}

/// How a listener is called.
pub(super) fn listener_name(balancer: &str, port: u16) -> String {
    format!("{balancer}:{port}")
}

/// One subnet per zone: for a public load balancer one with a way to the internet, for an internal one preferably none.
pub(super) fn one_per_zone<'a>(input: &Input<'a>, balancer_type: LoadBalancerType) -> Vec<&'a Subnet> {
    let rank = |subnet: &Subnet| match (balancer_type, subnet.subnet_type) {
        (LoadBalancerType::Public, SubnetType::Utility) => Some(0),
        (LoadBalancerType::Public, SubnetType::Public) => Some(1),
        (LoadBalancerType::Public, SubnetType::Private | SubnetType::DualStack) => None,
        (LoadBalancerType::Internal, SubnetType::Private | SubnetType::DualStack) => Some(0),
        (LoadBalancerType::Internal, SubnetType::Utility) => Some(2),
        (LoadBalancerType::Internal, SubnetType::Public) => Some(1),
    };
    let mut best: BTreeMap<&str, (u8, &str, &Subnet)> = BTreeMap::new();
    for subnet in &input.cluster.spec.subnets {
        let Some(rank) = rank(subnet) else { continue };
        let candidate = (rank, subnet.name.as_str(), subnet);
        let place = best.entry(&subnet.zone).or_insert(candidate);
        if (candidate.0, candidate.1) < (place.0, place.1) {
            *place = candidate;
        }
    }
    best.into_values().map(|(_, _, subnet)| subnet).collect()
}
