//! The network's resource kinds, each from its creation over every change that is possible in place to its end, by plan
//! and apply. Tier: corrected moto.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, ResourceType, Tag, TagSpecification};
use kspot::resource::record_set::Answer;
use kspot::resource::route_table::Target;
use kspot::resource::security_group_rule::{Direction, Peer};
use kspot::resource::{
    Addr, Desired, DhcpOptions, EgressOnlyInternetGateway, ElasticIp, HostedZone, InternetGateway, KeyPair, Kind,
    NatGateway, RecordSet, Ref, Resource, RouteTable, SecurityGroup, SecurityGroupRule, Subnet, Volume, Vpc,
};
use serde_json::json;

use crate::bed::{Bed, REGION};
use crate::harness::{CLUSTER, Stage, desired, tagged, tagged_also, thing, with};

fn dhcp_options() -> DhcpOptions {
    DhcpOptions {
        domain_name: format!("{REGION}.compute.internal"),
        domain_name_servers: vec!["AmazonProvidedDNS".into()],
        tags: tagged(CLUSTER),
    }
}

fn vpc() -> Vpc {
    Vpc {
        cidr: "10.0.0.0/16".into(),
        additional_cidrs: BTreeSet::new(),
        ipv6: true,
        dns_support: true,
        dns_hostnames: true,
        dhcp_options: Ref::to(Kind::DhcpOptions, CLUSTER),
        tags: tagged(CLUSTER),
    }
}

fn the_vpc() -> Ref {
    Ref::to(Kind::Vpc, CLUSTER)
}

/// A VPC with its options: what everything else stands in.
fn network() -> Desired {
    desired([thing(CLUSTER, dhcp_options()), thing(CLUSTER, vpc())])
}

fn subnet(name: &str, zone: &str, third: u8) -> (Addr, Subnet) {
    let subnet = Subnet {
        vpc: the_vpc(),
        zone: format!("{REGION}{zone}"),
        cidr: format!("10.0.{third}.0/24"),
        ipv6: None,
        resource_name_dns: true,
        assign_ipv6: false,
        dns64: false,
        tags: tagged_also(name, "kubernetes.io/role/elb", "1"),
    };
    (Addr::new(Kind::Subnet, name), subnet)
}

/// The VPC's ranges, attributes and options change in place, also when the options are replaced.
#[tokio::test]
async fn vpc_and_dhcp_options() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let base = network();
    let two = BTreeSet::from(["10.1.0.0/16".to_owned(), "10.2.0.0/16".to_owned()]);
    let second = BTreeSet::from(["10.2.0.0/16".to_owned()]);
    stage
        .round_trip(&[
            with(&base, [thing(CLUSTER, Vpc { ipv6: false, ..vpc() })]),
            base.clone(),
            with(&base, [thing(CLUSTER, Vpc { additional_cidrs: two, dns_hostnames: false, ..vpc() })]),
            with(
                &base,
                [thing(CLUSTER, Vpc { additional_cidrs: second, dns_support: false, dns_hostnames: false, ..vpc() })],
            ),
            with(&base, [thing(CLUSTER, Vpc { ipv6: false, ..vpc() })]),
            with(&base, [thing(CLUSTER, Vpc { tags: tagged_also(CLUSTER, "kspot.io/x", "1"), ..vpc() })]),
            with(
                &base,
                [thing(CLUSTER, DhcpOptions { tags: tagged_also(CLUSTER, "kspot.io/x", "1"), ..dhcp_options() })],
            ),
        ])
        .await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());

    stage.apply(&base).await;
    let before = stage.ids(Kind::DhcpOptions).await;
    let other = DhcpOptions { domain_name: "elsewhere.internal".into(), ..dhcp_options() };
    stage.apply(&with(&base, [thing(CLUSTER, other)])).await;
    assert_ne!(stage.ids(Kind::DhcpOptions).await, before);
}

/// A gateway is attached from the start, and one that was detached by hand is attached again.
#[tokio::test]
async fn internet_gateway() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let gateway = InternetGateway { vpc: the_vpc(), tags: tagged(CLUSTER) };
    let base = with(&network(), [thing(CLUSTER, gateway.clone())]);
    stage.apply(&base).await;
    let (id, vpc) = (stage.ids(Kind::InternetGateway).await.remove(0), stage.ids(Kind::Vpc).await.remove(0));
    stage.cloud.ec2.detach_internet_gateway().internet_gateway_id(&id).vpc_id(&vpc).send().await.unwrap();
    let tagged = InternetGateway { tags: tagged_also(CLUSTER, "kspot.io/x", "1"), ..gateway };
    stage.round_trip(&[base.clone(), with(&base, [thing(CLUSTER, tagged)])]).await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}

