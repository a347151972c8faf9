//! Specs with every default written out, as they are stored for the nodes and for people who ask "what is it really".

use std::collections::BTreeSet;

use crate::error::Result;

use super::addons::{AwsEbsCsiDriver, ClusterAutoscaler, KubeDns, NodeTerminationHandler};
use super::cidr;
use super::cluster::Cluster;
use super::duration::GoDuration;
use super::etcd::{EtcdCluster, EtcdMember};
use super::instance_group::{HttpTokens, InstanceGroup, Role};
use super::mixed_instances::MixedInstancesPolicy;
use super::network::{AccessSource, Ipv4Address, Ipv4Cidr};
use super::networking::{DnsType, FlannelConfig};
use super::quantity::Quantity;
use super::version::KubernetesVersion;

/// The specs with every default filled in. Doing it again changes nothing.
///
/// # Errors
/// The network has no room for the subnets that have no range.
pub fn complete(cluster: &Cluster, groups: &[InstanceGroup]) -> Result<(Cluster, Vec<InstanceGroup>)> {
    let mut full = cluster.clone();
    cidr::assign(&mut full)?;
    network(&mut full);
    access(&mut full);
    full.spec.etcd_clusters = etcd_clusters(cluster, groups);
    addons(&mut full, groups);
    let spec = &mut full.spec;
    spec.kubernetes_version = Some(spec.kubernetes_version());
    spec.deletion_protection = Some(spec.is_protected());
    spec.iam.get_or_insert_default().allow_container_registry = Some(cluster.spec.allows_container_registry());
    spec.update_policy.get_or_insert_default();
    let groups = groups.iter().map(|group| complete_group(&full, group)).collect();
    Ok((full, groups))
}

fn network(cluster: &mut Cluster) {
    let dns_type = cluster.dns_type();
    let spec = &mut cluster.spec;
    spec.network_cidr = Some(Ipv4Cidr::from(spec.network_cidr()));
    spec.non_masquerade_cidr
        .get_or_insert_with(|| AccessSource::Cidr(ipnet::Ipv4Net::new_assert([100, 64, 0, 0].into(), 10).into()));
    if !spec.is_ipv6() {
        spec.pod_cidr = Some(Ipv4Cidr::from(spec.pod_cidr()));
        spec.service_cluster_ip_range = Some(Ipv4Cidr::from(spec.service_cluster_ip_range()));
    }
    spec.cluster_dns_domain = Some(spec.cluster_dns_domain().to_owned());
    let (nat, flannel) = (spec.nat(), spec.flannel());
    let topology = spec.topology.get_or_insert_default();
    topology.nat = Some(nat);
    topology.dns.get_or_insert_default().dns_type = Some(dns_type);
    if let Some(backend) = flannel {
        let config = spec.networking.get_or_insert_default().flannel.get_or_insert_with(FlannelConfig::default);
        config.backend = Some(backend);
    }
}

fn access(cluster: &mut Cluster) {
    let public_name = cluster.api_public_name().filter(|_| cluster.dns_type() != DnsType::None);
    let (cross_zone, balancer_type) = (cluster.cross_zone_load_balancing(), cluster.spec.api_load_balancer_type());
    let behind_load_balancer = cluster.spec.api_uses_load_balancer();
    let api = cluster.spec.api.get_or_insert_default();
    api.public_name = api.public_name.take().or(public_name);
    if behind_load_balancer {
        let balancer = api.load_balancer.get_or_insert_default();
        balancer.class.get_or_insert_default();
        balancer.balancer_type = Some(balancer_type);
        balancer.cross_zone_load_balancing = Some(cross_zone);
    }
}

/// etcd's release for a Kubernetes release.
pub fn default_etcd_version(kubernetes: KubernetesVersion) -> &'static str {
    match kubernetes.minor {
        0..=33 => "3.5.31",
        34..=36 => "3.6.12",
        _ => "3.7.0",
    }
}

