//! Subnets: zones, ranges, ids, and how traffic leaves them.

use std::collections::{BTreeMap, BTreeSet};

use super::network::{networks, overlap, virtual_ranges};
use super::{ClusterRule, Report, Specs};
use crate::spec::cidr;
use crate::spec::derived::region_of_zone;
use crate::spec::network::Ipv6Cidr;
use crate::spec::networking::{NatGateways, Subnet, SubnetType};

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[
    names_are_unique,
    zones_are_of_one_region,
    ranges_fit,
    ranges_do_not_overlap,
    missing_ranges_have_room,
    ids_are_all_or_none,
    egress_is_known,
    routes_are_of_private_subnets,
    ipv6_needs_an_ipv6_cluster,
    nat_gateways_have_a_place,
];

/// The subnets with their paths.
fn subnets<'s>(specs: &Specs<'s>) -> impl Iterator<Item = (String, &'s Subnet)> {
    specs.cluster.spec.subnets.iter().enumerate().map(|(i, s)| (format!("spec.subnets[{i}]"), s))
}

fn names_are_unique(specs: &Specs, report: &mut Report) {
    report
        .require(!specs.cluster.spec.subnets.is_empty(), "spec.subnets", || "at least one subnet is needed".to_owned());
    let mut seen = BTreeSet::new();
    for (path, subnet) in subnets(specs) {
        report.require(!subnet.name.is_empty(), format!("{path}.name"), || "the name is empty".to_owned());
        let first = seen.insert(subnet.name.as_str());
        report.require(first, format!("{path}.name"), || format!("two subnets are named {}", subnet.name));
    }
}

fn zones_are_of_one_region(specs: &Specs, report: &mut Report) {
    let region = specs.cluster.spec.region();
    for (path, subnet) in subnets(specs) {
        let path = format!("{path}.zone");
        match (region_of_zone(&subnet.zone), region) {
            (None, _) => report.error(path, format!("{:?} is not a zone such as us-east-1a", subnet.zone)),
            (Some(own), Some(region)) if own != region => {
                report.error(path, format!("{} is in {own}, the first subnet is in {region}", subnet.zone));
            }
            (Some(_), _) => {}
        }
    }
}

fn ranges_fit(specs: &Specs, report: &mut Report) {
    let networks = networks(specs);
    for (path, subnet) in subnets(specs) {
        let Some(net) = subnet.cidr.map(|c| c.net()) else { continue };
        let path = format!("{path}.cidr");
        report.require((16..=28).contains(&net.prefix_len()), path.clone(), || {
            format!("{net} is not between /16 and /28")
        });
        report.require(networks.iter().any(|(_, network)| network.contains(&net)), path, || {
            let all = networks.iter().map(|(_, network)| network.to_string()).collect::<Vec<_>>().join(", ");
            format!("{net} is not inside the network {all}")
        });
    }
}

fn ranges_do_not_overlap(specs: &Specs, report: &mut Report) {
    let mut earlier: Vec<(&str, ipnet::Ipv4Net)> = Vec::new();
    for (path, subnet) in subnets(specs) {
        let Some(net) = subnet.cidr.map(|c| c.net()) else { continue };
        let path = format!("{path}.cidr");
        if let Some((name, other)) = earlier.iter().find(|(_, other)| overlap(net, *other)) {
            report.error(path.clone(), format!("{net} overlaps {other} of subnet {name}"));
        }
        if let Some((field, what, range)) = virtual_ranges(specs).into_iter().find(|(_, _, range)| overlap(net, *range))
        {
            report.error(path, format!("{net} overlaps {range}, the range of {what} ({field})"));
        }
        earlier.push((&subnet.name, net));
    }
}

fn missing_ranges_have_room(specs: &Specs, report: &mut Report) {
    let mut cluster = specs.cluster.clone();
    if let Err(error) = cidr::assign(&mut cluster) {
        report.error("spec.subnets", format!("{error}: give the subnets a cidr each, or a larger networkCIDR"));
    }
}

fn ids_are_all_or_none(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    if let Some(id) = &spec.network_id {
        report.require(id.starts_with("vpc-"), "spec.networkID", || format!("{id:?} is not the id of a VPC, vpc-..."));
    }
    if !spec.subnets_are_shared() {
        return;
    }
    report.require(spec.network_id.is_some(), "spec.networkID", || {
        "subnets are given by id, so the VPC's id is needed too".to_owned()
    });
    let mut seen = BTreeSet::new();
    for (path, subnet) in subnets(specs) {
        let path = format!("{path}.id");
        match &subnet.id {
            None => report.error(path, "the other subnets are given by id, this one is not"),
            Some(id) if !id.starts_with("subnet-") => {
                report.error(path, format!("{id:?} is not the id of a subnet, subnet-..."))
            }
            Some(id) => report.require(seen.insert(id), path, || format!("{id} stands here twice")),
        }
    }
}

