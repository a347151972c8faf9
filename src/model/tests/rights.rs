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

/// The control plane reads the instance profiles that a spec brings, and no others.
#[test]
fn given_profiles_may_be_read() {
    let of = |case: &str, role: &str| {
        let found = statements(&Fixture::read(case).build(), role);
        let reads = found.into_iter().filter(|s| list(&s["Action"]).contains(&"iam:GetInstanceProfile"));
        reads.map(|s| s["Resource"].clone()).collect::<Vec<_>>()
    };
    let given = ["arn:aws:iam::123456789012:instance-profile/team-nodes"];
    assert_eq!(of("shared-subnets", "masters.shared.example.com"), given);
    assert!(of("minimal", "masters.minimal.example.com").is_empty());
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

/// The roles of kspot's own addons in the fixture of service accounts' roles.
fn addon_roles() -> Vec<String> {
    let fixture = Fixture::read("irsa");
    let arns = crate::model::iam::addon_roles(&fixture.cluster, &fixture.account);
    arns.values().map(|arn| arn.split_once('/').unwrap().1.to_owned()).collect()
}

/// An addon's role changes nothing that is not the cluster's either, and nothing that another addon's role may.
#[test]
fn addons_are_bound_as_well() {
    let desired = Fixture::read("irsa").build();
    let mut changed = BTreeSet::new();
    for role in addon_roles() {
        let found = statements(&desired, &role);
        assert!(!found.is_empty(), "{role}");
        for statement in &found {
            let in_vpc = list(&statement["Action"]) == ["ec2:CreateSecurityGroup"];
            assert!(in_vpc || is_bound("irsa", statement), "{role}: {statement}");
        }
        let here: BTreeSet<String> = found.iter().flat_map(|s| list(&s["Action"])).map(str::to_owned).collect();
        let changes = here.into_iter().filter(|a| !["Describe", "Get"].iter().any(|verb| a.contains(verb)));
        for action in changes.filter(|a| !a.contains("Tags")) {
            assert!(changed.insert(action.clone()), "{role} is not the only one with {action}");
        }
    }
}

/// Machines lose what addons get: together they may do what machines could before, and pods on them no longer can.
#[test]
fn machines_lose_what_addons_get() {
    let mut fixture = Fixture::read("irsa");
    let actions = |desired: &Desired, role: &str| -> BTreeSet<String> {
        statements(desired, role).iter().flat_map(|s| list(&s["Action"])).map(str::to_owned).collect()
    };
    let machines = "masters.irsa.example.com";
    let with = fixture.build();
    fixture.cluster.spec.service_account_issuer_discovery = None;
    fixture.cluster.spec.iam = None;
    let before = actions(&fixture.build(), machines);
    let kept = actions(&with, machines);
    let moved: BTreeSet<String> = addon_roles().iter().flat_map(|role| actions(&with, role)).collect();
    assert_eq!(kept.union(&moved).cloned().collect::<BTreeSet<_>>(), before);
    for lost in
        ["autoscaling:SetDesiredCapacity", "ec2:CreateVolume", "sqs:ReceiveMessage", "elasticloadbalancing:AddTags"]
    {
        assert!(!kept.contains(lost) && moved.contains(lost), "{lost}");
    }
    let workers = "nodes.irsa.example.com";
    assert_eq!(actions(&with, workers), actions(&fixture.build(), workers));
}

/// A change of the issuer is the control plane's alone: workers' configuration and user data stay.
#[test]
fn workers_know_no_issuer() {
    let mut fixture = Fixture::read("irsa");
    let of_workers = |desired: &Desired| -> Vec<String> {
        let kinds = [Kind::LaunchTemplate, Kind::NodeConfig];
        let found =
            desired.iter().filter(|(addr, _)| kinds.contains(&addr.kind) && !addr.name.contains("control-plane"));
        found.map(|(addr, resource)| format!("{addr} {}", resource.to_value())).collect()
    };
    let with = fixture.build();
    fixture.cluster.spec.service_account_issuer_discovery = None;
    fixture.cluster.spec.iam = None;
    let without = fixture.build();
    assert_eq!(of_workers(&with).len(), 2);
    assert_eq!(of_workers(&with), of_workers(&without));
}

/// A driver that the user installs brings no token for a role of ours: the machine keeps its rights.
#[test]
fn a_driver_of_ones_own_keeps_the_machines_rights() {
    let mut fixture = Fixture::read("irsa");
    let config = fixture.cluster.spec.cloud_config.get_or_insert_default();
    config.aws_ebs_csi_driver.get_or_insert_default().managed = Some(false);
    let desired = fixture.build();
    let kept: Vec<Value> = statements(&desired, "masters.irsa.example.com");
    assert!(kept.iter().any(|s| list(&s["Action"]).contains(&"ec2:CreateVolume")));
    assert!(!desired.keys().any(|a| a.kind == Kind::IamRole && a.name.starts_with("ebs-csi")));
}

/// A provider that the spec leaves to others is named by its ARN and not made.
#[test]
fn the_provider_may_be_somebody_elses() {
    let mut fixture = Fixture::read("irsa");
    let discovery = fixture.cluster.spec.service_account_issuer_discovery.as_mut().unwrap();
    discovery.enable_aws_oidc_provider = Some(false);
    let desired = fixture.build();
    assert!(!desired.keys().any(|a| a.kind == Kind::OidcProvider));
    let Some(Resource::IamRole(role)) = desired.get(&Addr::new(Kind::IamRole, "backup.shop.sa.irsa.example.com"))
    else {
        panic!("no role")
    };
    let arn = "arn:aws:iam::123456789012:oidc-provider/irsa-tokens.s3.eu-central-1.amazonaws.com/irsa.example.com";
    assert_eq!(role.identity_provider, Some(Ref::id(arn)));
}
