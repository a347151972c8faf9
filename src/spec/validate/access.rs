//! How the API and the machines are reached: load balancer, DNS, who may connect, security groups by id.

use std::collections::BTreeSet;

use super::{ClusterRule, Report, Specs};
use crate::error::did_you_mean;
use crate::spec::api::ApiLoadBalancer;
use crate::spec::network::AccessSource;
use crate::spec::networking::{DnsType, LoadBalancerType, SubnetType};

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[
    api_is_reached_one_way,
    internal_load_balancer_is_inside,
    load_balancer_tls,
    load_balancer_security_groups,
    load_balancer_subnets,
    open_to_the_world,
    bastion_name_needs_dns,
    single_sign_on_is_whole,
];

const BALANCER: &str = "spec.api.loadBalancer";

fn balancer<'s>(specs: &Specs<'s>) -> Option<&'s ApiLoadBalancer> {
    specs.cluster.spec.api_load_balancer()
}

/// Ids of security groups: `sg-...`, each once.
pub(super) fn security_groups(path: &str, ids: &[String], report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (i, id) in ids.iter().enumerate() {
        let path = format!("{path}[{i}]");
        report.require(id.starts_with("sg-"), path.clone(), || {
            format!("{id:?} is not the id of a security group, sg-...")
        });
        report.require(seen.insert(id), path, || format!("{id} stands here twice"));
    }
}

fn api_is_reached_one_way(specs: &Specs, report: &mut Report) {
    let Some(api) = &specs.cluster.spec.api else { return };
    let by_dns = api.dns.is_some();
    report.require(!(by_dns && api.load_balancer.is_some()), "spec.api.dns", || {
        "dns and loadBalancer are given, the API is reached one way".to_owned()
    });
    report.require(!by_dns || specs.cluster.dns_type() != DnsType::None, "spec.api.dns", || {
        "without Route 53 (topology.dns.type) the API needs a load balancer".to_owned()
    });
}

fn internal_load_balancer_is_inside(specs: &Specs, report: &mut Report) {
    let Some(balancer) = balancer(specs).filter(|b| b.balancer_type == Some(LoadBalancerType::Internal)) else {
        return;
    };
    let private = specs.cluster.spec.subnets.iter().any(|s| s.subnet_type.is_private());
    report
        .require(private, format!("{BALANCER}.type"), || "an internal load balancer needs a private subnet".to_owned());
    report.require(balancer.use_for_internal_api != Some(true), format!("{BALANCER}.useForInternalApi"), || {
        "an internal load balancer always serves the machines inside".to_owned()
    });
}

fn load_balancer_tls(specs: &Specs, report: &mut Report) {
    let Some(balancer) = balancer(specs) else { return };
    if let Some(arn) = &balancer.ssl_certificate {
        report.require(arn.starts_with("arn:"), format!("{BALANCER}.sslCertificate"), || {
            format!("{arn:?} is not an ARN")
        });
    }
    let policy_alone = balancer.ssl_policy.is_some() && balancer.ssl_certificate.is_none();
    report.require(!policy_alone, format!("{BALANCER}.sslPolicy"), || "it needs sslCertificate".to_owned());
    let log = balancer.access_log.as_ref();
    let log_alone = log.is_some_and(|l| l.bucket.is_none());
    report.require(!log_alone, format!("{BALANCER}.accessLog"), || "bucket is missing".to_owned());
    report.require(log.is_none() || balancer.ssl_certificate.is_some(), format!("{BALANCER}.accessLog"), || {
        "a network load balancer logs TLS connections only: it needs sslCertificate".to_owned()
    });
}

fn load_balancer_security_groups(specs: &Specs, report: &mut Report) {
    let Some(balancer) = balancer(specs) else { return };
    security_groups(&format!("{BALANCER}.additionalSecurityGroups"), &balancer.additional_security_groups, report);
    if let Some(id) = &balancer.security_group_override {
        let path = format!("{BALANCER}.securityGroupOverride");
        report.require(id.starts_with("sg-"), path, || format!("{id:?} is not the id of a security group, sg-..."));
    }
}