/// A subnet gets, changes and loses its /64, and its machines' names and addresses, without being replaced.
#[tokio::test]
async fn subnets() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let (a, in_a) = subnet("a", "a", 1);
    let version = |s: Subnet| with(&network(), [(a.clone(), Resource::from(s))]);
    let plain = Subnet { resource_name_dns: false, ..in_a.clone() };
    stage
        .round_trip(&[
            version(Subnet { ipv6: Some(3), assign_ipv6: true, ..in_a.clone() }),
            version(Subnet { ipv6: Some(255), assign_ipv6: true, ..in_a.clone() }),
            version(in_a.clone()),
            version(Subnet { ipv6: Some(0), ..plain.clone() }),
            version(Subnet { tags: tagged("a"), ..plain }),
        ])
        .await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}

/// Routes and associations become exactly what is wanted, whoever changed them; what AWS put in is no difference.
#[tokio::test]
async fn route_tables() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let (a, in_a) = subnet("a", "a", 1);
    let (b, in_b) = subnet("b", "b", 2);
    let base = with(
        &network(),
        [
            (a.clone(), in_a.into()),
            (b.clone(), in_b.into()),
            thing(CLUSTER, InternetGateway { vpc: the_vpc(), tags: tagged(CLUSTER) }),
            thing(CLUSTER, EgressOnlyInternetGateway { vpc: the_vpc(), tags: tagged(CLUSTER) }),
        ],
    );
    let internet = Target::InternetGateway(Ref::to(Kind::InternetGateway, CLUSTER));
    let egress_only = Target::EgressOnlyInternetGateway(Ref::to(Kind::EgressOnlyInternetGateway, CLUSTER));
    let table = |name: &str, routes: &[(&str, &Target)], subnets: &[&Addr]| {
        let table = RouteTable {
            vpc: the_vpc(),
            routes: routes.iter().map(|(d, t)| ((*d).to_owned(), (*t).clone())).collect(),
            subnets: subnets.iter().map(|s| Ref::Addr((*s).clone())).collect(),
            tags: tagged_also(name, "kubernetes.io/kops/role", "public"),
        };
        thing(name, table)
    };
    let public = table("public", &[("0.0.0.0/0", &internet), ("::/0", &internet)], &[&a]);
    let versions = [
        with(&base, [public.clone(), table("private", &[("::/0", &egress_only)], &[&b])]),
        // Both tables change at once: b moves from one to the other.
        with(&base, [table("public", &[("0.0.0.0/0", &internet)], &[&a, &b]), table("private", &[], &[])]),
        with(
            &base,
            [table("public", &[("0.0.0.0/0", &internet), ("::/0", &egress_only)], &[]), table("private", &[], &[&a])],
        ),
    ];
    stage.round_trip(&versions).await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());

    let wanted = with(&base, [public]);
    stage.apply(&wanted).await;
    let (id, gateway) = (stage.ids(Kind::RouteTable).await.remove(0), stage.ids(Kind::InternetGateway).await.remove(0));
    let by_hand = stage.cloud.ec2.create_route().route_table_id(&id).destination_cidr_block("192.0.2.0/24");
    by_hand.gateway_id(&gateway).send().await.unwrap();
    let vpc = stage.ids(Kind::Vpc).await.remove(0);
    let endpoint = stage.cloud.ec2.create_vpc_endpoint().vpc_id(vpc).route_table_ids(&id);
    let endpoint = endpoint.vpc_endpoint_type(aws_sdk_ec2::types::VpcEndpointType::Gateway);
    endpoint.service_name(format!("com.amazonaws.{REGION}.s3")).send().await.unwrap();
    let plan = stage.apply(&wanted).await;
    let paths: Vec<&str> = plan.changes[0].fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["routes.192.0.2.0/24.internetGateway"], "the endpoint's route is not ours to remove");
}

