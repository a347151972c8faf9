//! What roles and security groups allow: the rules that a mistake must not soften.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fixture, cases};
use crate::resource::security_group_rule::{Direction, Peer};
use crate::resource::{Addr, Desired, Kind, Ref, Resource};

fn statements(desired: &Desired, role: &str) -> Vec<Value> {
    let Some(Resource::IamRole(role)) = desired.get(&Addr::new(Kind::IamRole, role)) else { panic!("no role {role}") };
    let document: Value = serde_json::from_str(role.policy.as_deref().unwrap_or("{}")).unwrap();
    document["Statement"].as_array().cloned().unwrap_or_default()
}

fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        other => other.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

/// Whether a statement holds for nothing but things of the cluster, or for calls that only read.
fn is_bound(cluster: &str, statement: &Value) -> bool {
    let reads = list(&statement["Action"]).iter().all(|a| {
        let verb = a.split(':').nth(1).unwrap_or_default();
        a.starts_with("ecr:") || ["Describe", "List", "Get"].iter().any(|v| verb.starts_with(v))
    });
    let to_the_cluster = statement["Condition"].to_string().contains(cluster);
    let to_an_arn = list(&statement["Resource"]).iter().all(|r| *r != "*" && r.contains(cluster));
    let by_a_service =
        ["kms:ViaService", "iam:AWSServiceName"].iter().any(|k| statement["Condition"].to_string().contains(k));
    reads || to_the_cluster || to_an_arn || by_a_service
}

/// The control plane changes nothing that is not bound to the cluster's tag, name or prefix.
#[test]
fn every_right_to_change_is_bound() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let cluster = fixture.cluster.name();
        let role = crate::model::naming::Names::of(cluster).iam(crate::spec::Role::ControlPlane);
        for statement in statements(&fixture.build(), &role) {
            // Creating a group is checked for the VPC as well, which may be somebody else's and carries no tag then.
            let in_vpc = list(&statement["Action"]) == ["ec2:CreateSecurityGroup"];
            // The key store's key and the bucket for snapshots are named by the spec.
            let named = list(&statement["Action"]) == ["kms:Decrypt"]
                || statement["Resource"].to_string().contains("arn:aws:s3:::etcd-backups/ha/");
            // The queue's name is the cluster's, shortened where that is long.
            let queue = crate::model::naming::Names::of(cluster).termination_queue();
            assert!(
                in_vpc || named || is_bound(cluster, &statement) || is_bound(&queue, &statement),
                "{case}: {statement}"
            );
        }
    }
}

/// Workers read no state store and change nothing, unless the spec adds statements.
#[test]
fn workers_may_look_and_pull_only() {
    let fixture = Fixture::read("queue-mode");
    let found = statements(&fixture.build(), "nodes.queue.example.com");
    let actions: BTreeSet<&str> = found.iter().flat_map(|s| list(&s["Action"])).collect();
    assert!(actions.iter().all(|a| a.starts_with("ecr:") || *a == "ec2:DescribeInstances"), "{actions:?}");
}

/// The spec's own statements are added to the one inline policy.
#[test]
fn additional_statements_are_merged() {
    let found = statements(&Fixture::read("ha").build(), "nodes.ha.example.com");
    assert_eq!(found.last().unwrap()["Resource"], "arn:aws:s3:::models/*");
    assert!(found.len() > 1);
}

/// The control plane writes to the store only where machines write; never a spec, a key or a configuration.
#[test]
fn the_store_is_written_where_machines_write() {
    let found = statements(&Fixture::read("minimal").build(), "masters.minimal.example.com");
    let writes =
        found.iter().filter(|s| list(&s["Action"]).iter().any(|a| ["s3:PutObject", "s3:DeleteObject"].contains(a)));
    let below = "arn:aws:s3:::kspot-state/clusters/minimal.example.com/";
    for resource in writes.flat_map(|s| list(&s["Resource"])) {
        let rest = resource.strip_prefix(below).unwrap_or_else(|| panic!("{resource}"));
        assert!(["backups/*", "etcd/*", "status/*"].contains(&rest), "{resource}");
    }
}

/// No port of etcd is open to workers or to anybody outside, in any cluster.
#[test]
fn etcd_is_reached_by_the_control_plane_only() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let masters = Ref::to(Kind::SecurityGroup, format!("masters.{}", fixture.cluster.name()));
        for (addr, resource) in fixture.build() {
            let Resource::SecurityGroupRule(rule) = resource else { continue };
            let to_control_plane = rule.group == masters && rule.direction == Direction::Ingress;
            if !to_control_plane || rule.peer == Peer::Group(masters.clone()) || rule.protocol != "tcp" {
                assert!(
                    !to_control_plane || rule.peer == Peer::Group(masters.clone()) || rule.protocol != "-1",
                    "{addr}"
                );
                continue;
            }
            let open = rule.from_port.unwrap()..=rule.to_port.unwrap();
            for port in [2380, 2381, 4001, 4002] {
                assert!(!open.contains(&port), "{case}: {addr} opens {port}");
            }
        }
    }
}

/// SSH is closed unless the spec opens it, and nobody outside reaches machines of a cluster whose spec names nobody.
#[test]
fn nothing_is_open_unless_asked() {
    let desired = Fixture::read("queue-mode").build();
    for (addr, resource) in &desired {
        let Resource::SecurityGroupRule(rule) = resource else { continue };
        let inside = matches!(rule.peer, Peer::Group(_));
        assert!(inside || rule.direction == Direction::Egress, "{addr}");
        assert!(rule.from_port != Some(22), "{addr}");
    }
}

/// Every machine's metadata service wants a token that no pod can get, and every disk is encrypted.
#[test]
fn machines_are_closed_by_default() {
    for case in cases() {
        for (addr, resource) in Fixture::read(&case).build() {
            let Resource::LaunchTemplate(template) = resource else { continue };
            assert_eq!(
                (template.data.metadata.http_tokens.as_str(), template.data.metadata.hop_limit),
                ("required", 1)
            );
            let value = serde_json::to_value(&template.data.block_devices).unwrap();
            let disks = value.as_object().unwrap();
            assert!(disks.values().all(|d| d["ebs"]["encrypted"] == true), "{addr}: {disks:?}");
        }
    }
}
