//! Roles, launch templates, groups, load balancing and interruption events: each kind from its creation over every
//! change that is possible in place to its end, by plan and apply. Tier: corrected moto.

mod auto_scaling_group;
mod identity;
mod interruption;
mod launch_template;
mod load_balancing;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use kspot::resource::auto_scaling_group::{LifecycleHook, MixedInstancesPolicy, Overrides};
use kspot::resource::launch_template::{BlockDevice, EbsVolume, LaunchTemplateData, MetadataOptions, NetworkInterface};
use kspot::resource::target_group::HealthCheck;
use kspot::resource::{
    Addr, AutoScalingGroup, Desired, DhcpOptions, EventRule, IamRole, InstanceProfile, Kind, LaunchTemplate, Listener,
    LoadBalancer, Queue, Ref, Resource, SecurityGroup, Subnet, TargetGroup, Vpc, policy,
};
use serde_json::json;

use crate::bed::REGION;
use crate::harness::{CLUSTER, desired, tagged, tagged_also, thing, with};

const NODES: &str = "nodes.c.example.com";

const IMAGE: &str = "ami-0a1b2c3d4e5f60001";

fn document(service: &str) -> String {
    policy::canonical(&json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }))
}

fn rights(action: &str) -> String {
    policy::canonical(&json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}],
    }))
}

fn role() -> IamRole {
    IamRole {
        trust_policy: document("ec2.amazonaws.com"),
        identity_provider: None,
        policy: Some(rights("ec2:DescribeInstances")),
        managed_policies: BTreeSet::new(),
        permissions_boundary: None,
        tags: tagged(NODES),
    }
}

fn profile() -> InstanceProfile {
    InstanceProfile { role: Ref::to(Kind::IamRole, NODES), tags: tagged(NODES) }
}

fn identity() -> Desired {
    desired([thing(NODES, role()), thing(NODES, profile())])
}

fn vpc() -> Vpc {
    Vpc {
        cidr: "10.0.0.0/16".into(),
        additional_cidrs: BTreeSet::new(),
        ipv6: false,
        dns_support: true,
        dns_hostnames: true,
        dhcp_options: Ref::to(Kind::DhcpOptions, CLUSTER),
        tags: tagged(CLUSTER),
    }
}

fn subnet(name: &str, zone: &str, third: u8) -> (Addr, Resource) {
    let subnet = Subnet {
        vpc: Ref::to(Kind::Vpc, CLUSTER),
        zone: format!("{REGION}{zone}"),
        cidr: format!("10.0.{third}.0/24"),
        ipv6: None,
        resource_name_dns: true,
        assign_ipv6: false,
        dns64: false,
        tags: tagged(name),
    };
    thing(name, subnet)
}

/// Two subnets and a security group in a VPC.
fn network() -> Desired {
    let options = DhcpOptions {
        domain_name: format!("{REGION}.compute.internal"),
        domain_name_servers: vec!["AmazonProvidedDNS".into()],
        tags: tagged(CLUSTER),
    };
    let group = SecurityGroup {
        vpc: Ref::to(Kind::Vpc, CLUSTER),
        description: "Security group for nodes".into(),
        tags: tagged(NODES),
    };
    desired([
        thing(CLUSTER, options),
        thing(CLUSTER, vpc()),
        subnet("a", "a", 1),
        subnet("b", "b", 2),
        thing(NODES, group),
    ])
}

fn subnets(names: &[&str]) -> BTreeSet<Ref> {
    names.iter().map(|n| Ref::to(Kind::Subnet, *n)).collect()
}

fn health_check() -> HealthCheck {
    HealthCheck {
        protocol: "HTTPS".into(),
        port: "traffic-port".into(),
        path: Some("/healthz".into()),
        interval: 10,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
    }
}

fn target_group(name: &str, port: u16) -> TargetGroup {
    TargetGroup {
        protocol: "TCP".into(),
        port,
        vpc: Ref::to(Kind::Vpc, CLUSTER),
        health_check: health_check(),
        deregistration_delay: 30,
        connection_termination: true,
        preserve_client_ip: true,
        tags: tagged(name),
    }
}

fn load_balancer() -> LoadBalancer {
    LoadBalancer {
        scheme: "internet-facing".into(),
        subnets: subnets(&["a"]),
        security_groups: BTreeSet::from([Ref::to(Kind::SecurityGroup, NODES)]),
        cross_zone: true,
        ip_address_type: "ipv4".into(),
        tags: tagged("api.c.example.com"),
    }
}