/// A NAT gateway comes and goes with its address; a route through a replaced one leads to the new one.
#[tokio::test]
async fn nat_gateways() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let (a, in_a) = subnet("utility", "a", 1);
    let (b, in_b) = subnet("private", "a", 2);
    let nat =
        NatGateway { subnet: Ref::Addr(a.clone()), address: Ref::to(Kind::ElasticIp, "one"), tags: tagged("nat") };
    let table = RouteTable {
        vpc: the_vpc(),
        routes: BTreeMap::from([("0.0.0.0/0".to_owned(), Target::NatGateway(Ref::to(Kind::NatGateway, "nat")))]),
        subnets: BTreeSet::from([Ref::Addr(b.clone())]),
        tags: tagged("private"),
    };
    let address = |name: &str| thing(name, ElasticIp { tags: tagged(name) });
    let base = with(
        &network(),
        [
            (a, in_a.into()),
            (b, in_b.into()),
            thing(CLUSTER, InternetGateway { vpc: the_vpc(), tags: tagged(CLUSTER) }),
            address("one"),
            address("two"),
            thing("nat", nat.clone()),
            thing("private", table),
        ],
    );
    let labelled = tagged_also("one", "kspot.io/x", "1");
    stage
        .round_trip(&[
            base.clone(),
            with(
                &base,
                [
                    thing("nat", NatGateway { tags: tagged_also("nat", "kspot.io/x", "1"), ..nat.clone() }),
                    thing("one", ElasticIp { tags: labelled }),
                ],
            ),
        ])
        .await;

    stage.apply(&base).await;
    let before = stage.ids(Kind::NatGateway).await;
    stage.apply(&with(&base, [thing("nat", NatGateway { address: Ref::to(Kind::ElasticIp, "two"), ..nat })])).await;
    assert_ne!(stage.ids(Kind::NatGateway).await, before);
}

fn group(name: &str) -> (Addr, Resource) {
    thing(name, SecurityGroup { vpc: the_vpc(), description: format!("Security group for {name}"), tags: tagged(name) })
}

fn rule(direction: Direction, protocol: &str, ports: Option<(i32, i32)>, peer: Peer) -> SecurityGroupRule {
    let mut rule = SecurityGroupRule {
        group: Ref::to(Kind::SecurityGroup, "masters"),
        direction,
        protocol: protocol.to_owned(),
        from_port: ports.map(|p| p.0),
        to_port: ports.map(|p| p.1),
        peer,
        description: String::new(),
        tags: Default::default(),
    };
    rule.tags = tagged(&rule.name());
    rule
}

fn under_its_name(rule: SecurityGroupRule) -> (Addr, Resource) {
    thing(&rule.name(), rule)
}

/// Rules of every shape that a cluster needs come back as they were asked for.
#[tokio::test]
async fn security_groups_and_rules() {
    use Direction::{Egress, Ingress};
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let v4 = || Peer::Ipv4("0.0.0.0/0".into());
    let v6 = || Peer::Ipv6("::/0".into());
    let from = |name: &str| Peer::Group(Ref::to(Kind::SecurityGroup, name));
    let admin = rule(Ingress, "tcp", Some((443, 443)), Peer::Ipv4("198.51.100.0/24".into()));
    let base = with(
        &network(),
        [
            group("masters"),
            group("nodes"),
            under_its_name(rule(Egress, "-1", None, v4())),
            under_its_name(rule(Egress, "-1", None, v6())),
            under_its_name(rule(Ingress, "-1", None, from("masters"))),
            under_its_name(rule(Ingress, "tcp", Some((1, 2379)), from("nodes"))),
            under_its_name(rule(Ingress, "udp", Some((1, 65535)), from("nodes"))),
            under_its_name(rule(Ingress, "4", None, from("nodes"))),
            under_its_name(rule(Ingress, "icmp", Some((3, 4)), v4())),
            under_its_name(rule(Ingress, "icmpv6", None, v6())),
            under_its_name(admin.clone()),
        ],
    );
    let relabelled = tagged_also(&admin.name(), "kspot.io/x", "1");
    let told = SecurityGroupRule { description: "the office".into(), tags: relabelled, ..admin };
    let tags = tagged_also("nodes", "kspot.io/x", "1");
    let nodes = SecurityGroup { vpc: the_vpc(), description: "Security group for nodes".into(), tags };
    stage.round_trip(&[base.clone(), with(&base, [under_its_name(told), thing("nodes", nodes)])]).await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}