/// etcd's clusters with every default: as given, or `main` and `events` with a member per control-plane group.
pub fn etcd_clusters(cluster: &Cluster, groups: &[InstanceGroup]) -> Vec<EtcdCluster> {
    let mut clusters = cluster.spec.etcd_clusters.clone();
    if clusters.is_empty() {
        let members = default_members(groups);
        let named =
            |name: &str| EtcdCluster { name: name.to_owned(), etcd_members: members.clone(), ..EtcdCluster::default() };
        clusters = ["main", "events"].map(named).to_vec();
    }
    let version = default_etcd_version(cluster.spec.kubernetes_version());
    for etcd in &mut clusters {
        etcd.version.get_or_insert_with(|| version.to_owned());
        etcd.cpu_request.get_or_insert(Quantity::millis(if etcd.name == "main" { 200 } else { 100 }));
        etcd.memory_request.get_or_insert(Quantity::mebibytes(100));
        let manager = etcd.manager.get_or_insert_default();
        manager.backup_interval.get_or_insert(GoDuration::minutes(15));
        manager.backup_retention_days.get_or_insert(90);
        for member in &mut etcd.etcd_members {
            let volume = member.volume();
            member.volume_size = Some(volume.size_gib);
            member.volume_type = Some(volume.volume_type);
            member.volume_iops = volume.iops;
            member.volume_throughput = volume.throughput;
            member.encrypted_volume = Some(volume.encrypted);
        }
    }
    clusters
}

/// A member per control-plane group, in the order of their names. A member is called like its group: its name must not
/// depend on which other groups there are, for its volume is found by it.
fn default_members(groups: &[InstanceGroup]) -> Vec<EtcdMember> {
    let control_plane = groups.iter().filter(|g| g.spec.role == Role::ControlPlane);
    let mut names: Vec<&str> = control_plane.map(InstanceGroup::name).collect();
    names.sort_unstable();
    let member =
        |name: &str| EtcdMember { name: name.to_owned(), instance_group: name.to_owned(), ..EtcdMember::default() };
    names.into_iter().map(member).collect()
}

/// Short names for the members of these groups: what distinguishes the groups' names, `a`, `b`, `c`; `etcd-1` for
/// numbers; the whole names if that is needed to tell them apart.
pub fn member_names(groups: &[&str]) -> Vec<String> {
    let short: Vec<String> = short_names(groups).into_iter().map(|name| member_word(&name)).collect();
    let different = short.iter().collect::<BTreeSet<_>>().len() == groups.len();
    if different { short } else { groups.iter().map(|name| (*name).to_owned()).collect() }
}

/// The names without the role in front and without the first letters that all share.
fn short_names(groups: &[&str]) -> Vec<String> {
    let strip = |name: &str| {
        let zone = name.strip_prefix("control-plane-").or_else(|| name.strip_prefix("master-"));
        zone.filter(|rest| !rest.is_empty()).unwrap_or(name).to_owned()
    };
    let mut names: Vec<String> = groups.iter().map(|name| strip(name)).collect();
    while let Some(first) = names.first().and_then(|name| name.chars().next()) {
        let rest = |name: &String| name.strip_prefix(first).filter(|rest| !rest.is_empty()).map(str::to_owned);
        match names.iter().map(rest).collect() {
            Some(rest) => names = rest,
            None => break,
        }
    }
    names
}

fn member_word(name: &str) -> String {
    let name = name.trim_start_matches('-');
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("etcd-{name}") } else { name.to_owned() }
}

fn addons(cluster: &mut Cluster, groups: &[InstanceGroup]) {
    let service_range = cluster.spec.service_cluster_ip_range();
    let spec = &mut cluster.spec;
    let dns = spec.kube_dns.get_or_insert_default();
    kube_dns(dns);
    if let Some(tenth) = service_range
        .hosts()
        .nth(9)
        .filter(|_| !matches!(&spec.non_masquerade_cidr, Some(AccessSource::Cidr(ipnet::IpNet::V6(_)))))
    {
        dns.server_ip.get_or_insert(Ipv4Address(tenth));
    }
    let cloud = spec.cloud_config.get_or_insert_default();
    cloud.manage_storage_classes.get_or_insert(true);
    let driver: &mut AwsEbsCsiDriver = cloud.aws_ebs_csi_driver.get_or_insert_default();
    driver.enabled.get_or_insert(true);
    driver.managed.get_or_insert(true);
    if let Some(handler) = spec.node_termination_handler.as_mut().filter(|h| h.enabled()) {
        node_termination_handler(handler);
    }
    if let Some(autoscaler) = spec.cluster_autoscaler.as_mut().filter(|c| c.enabled()) {
        cluster_autoscaler(autoscaler, groups.iter().any(|g| g.spec.buys_spot()));
    }
    if let Some(detector) = spec.node_problem_detector.as_mut().filter(|d| d.enabled == Some(true)) {
        detector.cpu_request.get_or_insert(Quantity::millis(20));
        detector.memory_request.get_or_insert(Quantity::mebibytes(100));
    }
    if let Some(manager) = spec.cert_manager.as_mut().filter(|c| c.enabled()) {
        manager.managed.get_or_insert(true);
    }
}