fn load_balancer_subnets(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let internal = spec.api_load_balancer_type() == LoadBalancerType::Internal;
    let mut zones = BTreeSet::new();
    for (i, chosen) in balancer(specs).into_iter().flat_map(|b| &b.subnets).enumerate() {
        let path = format!("{BALANCER}.subnets[{i}]");
        let Some(subnet) = spec.subnet(&chosen.name) else {
            let names = spec.subnets.iter().map(|s| s.name.as_str());
            let near = did_you_mean(&chosen.name, names).map(|n| format!(", did you mean {n}")).unwrap_or_default();
            report.error(format!("{path}.name"), format!("there is no subnet {}{near}", chosen.name));
            continue;
        };
        report.require(zones.insert(&subnet.zone), format!("{path}.name"), || {
            format!("another subnet of zone {} is given, a load balancer takes one per zone", subnet.zone)
        });
        report.require(internal || subnet.subnet_type != SubnetType::Private, format!("{path}.name"), || {
            format!("{} is private, a public load balancer needs public or utility subnets", subnet.name)
        });
        if let Some(address) = chosen.private_ipv4_address {
            let path = format!("{path}.privateIPv4Address");
            let inside = subnet.cidr.is_none_or(|c| c.net().contains(&address.0));
            report.require(internal, path.clone(), || {
                "only an internal load balancer takes private addresses".to_owned()
            });
            report.require(inside, path, || format!("{address} is not in subnet {}", subnet.name));
        }
        if let Some(id) = &chosen.allocation_id {
            let path = format!("{path}.allocationId");
            report.require(!internal, path.clone(), || "only a public load balancer takes Elastic IPs".to_owned());
            report.require(id.starts_with("eipalloc-"), path, || format!("{id:?} is not an Elastic IP, eipalloc-..."));
        }
    }
}

fn open_to_the_world(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let lists = [
        ("spec.kubernetesApiAccess", &spec.kubernetes_api_access, "the Kubernetes API"),
        ("spec.sshAccess", &spec.ssh_access, "SSH"),
        ("spec.nodePortAccess", &spec.node_port_access, "every NodePort service"),
    ];
    for (path, sources, what) in lists {
        if let Some(i) = sources.iter().position(AccessSource::is_anywhere) {
            let close =
                if path == "spec.kubernetesApiAccess" { ": name those who need it (--admin-access CIDR)" } else { "" };
            report.warning(format!("{path}[{i}]"), format!("{what} is open to the whole internet{close}"));
        }
    }
}

fn bastion_name_needs_dns(specs: &Specs, report: &mut Report) {
    let bastion = specs.cluster.spec.topology.as_ref().and_then(|t| t.bastion.as_ref());
    let Some(bastion) = bastion else { return };
    let path = "spec.topology.bastion";
    let unpublished = bastion.bastion_public_name.is_some() && specs.cluster.dns_type() == DnsType::None;
    report.require(!unpublished, format!("{path}.bastionPublicName"), || {
        "a DNS name needs Route 53 (topology.dns.type)".to_owned()
    });
    if let Some(balancer) = &bastion.load_balancer {
        let path = format!("{path}.loadBalancer.additionalSecurityGroups");
        security_groups(&path, &balancer.additional_security_groups, report);
    }
}

/// The API server does not start with half of it.
fn single_sign_on_is_whole(specs: &Specs, report: &mut Report) {
    let Some(given) = &specs.cluster.spec.kube_api_server else { return };
    let path = |name: &str| format!("spec.kubeAPIServer.{name}");
    let (issuer, client) = (given.oidc_issuer_url.as_deref(), given.oidc_client_id.as_deref());
    if let Some(issuer) = issuer {
        report.require(issuer.starts_with("https://"), path("oidcIssuerURL"), || {
            format!("{issuer:?} is not an https:// address")
        });
        report.require(client.is_some(), path("oidcClientID"), || {
            "missing: tokens of oidcIssuerURL are accepted for one client".to_owned()
        });
    } else {
        report.require(client.is_none(), path("oidcIssuerURL"), || {
            "missing: oidcClientID alone lets nobody in".to_owned()
        });
    }
    for (i, claim) in given.oidc_required_claim.iter().enumerate() {
        let whole = claim.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
        report.require(whole, path(&format!("oidcRequiredClaim[{i}]")), || format!("{claim:?} is not key=value"));
    }
}