/// Groups and rules that controllers in the cluster made are not ours; a rule that we want and that is there becomes
/// ours.
#[tokio::test]
async fn foreign_rules_stay_and_wanted_ones_are_adopted() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let base = with(&network(), [group("masters")]);
    stage.apply(&base).await;
    let ec2 = &stage.cloud.ec2;
    let (vpc, masters) = (stage.ids(Kind::Vpc).await.remove(0), stage.ids(Kind::SecurityGroup).await.remove(0));
    let tag = |k: &str, v: &str| Tag::builder().key(k).value(v).build();
    let tags = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroup)
        .tags(tag("KubernetesCluster", CLUSTER))
        .tags(tag(&format!("kubernetes.io/cluster/{CLUSTER}"), "owned"));
    let foreign = ec2.create_security_group().group_name("k8s-elb-a1").description("by a controller").vpc_id(vpc);
    foreign.tag_specifications(tags.build()).send().await.unwrap();
    for port in [80, 443] {
        let open = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
        let open = open.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
        ec2.authorize_security_group_ingress().group_id(&masters).ip_permissions(open).send().await.unwrap();
    }

    let https = rule(Direction::Ingress, "tcp", Some((443, 443)), Peer::Ipv4("0.0.0.0/0".into()));
    let https = SecurityGroupRule { description: "the API".into(), ..https };
    stage.apply(&with(&base, [under_its_name(https)])).await;
    stage.apply(&base).await;
    let group = Filter::builder().name("group-id").values(&masters).build();
    let left = stage.cloud.ec2.describe_security_group_rules().filters(group).send().await.unwrap();
    let ports: Vec<_> = left.security_group_rules().iter().map(|r| r.from_port()).collect();
    assert_eq!(ports, [Some(80)]);
}

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGM7CW4QFU9jLffGhwrlQ4ivZFKQPaaVip+STf92adBj";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCl1vU74QE7AbaH10CumPcbNc6zvjM2uXsEc9PjovcZONmCU8c9BOCT4E2ZT7Z4ohLZrMLS2oT+E/KWAokRN6Zb6UigftcJsJelQ8DqNZPzJEb6/c0IuEIKtfbk3DSNazw1BCf/2SHFo693oON2saGzovs2RN8Z2EJLgBd7xSVqWTJq7EBUu2NSYUzO4rxgJUO4VN45ZQVLDcTHU0UULkSB0N57/ztjTa1aG3VxWwz6z8JR1CLcbA1/dxb0xdzlRQKjnyeDV+yNClkjQ8oPmMLzxkt/Q81NpipmK5oDXd3wXIPMffPeJuH6U0TDZ6NQwixYV3BHAfx8poL3qxjvSq7N";

/// A key pair is its public key, whatever comment it came with.
#[tokio::test]
async fn key_pairs() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    for material in [ED25519, RSA] {
        let key = KeyPair { public_key: material.into(), tags: tagged("kubernetes.c") };
        let tagged = KeyPair { tags: tagged_also("kubernetes.c", "kspot.io/x", "1"), ..key.clone() };
        stage.round_trip(&[desired([thing("kubernetes.c", key)]), desired([thing("kubernetes.c", tagged)])]).await;
    }
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}

/// An etcd volume grows in place; the cluster's other volumes are not seen at all.
#[tokio::test]
async fn volumes() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let tag = |k: &str, v: &str| Tag::builder().key(k).value(v).build();
    let claims = TagSpecification::builder()
        .resource_type(ResourceType::Volume)
        .tags(tag("Name", "c-dynamic-pvc-1"))
        .tags(tag("KubernetesCluster", CLUSTER));
    let foreign = stage.cloud.ec2.create_volume().availability_zone(format!("{REGION}a")).size(1);
    let foreign = foreign.tag_specifications(claims.build()).send().await.unwrap();

    let volume = Volume {
        zone: format!("{REGION}a"),
        size_gib: 20,
        volume_type: "gp3".into(),
        iops: Some(3000),
        throughput: Some(125),
        encrypted: true,
        kms_key: None,
        tags: tagged_also("a.etcd-main.c", "k8s.io/etcd/main", "a/a"),
    };
    let other = Volume { kms_key: Some("alias/etcd".into()), ..volume.clone() };
    let other = Volume { tags: tagged_also("b.etcd-main.c", "k8s.io/etcd/main", "b/b"), ..other };
    let base = desired([thing("a.etcd-main.c", volume.clone()), thing("b.etcd-main.c", other)]);
    let mut more_tags = volume.tags.clone();
    more_tags.insert("kspot.io/x".into(), "1".into());
    stage
        .round_trip(&[
            base.clone(),
            with(&base, [thing("a.etcd-main.c", Volume { size_gib: 40, tags: more_tags, ..volume.clone() })]),
            with(
                &base,
                [thing(
                    "a.etcd-main.c",
                    Volume { size_gib: 40, iops: Some(6000), throughput: Some(250), ..volume.clone() },
                )],
            ),
            with(
                &base,
                [thing(
                    "a.etcd-main.c",
                    Volume { size_gib: 40, volume_type: "io2".into(), iops: Some(4000), throughput: None, ..volume },
                )],
            ),
        ])
        .await;
    assert_eq!(bed.inventory().kinds["ec2/volume"], [foreign.volume_id().unwrap()]);
}

