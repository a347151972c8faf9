use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::cloud::{Attrs, Live, Observed};
use crate::plan::{Change, FieldChange, Reason, build};
use crate::resource::{Addr, Desired, Kind, Ref, Resource, Subnet, Volume, Vpc, tags};
use crate::ui::{ColorWhen, Options, Terminal};

const CLUSTER: &str = "c.example.com";

fn vpc(cidr: &str) -> (Addr, Resource) {
    let vpc = Vpc {
        cidr: cidr.into(),
        additional_cidrs: BTreeSet::new(),
        ipv6: false,
        dns_support: true,
        dns_hostnames: true,
        dhcp_options: Ref::to(Kind::DhcpOptions, CLUSTER),
        tags: tags::owned(CLUSTER, CLUSTER),
    };
    (Addr::new(Kind::Vpc, CLUSTER), vpc.into())
}

fn volume(size_gib: i32) -> (Addr, Resource) {
    let name = format!("a.etcd-main.{CLUSTER}");
    let mut tags = tags::owned(CLUSTER, &name);
    tags.insert("k8s.io/etcd/main".into(), "a/a,b,c".into());
    tags.insert("k8s.io/role/control-plane".into(), "1".into());
    let volume = Volume {
        zone: "eu-west-1a".into(),
        size_gib,
        volume_type: "gp3".into(),
        iops: Some(3000),
        throughput: Some(125),
        encrypted: true,
        kms_key: None,
        tags,
    };
    (Addr::new(Kind::Volume, name), volume.into())
}

fn live(things: impl IntoIterator<Item = (Addr, Resource)>) -> Live {
    let observed = |(n, (a, resource)): (usize, (Addr, Resource))| {
        (a.clone(), Observed { id: format!("{}-{n:08x}", a.kind), attrs: Attrs::new(), resource })
    };
    things.into_iter().enumerate().map(observed).collect()
}

fn desired(things: impl IntoIterator<Item = (Addr, Resource)>) -> Desired {
    things.into_iter().collect::<BTreeMap<_, _>>()
}

fn shown(view: PlanView<'_>) -> String {
    let (ui, out, _) = Ui::captured();
    ui.plan(view);
    out.take()
}

fn place() -> Place {
    Place {
        cluster: CLUSTER.into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        revision: 7,
        groups: Vec::new(),
    }
}

/// A change of one field of a VPC, as a stand-in for kinds with such a field.
fn changed(path: &str, before: Option<&str>, after: Option<&str>) -> Plan {
    let value = |v: Option<&str>| v.map(Into::into);
    let field =
        FieldChange { path: path.into(), before: value(before), after: value(after), forces_replacement: false };
    let (addr, resource) = vpc("10.0.0.0/16");
    let observed = Observed { id: "vpc-1".into(), attrs: Attrs::new(), resource: resource.clone() };
    let change = Change {
        addr,
        action: Action::Update,
        reason: Reason::Changed,
        fields: vec![field],
        unchanged: 11,
        live: Some(observed),
        desired: Some(resource),
    };
    Plan { changes: vec![change], unchanged: 40 }
}