fn listener(target: &str) -> Listener {
    Listener {
        cluster: CLUSTER.into(),
        load_balancer: Ref::to(Kind::LoadBalancer, "api-c"),
        port: 443,
        protocol: "TCP".into(),
        target_group: Ref::to(Kind::TargetGroup, target),
        certificate: None,
        ssl_policy: None,
    }
}

fn root() -> EbsVolume {
    EbsVolume {
        size: 64,
        volume_type: "gp3".into(),
        iops: Some(3000),
        throughput: Some(125),
        encrypted: true,
        kms_key: None,
        delete_on_termination: true,
    }
}

fn template_data() -> LaunchTemplateData {
    LaunchTemplateData {
        image_id: IMAGE.into(),
        instance_type: "m5.large".into(),
        key_pair: None,
        instance_profile: Some(Ref::to(Kind::InstanceProfile, NODES)),
        network_interface: NetworkInterface {
            public_ip: true,
            security_groups: BTreeSet::from([Ref::to(Kind::SecurityGroup, NODES)]),
            ipv6_addresses: 0,
        },
        metadata: MetadataOptions { enabled: true, http_tokens: "required".into(), hop_limit: 1, ipv6: false },
        block_devices: BTreeMap::from([("/dev/sda1".to_owned(), BlockDevice::Ebs(root()))]),
        monitoring: false,
        cpu_credits: None,
        tenancy: None,
        spot: None,
        user_data: "#!/bin/bash\nexec kspot node boot\n".into(),
        instance_tags: tagged_also(NODES, "k8s.io/role/node", "1"),
    }
}

fn template(data: LaunchTemplateData) -> LaunchTemplate {
    LaunchTemplate { data, tags: tagged(NODES) }
}

/// What a template refers to.
fn ground() -> Desired {
    let mut all = network();
    all.extend(identity());
    all
}

fn said(text: &str) -> LaunchTemplateData {
    LaunchTemplateData { user_data: format!("#!/bin/bash\necho {text}\n"), ..template_data() }
}

fn group() -> AutoScalingGroup {
    AutoScalingGroup {
        launch_template: Ref::to(Kind::LaunchTemplate, NODES),
        launch_template_content: template(template_data()).content(),
        min: 0,
        max: 3,
        subnets: subnets(&["a"]),
        mixed_instances_policy: None,
        capacity_rebalance: false,
        max_instance_lifetime: None,
        health_check_type: "EC2".into(),
        health_check_grace_period: 300,
        new_instances_protected_from_scale_in: false,
        suspended_processes: BTreeSet::new(),
        termination_policies: vec!["Default".into()],
        target_groups: BTreeSet::new(),
        enabled_metrics: BTreeSet::new(),
        lifecycle_hooks: BTreeMap::new(),
        tags: tagged_also(NODES, "k8s.io/role/node", "1"),
    }
}

fn policy_of(overrides: Overrides) -> Option<MixedInstancesPolicy> {
    Some(MixedInstancesPolicy {
        overrides,
        on_demand_base: 0,
        on_demand_percentage_above_base: 0,
        on_demand_allocation_strategy: "lowest-price".into(),
        spot_allocation_strategy: "price-capacity-optimized".into(),
        spot_instance_pools: None,
        spot_max_price: None,
    })
}

fn spot_types() -> Option<MixedInstancesPolicy> {
    policy_of(Overrides::InstanceTypes(vec!["m5.large".into(), "m5a.large".into()]))
}

fn hook(timeout: u32) -> LifecycleHook {
    LifecycleHook {
        transition: "autoscaling:EC2_INSTANCE_TERMINATING".into(),
        heartbeat_timeout: timeout,
        default_result: "CONTINUE".into(),
    }
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|n| (*n).to_owned()).collect()
}

fn groups_ground() -> Desired {
    with(
        &ground(),
        [
            thing(NODES, template(template_data())),
            thing("tcp-c", target_group("tcp-c", 443)),
            thing("kc-c", target_group("kc-c", 3988)),
        ],
    )
}

fn queue() -> Queue {
    Queue { retention: 300, policy: Some(rights("sqs:SendMessage")), managed_encryption: true, tags: tagged("c-nth") }
}

fn rule(source: &str) -> EventRule {
    EventRule {
        cluster: CLUSTER.into(),
        pattern: policy::canonical(&json!({"source": [source]})),
        enabled: true,
        target: Ref::to(Kind::Queue, "c-nth"),
    }
}