fn kube_dns(dns: &mut KubeDns) {
    dns.provider.get_or_insert_default();
    dns.cpu_request.get_or_insert(Quantity::millis(100));
    dns.memory_request.get_or_insert(Quantity::mebibytes(70));
    dns.memory_limit.get_or_insert(Quantity::mebibytes(170));
    dns.cache_max_size.get_or_insert(1000);
    dns.cache_max_concurrent.get_or_insert(150);
    if let Some(cache) = dns.node_local_dns.as_mut().filter(|c| c.enabled == Some(true)) {
        cache.local_ip.get_or_insert(Ipv4Address([169, 254, 20, 10].into()));
        cache.forward_to_kube_dns.get_or_insert(false);
        cache.cpu_request.get_or_insert(Quantity::millis(25));
        cache.memory_request.get_or_insert(Quantity::mebibytes(5));
    }
}

fn node_termination_handler(handler: &mut NodeTerminationHandler) {
    handler.managed_asg_tag = Some(handler.managed_asg_tag().to_owned());
    let defaults = [
        (&mut handler.enable_sqs_termination_draining, true),
        (&mut handler.enable_spot_interruption_draining, true),
        (&mut handler.enable_scheduled_event_draining, true),
        (&mut handler.enable_rebalance_monitoring, false),
        (&mut handler.enable_rebalance_draining, false),
        (&mut handler.enable_out_of_service_taint, false),
        (&mut handler.delete_sqs_msg_if_node_not_found, false),
        (&mut handler.prometheus_enable, false),
        (&mut handler.exclude_from_load_balancers, true),
        (&mut handler.taint_node, false),
    ];
    for (field, default) in defaults {
        field.get_or_insert(default);
    }
    handler.pod_termination_grace_period.get_or_insert(-1);
    handler.cpu_request.get_or_insert(Quantity::millis(50));
    handler.memory_request.get_or_insert(Quantity::mebibytes(64));
}

fn cluster_autoscaler(autoscaler: &mut ClusterAutoscaler, any_spot: bool) {
    let expander = *autoscaler.expander.get_or_insert_default();
    let priority = expander == super::addons::Expander::Priority;
    let defaults = [
        (&mut autoscaler.balance_similar_node_groups, true),
        (&mut autoscaler.emit_per_nodegroup_metrics, false),
        (&mut autoscaler.aws_use_static_instance_list, false),
        (&mut autoscaler.ignore_daemon_sets_utilization, false),
        (&mut autoscaler.skip_nodes_with_custom_controller_pods, true),
        (&mut autoscaler.skip_nodes_with_system_pods, true),
        (&mut autoscaler.skip_nodes_with_local_storage, true),
        (&mut autoscaler.cordon_node_before_terminating, true),
        (&mut autoscaler.create_priority_expander_config, priority),
    ];
    for (field, default) in defaults {
        field.get_or_insert(default);
    }
    autoscaler.scale_down_utilization_threshold.get_or_insert_with(|| "0.5".to_owned());
    autoscaler.new_pod_scale_up_delay.get_or_insert(GoDuration::seconds(0));
    autoscaler.scale_down_delay_after_add.get_or_insert(GoDuration::minutes(10));
    autoscaler.scale_down_unneeded_time.get_or_insert(GoDuration::minutes(10));
    autoscaler.scale_down_unready_time.get_or_insert(GoDuration::minutes(20));
    autoscaler.max_node_provision_time.get_or_insert(GoDuration::minutes(if any_spot { 5 } else { 15 }));
    autoscaler.cpu_request.get_or_insert(Quantity::millis(100));
    autoscaler.memory_request.get_or_insert(Quantity::mebibytes(300));
}