/// A private zone answers in its VPC; its records, and those that others wrote into it, go with it.
#[tokio::test]
async fn hosted_zones_and_records() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let zone = HostedZone { vpc: the_vpc(), region: REGION.into(), tags: tagged("example.com") };
    let record = |name: &str, kind: &str, ttl, values: &[&str]| {
        let record = RecordSet {
            zone: Ref::to(Kind::HostedZone, "example.com"),
            name: name.into(),
            record_type: kind.into(),
            answer: Answer::Values { ttl, values: values.iter().map(|v| (*v).to_owned()).collect() },
        };
        thing(&record.address_name(), record)
    };
    let base = with(
        &network(),
        [
            thing("example.com", zone.clone()),
            record("api.c.example.com", "A", 60, &["203.0.113.1"]),
            record("api.c.example.com", "AAAA", 60, &["2001:db8::1"]),
            record("*.c.example.com", "A", 60, &["203.0.113.1", "203.0.113.2"]),
        ],
    );
    stage.apply(&base).await;
    let id = stage.ids(Kind::HostedZone).await.remove(0);
    let elsewhere = Ref::to(Kind::Vpc, "second");
    let second = thing("second", Vpc { cidr: "10.9.0.0/16".into(), tags: tagged("second"), ..vpc() });
    let moved = HostedZone { vpc: elsewhere, tags: tagged_also("example.com", "kspot.io/x", "1"), ..zone };
    let next = with(&base, [record("api.c.example.com", "A", 30, &["203.0.113.9"]), second.clone()]);
    let by_hand = stage.cloud.route53.change_resource_record_sets().hosted_zone_id(&id);
    by_hand.change_batch(txt_record("other.example.com")).send().await.unwrap();
    stage.round_trip(&[with(&base, [second]), next.clone(), with(&next, [thing("example.com", moved)])]).await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}

fn txt_record(name: &str) -> aws_sdk_route53::types::ChangeBatch {
    use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
    let value = ResourceRecord::builder().value("\"x\"").build().unwrap();
    let record = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(60).resource_records(value);
    let change = Change::builder().action(ChangeAction::Create).resource_record_set(record.build().unwrap());
    ChangeBatch::builder().changes(change.build().unwrap()).build().unwrap()
}

/// A create that AWS carried out but whose answer was lost leaves exactly one thing.
#[tokio::test]
async fn a_lost_answer_leaves_one() {
    let bed = Bed::with_faults();
    let mut stage = Stage::on(&bed).await;
    let lost = [
        "CreateVpc",
        "CreateSubnet",
        "AllocateAddress",
        "CreateInternetGateway",
        "CreateSecurityGroup",
        "CreateDhcpOptions",
        "AuthorizeSecurityGroupIngress",
    ];
    let rules: Vec<_> =
        lost.iter().map(|action| json!({"service": "ec2", "action": action, "nth": [1], "do": "drop_after"})).collect();
    bed.faults(json!(rules));
    let (a, in_a) = subnet("a", "a", 1);
    let wanted = with(
        &network(),
        [
            (a, in_a.into()),
            thing("one", ElasticIp { tags: tagged("one") }),
            thing(CLUSTER, InternetGateway { vpc: the_vpc(), tags: tagged(CLUSTER) }),
            group("masters"),
            under_its_name(rule(Direction::Ingress, "tcp", Some((22, 22)), Peer::Ipv4("198.51.100.0/24".into()))),
        ],
    );
    stage.apply(&wanted).await;
    let dropped = bed.fault_log().iter().filter(|r| r.injected.as_deref() == Some("drop_after")).count();
    assert_eq!(dropped, lost.len());
}

/// Lists that come one item a page are read to their end: nothing is missing, nothing is made twice.
#[tokio::test]
async fn every_page_is_read() {
    let bed = Bed::with_pages(&["--page-size", "1"]);
    let mut stage = Stage::on(&bed).await;
    let (a, in_a) = subnet("a", "a", 1);
    let (b, in_b) = subnet("b", "b", 2);
    let table = |name: &str, subnet: &Addr| {
        let subnets = BTreeSet::from([Ref::Addr(subnet.clone())]);
        thing(name, RouteTable { vpc: the_vpc(), routes: BTreeMap::new(), subnets, tags: tagged(name) })
    };
    let ssh = |from: &str| under_its_name(rule(Direction::Ingress, "tcp", Some((22, 22)), Peer::Ipv4(from.into())));
    let wanted = with(
        &network(),
        [
            table("a", &a),
            table("b", &b),
            (a, in_a.into()),
            (b, in_b.into()),
            group("masters"),
            group("nodes"),
            ssh("198.51.100.0/24"),
            ssh("203.0.113.0/24"),
        ],
    );
    stage.round_trip(&[wanted]).await;
}
