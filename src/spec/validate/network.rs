//! Address ranges of the network, of pods and of services.

use ipnet::Ipv4Net;

use super::{ClusterRule, Report, Specs};
use crate::spec::network::{AccessSource, Ipv4Cidr};
use crate::spec::networking::DnsType;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[
    network_sizes,
    networks_do_not_overlap,
    pods_and_services_have_room,
    pods_and_services_stay_off_the_network,
    dns_service_is_in_the_service_range,
    one_pod_network,
    ipv6_is_a_network_only,
    local_names_are_never_published,
    a_given_private_zone_has_its_network,
];

/// Whether two ranges share an address.
pub(super) fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The ranges of the VPC with their fields.
pub(super) fn networks(specs: &Specs) -> Vec<(String, Ipv4Net)> {
    let spec = &specs.cluster.spec;
    let first = ("spec.networkCIDR".to_owned(), spec.network_cidr());
    let more = spec.additional_network_cidrs.iter().enumerate();
    let more = more.map(|(i, cidr)| (format!("spec.additionalNetworkCIDRs[{i}]"), cidr.net()));
    std::iter::once(first).chain(more).collect()
}

/// Pod and service ranges with their fields; none in an IPv6 cluster.
pub(super) fn virtual_ranges(specs: &Specs) -> Vec<(&'static str, &'static str, Ipv4Net)> {
    let spec = &specs.cluster.spec;
    if spec.is_ipv6() {
        return Vec::new();
    }
    vec![
        ("spec.podCIDR", "pods", spec.pod_cidr()),
        ("spec.serviceClusterIPRange", "services", spec.service_cluster_ip_range()),
    ]
}

/// What AWS has of an IPv6 cluster is made; what its machines need is not there yet, and nobody shall pay for it unknowing.
fn ipv6_is_a_network_only(specs: &Specs, report: &mut Report) {
    if specs.cluster.spec.is_ipv6() {
        report.warning(
            "spec.nonMasqueradeCIDR",
            "kspot makes the AWS side of IPv6 clusters only: their control plane does not come up yet",
        );
    }
}

/// A private zone answers only in the VPCs that it is associated with: one that exists can't know a VPC that does not.
fn a_given_private_zone_has_its_network(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let given = specs.cluster.dns_type() == DnsType::Private && spec.dns_zone.is_some();
    report.require(!given || spec.network_id.is_some(), "spec.dnsZone", || {
        "a private zone that exists needs a VPC that exists: leave dnsZone out for a zone of the cluster's own, or name the zone's VPC in spec.networkID".to_owned()
    });
}

fn network_sizes(specs: &Specs, report: &mut Report) {
    for (path, net) in networks(specs) {
        report.require((16..=28).contains(&net.prefix_len()), path, || format!("{net} is not between /16 and /28"));
    }
}

fn networks_do_not_overlap(specs: &Specs, report: &mut Report) {
    let all = networks(specs);
    for (i, (path, net)) in all.iter().enumerate() {
        if let Some((other, overlapped)) = all[..i].iter().find(|(_, earlier)| overlap(*net, *earlier)) {
            report.error(path.clone(), format!("{net} overlaps {overlapped} of {other}"));
        }
    }
}

fn pods_and_services_have_room(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let [(_, _, pods), (_, _, services)] = virtual_ranges(specs)[..] else { return };
    let from = spec.non_masquerade_cidr();
    if let Some(AccessSource::PrefixList(id)) = &spec.non_masquerade_cidr {
        report.error("spec.nonMasqueradeCIDR", format!("{id} is a prefix list, a range is needed"));
    }
    report.require(from.contains(&pods), "spec.podCIDR", || format!("{pods} is not inside nonMasqueradeCIDR {from}"));
    report.require(!overlap(pods, services), "spec.serviceClusterIPRange", || {
        format!("{services} overlaps {pods} of spec.podCIDR")
    });
    report.require((12..=28).contains(&services.prefix_len()), "spec.serviceClusterIPRange", || {
        format!("{services} is not between /12 and /28")
    });
    let node = spec.kube_controller_manager.as_ref().and_then(|c| c.node_cidr_mask_size).unwrap_or(24);
    report.require(pods.prefix_len() < node && node <= 30, "spec.podCIDR", || {
        format!("{pods} has no room for nodes with a /{node} of pods each")
    });
}

fn pods_and_services_stay_off_the_network(specs: &Specs, report: &mut Report) {
    for (path, what, range) in virtual_ranges(specs) {
        if let Some((other, net)) = networks(specs).into_iter().find(|(_, net)| overlap(range, *net)) {
            report.error(path, format!("the range {range} of {what} overlaps {net} of {other}"));
        }
    }
}

fn dns_service_is_in_the_service_range(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let services = spec.service_cluster_ip_range();
    if let Some(server) = spec.kube_dns.as_ref().and_then(|d| d.server_ip).filter(|_| !spec.is_ipv6()) {
        report.require(services.contains(&server.0), "spec.kubeDNS.serverIP", || {
            format!("{server} is not in serviceClusterIPRange {}", Ipv4Cidr::from(services))
        });
    }
}

fn one_pod_network(specs: &Specs, report: &mut Report) {
    let both = specs.cluster.spec.networking.as_ref().is_some_and(|n| n.flannel.is_some() && n.cni.is_some());
    report.require(!both, "spec.networking", || "flannel and cni are given, one pod network is possible".to_owned());
}

fn local_names_are_never_published(specs: &Specs, report: &mut Report) {
    let given = specs.cluster.spec.topology.as_ref().and_then(|t| t.dns.as_ref()).and_then(|d| d.dns_type);
    if specs.cluster.name().ends_with(".k8s.local") && given.is_some_and(|g| g != DnsType::None) {
        report.warning("spec.topology.dns.type", "a cluster named *.k8s.local is in no DNS: None is used");
    }
}