fn complete_group(cluster: &Cluster, group: &InstanceGroup) -> InstanceGroup {
    let mut full = group.clone();
    let given = &group.spec;
    let spec = &mut full.spec;
    spec.min_size = Some(given.min_size());
    spec.max_size = Some(given.max_size());
    spec.machine_type = Some(given.machine_type().to_owned());
    spec.subnets = cluster.spec.subnets_of(given).into_iter().map(|s| s.name.clone()).collect();
    spec.associate_public_ip = Some(group.associates_public_ip(&cluster.spec));
    spec.taints = given.effective_taints();
    spec.suspend_processes = group.suspended_processes(&cluster.spec).into_iter().collect();
    if given.role == Role::Node {
        spec.autoscale = Some(given.autoscale());
    }
    if given.buys_spot() {
        spec.capacity_rebalance = Some(given.capacity_rebalance());
    }
    if let Some(policy) = &mut spec.mixed_instances_policy {
        complete_policy(policy);
    }
    let volume = given.root_volume();
    spec.root_volume_size = Some(volume.size_gib);
    spec.root_volume_type = Some(volume.volume_type);
    spec.root_volume_iops = volume.iops;
    spec.root_volume_throughput = volume.throughput;
    spec.root_volume_encryption = Some(volume.encrypted);
    let metadata = spec.instance_metadata.get_or_insert_default();
    metadata.http_tokens.get_or_insert(HttpTokens::Required);
    metadata.http_put_response_hop_limit.get_or_insert(1);
    spec.update_policy = spec.update_policy.or(cluster.spec.update_policy);
    full
}

fn complete_policy(policy: &mut MixedInstancesPolicy) {
    policy.on_demand_base = Some(policy.on_demand_base());
    policy.on_demand_above_base = Some(policy.on_demand_above_base());
    if policy.buys_spot() {
        policy.spot_allocation_strategy = Some(policy.spot_allocation_strategy());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::KOPS_1_23;
    use super::super::object::Object;
    use super::super::parse::parse;
    use super::*;

    fn tutorial() -> (Cluster, Vec<InstanceGroup>) {
        let mut objects = parse(KOPS_1_23, "f").unwrap().into_iter();
        let Some(Object::Cluster(cluster)) = objects.next() else { panic!("a cluster") };
        let groups = objects.map(|o| match o {
            Object::InstanceGroup(group) => *group,
            Object::Cluster(_) => panic!("a group"),
        });
        (*cluster, groups.collect())
    }

    /// Completing what is complete changes nothing, whatever was left out before.
    #[test]
    fn completing_is_idempotent() {
        let (mut cluster, groups) = tutorial();
        cluster.spec.etcd_clusters.clear();
        cluster.spec.subnets[0].cidr = None;
        let (full, full_groups) = complete(&cluster, &groups).unwrap();
        assert_ne!(cluster, full);
        assert_eq!(complete(&full, &full_groups).unwrap(), (full, full_groups));
    }

    /// What was written is never overwritten by a default.
    #[test]
    fn given_values_win() {
        let (cluster, groups) = tutorial();
        let (full, full_groups) = complete(&cluster, &groups).unwrap();
        assert_eq!(full.spec.node_termination_handler.unwrap().cpu_request, Some(Quantity::millis(200)));
        assert_eq!(full.spec.subnets, cluster.spec.subnets);
        assert_eq!(full_groups[0].spec.instance_metadata, groups[0].spec.instance_metadata);
        assert_eq!(full_groups[0].spec.max_size, Some(1));
    }

    /// Members are named by what distinguishes their groups, as kOps names them.
    #[test]
    fn members_have_short_names() {
        let zones = ["control-plane-us-east-1a", "control-plane-us-east-1b", "control-plane-us-east-1c"];
        assert_eq!(member_names(&zones), ["a", "b", "c"]);
        assert_eq!(member_names(&["master-us-test-1a-1", "master-us-test-1a-2"]), ["etcd-1", "etcd-2"]);
        assert_eq!(member_names(&["control-plane-us-east-1a"]), ["a"]);
        assert_eq!(member_names(&["cp-1a-1", "cp-1b-1", "cp-1a-2"]), ["a-1", "b-1", "a-2"]);
        assert_eq!(member_names(&[]), Vec::<String>::new());
    }

    proptest! {
        /// Different groups have different member names.
        #[test]
        fn member_names_are_different(groups in prop::collection::btree_set("(control-plane-|master-|)[a-c1-]{0,3}[a-c1]", 1..6)) {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let names: BTreeSet<_> = member_names(&groups).into_iter().collect();
            prop_assert_eq!(names.len(), groups.len());
        }
    }
}