/// Whether an id starts with one of these and goes on.
fn is_id(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

fn egress_is_known(specs: &Specs, report: &mut Report) {
    for (path, subnet) in subnets(specs) {
        if let Some(egress) = &subnet.egress {
            let path = format!("{path}.egress");
            let known = egress == "External" || is_id(egress, &["nat-", "eipalloc-", "i-", "tgw-"]);
            report.require(known, path.clone(), || {
                format!("{egress:?} is none of nat-..., eipalloc-..., i-..., tgw-... and External")
            });
            let private = subnet.subnet_type.is_private();
            report.require(private, path.clone(), || "only private subnets have an egress".to_owned());
            exists_already(specs, egress, path, report);
        }
        if let Some(ip) = &subnet.public_ip {
            let path = format!("{path}.publicIP");
            report.require(ip.parse::<std::net::Ipv4Addr>().is_ok(), path.clone(), || {
                format!("{ip:?} is not an IPv4 address")
            });
            report.require(subnet.subnet_type.is_private(), path, || {
                "only private subnets have a NAT gateway".to_owned()
            });
        }
    }
}

/// What is in a VPC, or attached to it, can't be there before the VPC is.
fn exists_already(specs: &Specs, id: &str, path: String, report: &mut Report) {
    let of_a_vpc = is_id(id, &["nat-", "i-", "tgw-", "pcx-", "igw-", "eigw-"]);
    report.require(!of_a_vpc || specs.cluster.spec.network_id.is_some(), path, || {
        format!("{id} needs a VPC that exists: name it in spec.networkID")
    });
}

fn routes_are_of_private_subnets(specs: &Specs, report: &mut Report) {
    for (path, subnet) in subnets(specs).filter(|(_, s)| !s.additional_routes.is_empty()) {
        let own = subnet.subnet_type.is_private() && subnet.id.is_none();
        report.require(own, format!("{path}.additionalRoutes"), || {
            "only private subnets that kspot makes have routes".to_owned()
        });
        for (i, route) in subnet.additional_routes.iter().enumerate() {
            let known = is_id(&route.target, &["pcx-", "i-", "nat-", "tgw-", "igw-", "eigw-"]);
            report.require(known, format!("{path}.additionalRoutes[{i}].target"), || {
                format!("{:?} is none of pcx-..., i-..., nat-..., tgw-..., igw-... and eigw-...", route.target)
            });
        }
    }
}

fn ipv6_needs_an_ipv6_cluster(specs: &Specs, report: &mut Report) {
    for (path, subnet) in subnets(specs) {
        let dual = subnet.subnet_type == SubnetType::DualStack;
        report.require(!dual || specs.cluster.spec.is_ipv6(), format!("{path}.type"), || {
            "DualStack is for IPv6 clusters (nonMasqueradeCIDR ::/0), use Private".to_owned()
        });
        let odd = matches!(subnet.ipv6_cidr, Some(Ipv6Cidr::Nth { prefix, .. }) if prefix != 64);
        report.require(!odd, format!("{path}.ipv6CIDR"), || "a subnet takes a /64, write /64#N".to_owned());
    }
}

/// A NAT gateway stands in a utility or public subnet of the zone it serves.
fn nat_gateways_have_a_place(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let mut open: BTreeMap<&str, bool> = BTreeMap::new();
    for (_, subnet) in subnets(specs) {
        *open.entry(&subnet.zone).or_default() |= !subnet.subnet_type.is_private();
    }
    let needs = |s: &Subnet| s.subnet_type.is_private() && s.id.is_none();
    let by_id = |s: &Subnet| s.egress.as_deref().is_some_and(|e| !e.starts_with("eipalloc-"));
    for (path, subnet) in subnets(specs).filter(|(_, s)| needs(s) && !by_id(s)) {
        match spec.nat() {
            NatGateways::PerZone if !open[subnet.zone.as_str()] => report.error(
                path,
                format!("zone {} has no utility subnet for the NAT gateway: add one, or set topology.nat", subnet.zone),
            ),
            NatGateways::Single if !open.values().any(|open| *open) => {
                report.error(path, "no zone has a utility subnet for the NAT gateway: add one");
            }
            NatGateways::None => report
                .warning(path, "machines here reach no internet: topology.nat is None and the subnet has no egress"),
            NatGateways::PerZone | NatGateways::Single => {}
        }
    }
}