/// What is new shows its main fields: blank ones and the tags that everything has are left out, -v shows all.
#[test]
fn creates_are_compact() {
    let plan = build(&desired([vpc("10.0.0.0/16"), volume(20)]), &Live::new());
    insta::assert_snapshot!(shown(PlanView::new(&plan).place(&place())), @r"
    c.example.com in eu-west-1 of account 123456789012, revision 7

      + vpc/c.example.com  VPC: does not exist
          cidr: 10.0.0.0/16, dnsSupport: true, dnsHostnames: true, dhcpOptions: dhcp-options/c.example.com

      + volume/a.etcd-main.c.example.com  EBS volume: does not exist
          zone: eu-west-1a, sizeGib: 20, volumeType: gp3, iops: 3000, throughput: 125, encrypted: true
          tags: k8s.io/etcd/main=a/a,b,c, k8s.io/role/control-plane=1

    Plan: 2 to create, 0 to change, 0 to replace, 0 to delete; 0 unchanged.
    ");
    insta::assert_snapshot!(shown(PlanView::new(&plan).full(true)), @r"
      + vpc/c.example.com  VPC: does not exist
          cidr: 10.0.0.0/16, additionalCidrs: [], ipv6: false, dnsSupport: true, dnsHostnames: true,
            dhcpOptions: dhcp-options/c.example.com
          tags: KubernetesCluster=c.example.com, Name=c.example.com, kspot.io/cluster=c.example.com,
            kubernetes.io/cluster/c.example.com=owned

      + volume/a.etcd-main.c.example.com  EBS volume: does not exist
          zone: eu-west-1a, sizeGib: 20, volumeType: gp3, iops: 3000, throughput: 125, encrypted: true,
            kmsKey: none
          tags: KubernetesCluster=c.example.com, Name=a.etcd-main.c.example.com, k8s.io/etcd/main=a/a,b,c,
            k8s.io/role/control-plane=1, kspot.io/cluster=c.example.com,
            kubernetes.io/cluster/c.example.com=owned

    Plan: 2 to create, 0 to change, 0 to replace, 0 to delete; 0 unchanged.
    ");
}

/// The texts of something new are sized, and shown whole with -v: policies laid out, whatever form they are kept in.
#[test]
fn texts_of_creates_are_sized() {
    let role = crate::resource::IamRole {
        trust_policy: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#.into(),
        identity_provider: None,
        policy: None,
        managed_policies: BTreeSet::new(),
        permissions_boundary: None,
        tags: tags::owned(CLUSTER, "nodes"),
    };
    let addr = Addr::new(Kind::IamRole, format!("nodes.{CLUSTER}"));
    let plan = build(&desired([(addr, role.into())]), &Live::new());
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r"
      + iam-role/nodes.c.example.com  IAM role: does not exist
          trustPolicy: 4 lines, 72 B (-v shows it)

    Plan: 1 to create, 0 to change, 0 to replace, 0 to delete; 0 unchanged.
    ");
    insta::assert_snapshot!(shown(PlanView::new(&plan).full(true)), @r"
      + iam-role/nodes.c.example.com  IAM role: does not exist
          managedPolicies: [], permissionsBoundary: none
          tags: KubernetesCluster=c.example.com, Name=nodes, kspot.io/cluster=c.example.com,
            kubernetes.io/cluster/c.example.com=owned
          trustPolicy:
            + Version: 2012-10-17
            + Statement:
            + - Effect: Allow
            +   Action: sts:AssumeRole

    Plan: 1 to create, 0 to change, 0 to replace, 0 to delete; 0 unchanged.
    ");
}

/// What changes shows only what differs, and counts the rest.
#[test]
fn updates_show_what_differs() {
    let (addr, mut wanted) = volume(40);
    if let Resource::Volume(v) = &mut wanted {
        v.tags.remove("k8s.io/role/control-plane");
        v.tags.insert("team".into(), "storage \"a\"".into());
    }
    let plan = build(&desired([(addr, wanted)]), &live([volume(20)]));
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r#"
      ~ volume/a.etcd-main.c.example.com  EBS volume: differs from the spec
          sizeGib: 20 -> 40
          - tags.k8s.io/role/control-plane: 1
          + tags.team: "storage \"a\""
          10 fields unchanged

    Plan: 0 to create, 1 to change, 0 to replace, 0 to delete; 0 unchanged.
    "#);
}

/// A replacement names the field that forces it, and what it drags along names what it follows.
#[test]
fn replacements_name_the_forcing_field() {
    let subnet = |cidr: &str| {
        let subnet = Subnet {
            vpc: Ref::to(Kind::Vpc, CLUSTER),
            zone: "eu-west-1a".into(),
            cidr: cidr.into(),
            ipv6: None,
            resource_name_dns: false,
            assign_ipv6: false,
            dns64: false,
            tags: tags::owned(CLUSTER, "eu-west-1a"),
        };
        (Addr::new(Kind::Subnet, "eu-west-1a"), subnet.into())
    };
    let plan = build(
        &desired([vpc("10.0.0.0/16"), subnet("10.0.32.0/19")]),
        &live([vpc("172.20.0.0/16"), subnet("172.20.32.0/19")]),
    );
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r"
    -/+ vpc/c.example.com  VPC: cidr can't be changed in place (old one goes first)
          cidr: 172.20.0.0/16 -> 10.0.0.0/16  (forces replacement)
          9 fields unchanged

    -/+ subnet/eu-west-1a  subnet: cidr can't be changed in place (old one goes first)
          cidr: 172.20.32.0/19 -> 10.0.32.0/19  (forces replacement)
          9 fields unchanged

    Plan: 0 to create, 0 to change, 2 to replace, 0 to delete; 0 unchanged.
    ");
}

/// A deletion says which thing goes and what is lost with it.
#[test]
fn deletes_say_what_is_lost() {
    let plan = build(&Desired::new(), &live([vpc("10.0.0.0/16"), volume(20)]));
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r"
      - vpc/c.example.com  VPC: no spec asks for it
          id: vpc-00000000

      - volume/a.etcd-main.c.example.com  EBS volume: no spec asks for it
          id: volume-00000001
          losing: the etcd data on it

    Data is lost for good with volume/a.etcd-main.c.example.com
    Plan: 0 to create, 0 to change, 0 to replace, 2 to delete; 0 unchanged.
    ");
}

/// A policy is laid out and compared line by line, wherever it is kept as a string.
#[test]
fn policies_are_compared_by_line() {
    let policy = |extra: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["ec2:DescribeInstances"{extra}],"Resource":"*"}}]}}"#
        )
    };
    let plan = changed("policy", Some(&policy("")), Some(&policy(r#","ec2:DescribeTags""#)));
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r"
      ~ vpc/c.example.com  VPC: differs from the spec
          policy: 1 line added, 0 removed
              ... 2 lines
              - Effect: Allow
                Action:
                - ec2:DescribeInstances
            +   - ec2:DescribeTags
                Resource: '*'
          11 fields unchanged

    Plan: 0 to create, 1 to change, 0 to replace, 0 to delete; 40 unchanged.
    ");
}

/// User data is compared by line: far lines are counted, control characters do nothing to the terminal.
#[test]
fn user_data_is_compared_by_line() {
    let script = |hash: &str| {
        let steps: String = (1..=9).map(|n| format!("step {n}\n")).collect();
        format!("#!/bin/bash\n{steps}KSPOT_SHA256={hash}\nexec \u{1b}[31mkspot node boot\n")
    };
    let plan = changed("userData", Some(&script("aaa")), Some(&script("bbb")));
    insta::assert_snapshot!(shown(PlanView::new(&plan)), @r"
      ~ vpc/c.example.com  VPC: differs from the spec
          userData: 1 line added, 1 removed
              ... 7 lines
              step 7
              step 8
              step 9
            - KSPOT_SHA256=aaa
            + KSPOT_SHA256=bbb
              exec �[31mkspot node boot
          11 fields unchanged

    Plan: 0 to create, 1 to change, 0 to replace, 0 to delete; 40 unchanged.
    ");
}

/// Nothing to do is said in one line.
#[test]
fn no_changes() {
    let plan = Plan { changes: Vec::new(), unchanged: 42 };
    insta::assert_snapshot!(shown(PlanView::new(&plan).place(&place())), @"No changes. AWS has c.example.com as its specs ask: 42 resources compared.");
}

/// The cost of the change stands below the plan; what has no price is counted, never 0.
#[test]
fn cost_is_the_last_word() {
    let cost = Cost {
        on_demand_monthly: Some(1412.3),
        spot_monthly: Some(431.8),
        on_demand_delta: Some(140.16),
        spot_delta: None,
        unknown: 2,
        source: "EC2 spot price history and AWS Price List".into(),
        date: jiff::civil::date(2026, 11, 21),
    };
    let plan = changed("dnsSupport", Some("true"), None);
    insta::assert_snapshot!(shown(PlanView::new(&plan).cost(&cost)), @r"
      ~ vpc/c.example.com  VPC: differs from the spec
          - dnsSupport: true
          11 fields unchanged

    Plan: 0 to create, 1 to change, 0 to replace, 0 to delete; 40 unchanged.
    Cost: $431.80/month with spot as asked
          $1,412.30/month (+$140.16) if all were on demand, without 2 machines of unknown price
          machines only, at their groups' smallest sizes; prices: EC2 spot price history and AWS Price List, 2026-11-21
    ");
}

/// Colour says nothing that the signs do not say as well.
#[test]
fn plan_in_colour() {
    let options = Options { color: ColorWhen::Always, ..Options::default() };
    let (ui, out, _) = Ui::for_test(options, Terminal::default(), "");
    let plan = changed("cidr", Some("a"), Some("b"));
    ui.plan(PlanView::new(&plan));
    insta::assert_snapshot!(out.take().replace('\u{1b}', "^"), @r"
    ^[33m  ~^[0m ^[36mvpc/c.example.com^[0m  ^[2mVPC: differs from the spec^[0m
          cidr: ^[31ma^[0m ^[2m->^[0m ^[32mb^[0m
          ^[2m11 fields unchanged^[0m

    ^[1mPlan:^[0m 0 to create, ^[33m1 to change^[0m, 0 to replace, 0 to delete; 40 unchanged.
    ");
}
