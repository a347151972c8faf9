//! The part of a node configuration that only control-plane machines read: etcd, the API server, who may join.

use std::collections::BTreeSet;

use super::{Input, InstanceGroup, Role};
use crate::error::{Error, Result};
use crate::model::assets;
use crate::model::issuer::{self, Issuer};
use crate::node::configuration::{Backups, ControlPlane, Etcd, Member, ServiceAccounts};
use crate::spec::complete::default_etcd_version;
use crate::spec::etcd::{EtcdCluster, EtcdMember};

pub(super) fn of(input: &Input<'_>, group: &InstanceGroup) -> Result<ControlPlane> {
    let spec = &input.cluster.spec;
    let etcd = spec.etcd_clusters.iter().enumerate().map(|(place, cluster)| {
        let runs = |m: &&EtcdMember| m.instance_group == group.name();
        let member = cluster.etcd_members.iter().find(runs);
        let missing =
            || Error::invalid(format!("group {} has no member in the etcd cluster {}", group.name(), cluster.name));
        Ok(etcd(input, place, cluster, member.ok_or_else(missing)?))
    });
    let behind_balancer = spec.api_uses_load_balancer();
    Ok(ControlPlane {
        etcd: etcd.collect::<Result<_>>()?,
        certificate_names: certificate_names(input),
        load_balancer: behind_balancer.then(|| input.names().balancer("api")),
        published_name: input.cluster.api_public_name().filter(|_| !behind_balancer),
        published_zone: input.facts.hosted_zone.clone().filter(|_| !behind_balancer),
        worker_profiles: worker_profiles(input),
        api_server: spec.kube_api_server.clone().unwrap_or_default(),
        service_accounts: service_accounts(input)?,
        controller_manager: spec.kube_controller_manager.clone().unwrap_or_default(),
        scheduler: spec.kube_scheduler.clone().unwrap_or_default(),
        key_store_kms_key: spec.key_store_kms_key.clone(),
    })
}

/// The ports are kOps': clients from 4001 on, peers from 2380 on; workers reach none of them.
fn etcd(input: &Input<'_>, place: usize, cluster: &EtcdCluster, member: &EtcdMember) -> Etcd {
    let version = cluster.version.as_deref().unwrap_or(default_etcd_version(input.cluster.spec.kubernetes_version()));
    let offset = u16::try_from(place).unwrap_or_default();
    let manager = cluster.manager.as_ref();
    let peer_name = |m: &str| format!("{m}.etcd-{}.internal.{}", cluster.name, input.cluster.name());
    let cpu = if cluster.name == "main" { "200m" } else { "100m" };
    Etcd {
        name: cluster.name.clone(),
        member: member.name.clone(),
        members: cluster
            .etcd_members
            .iter()
            .map(|m| Member { name: m.name.clone(), peer_name: peer_name(&m.name) })
            .collect(),
        image: assets::image(input, &format!("registry.k8s.io/etcd:{version}-0")),
        client_port: 4001 + offset,
        peer_port: 2380 + offset,
        cpu_request: cluster.cpu_request.map_or_else(|| cpu.to_owned(), |q| q.to_string()),
        memory_request: cluster.memory_request.map_or_else(|| "100Mi".to_owned(), |q| q.to_string()),
        backups: Backups {
            store: cluster.backups.as_ref().and_then(|b| b.backup_store.clone()),
            interval: manager.and_then(|m| m.backup_interval).map_or_else(|| "15m0s".to_owned(), |d| d.to_string()),
            retention_days: manager.and_then(|m| m.backup_retention_days).unwrap_or(90),
        },
    }
}

/// Tokens from before the issuer was published stay good until their pods have new ones: they name kubeadm's default as
/// issuer and as audience.
fn service_accounts(input: &Input<'_>) -> Result<Option<ServiceAccounts>> {
    let Some(issuer) = Issuer::of(input)? else { return Ok(None) };
    let inside = format!("https://kubernetes.default.svc.{}", input.cluster.spec.cluster_dns_domain());
    let audiences = ["kubernetes.svc.default"].into_iter().chain(issuer::audiences(input)).chain([inside.as_str()]);
    Ok(Some(ServiceAccounts {
        audiences: audiences.map(str::to_owned).collect(),
        jwks_uri: issuer.keys_url(),
        issuers: vec![issuer.url(), inside],
    }))
}

fn certificate_names(input: &Input<'_>) -> BTreeSet<String> {
    let spec = &input.cluster.spec;
    let domain = spec.cluster_dns_domain();
    let first = std::net::Ipv4Addr::from(u32::from(spec.service_cluster_ip_range().network()).saturating_add(1));
    let first = if spec.is_ipv6() { "fd00:5e4f:ce::1".to_owned() } else { first.to_string() };
    let fixed = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1"];
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain([format!("kubernetes.default.svc.{domain}"), first, input.names().internal_api()])
        .chain(input.cluster.api_public_name())
        .chain(spec.additional_sans.iter().cloned())
        .collect()
}

fn worker_profiles(input: &Input<'_>) -> BTreeSet<String> {
    let own =
        |name: String| format!("arn:{}:iam::{}:instance-profile/{name}", input.account.partition, input.account.id);
    input
        .groups_of(Role::Node)
        .map(|g| {
            let given = g.spec.iam.as_ref().and_then(|i| i.profile.clone());
            given.unwrap_or_else(|| own(input.names().iam(Role::Node)))
        })
        .collect()
}
