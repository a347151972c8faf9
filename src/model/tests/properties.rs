//! What holds for every cluster, over the fixtures and over made-up ones.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Fixture, cases};
use crate::apply::{self, Silent};
use crate::cloud::memory::MemoryCloud;
use crate::cloud::{Cloud, Live};
use crate::model::{scope, scope_of_name};
use crate::plan;
use crate::resource::{Addr, Kind, Ref, Resource, reference, tags};

/// Applies the desired state of a fixture to an empty cloud; then nothing is left to do.
fn converges(fixture: &Fixture) {
    let desired = fixture.build();
    let plan = plan::build(&desired, &Live::new());
    plan::steps(&plan).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cloud = MemoryCloud::new();
        let stop = tokio_util::sync::CancellationToken::new();
        let outcome = apply::run(&plan, &Live::new(), &cloud, &Silent, &stop).await.unwrap();
        assert!(outcome.is_complete(), "{:?}", outcome.failed);
        let scope = scope(fixture.cluster.name(), &desired);
        let live = cloud.observe(&scope).await.unwrap();
        assert!(plan::build(&desired, &live).is_empty());
    });
}

/// Every reference leads to something desired, or is by the id of something shared.
fn references_resolve(fixture: &Fixture) {
    let desired = fixture.build();
    for (addr, resource) in &desired {
        reference::visit(&resource.to_value(), &mut |r| match r {
            Ref::Addr(target) => assert!(desired.contains_key(&target), "{addr} refers to {target}"),
            Ref::Id(id) => assert!(!id.is_empty(), "{addr} refers to nothing"),
        });
    }
}

/// Every tag that tells ours from others' is there, with the right name.
fn everything_is_marked(fixture: &Fixture) {
    for (addr, resource) in fixture.build() {
        let value = resource.field("tags");
        let Some(found) = value.as_object() else { continue };
        let wanted = tags::owned(fixture.cluster.name(), &addr.name);
        for (key, value) in wanted.iter().filter(|(k, _)| *k != tags::NAME) {
            assert_eq!(found.get(key).and_then(|v| v.as_str()), Some(value.as_str()), "{addr} {key}");
        }
        assert!(found.contains_key(tags::NAME), "{addr}");
        assert!(found.iter().all(|(k, v)| k.len() <= 128 && v.as_str().unwrap().len() <= 256), "{addr}: {found:?}");
        assert!(found.len() <= 50, "{addr} has {} tags", found.len());
    }
}

fn check(fixture: &Fixture) {
    references_resolve(fixture);
    everything_is_marked(fixture);
    converges(fixture);
}

/// The fixtures keep every rule.
#[test]
fn fixtures_keep_the_rules() {
    cases().iter().for_each(|case| check(&Fixture::read(case)));
}

/// The same input gives the same bytes, whatever the order in which groups and subnets are written.
#[test]
fn order_is_no_difference() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let mut other = Fixture::read(&case);
        other.groups.reverse();
        other.cluster.spec.kubernetes_api_access.reverse();
        let (a, b) = (fixture.build(), other.build());
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "{case}");
    }
}

/// Nothing that the spec gives by id is among what kspot makes, and no security rule of ours is in a shared group.
#[test]
fn shared_things_are_only_referred_to() {
    let fixture = Fixture::read("shared-subnets");
    let desired = fixture.build();
    let network = [Kind::Vpc, Kind::Subnet, Kind::InternetGateway, Kind::RouteTable, Kind::NatGateway, Kind::ElasticIp];
    assert!(desired.keys().all(|a| !network.contains(&a.kind)));
    assert!(!desired.contains_key(&Addr::new(Kind::IamRole, "nodes.shared.example.com")));
    let rules = desired.values().filter_map(|r| match r {
        Resource::SecurityGroupRule(rule) => Some(rule),
        _ => None,
    });
    assert!(rules.into_iter().all(|r| r.group.addr().is_some()));
}

/// Things that no tag filter finds are looked for by name, also when only the cluster's name is known.
#[test]
fn the_scope_finds_what_has_no_filter() {
    let fixture = Fixture::read("queue-mode");
    let desired = fixture.build();
    let (full, bare) = (scope("queue.example.com", &desired), scope_of_name("queue.example.com"));
    let named =
        [Kind::IamRole, Kind::InstanceProfile, Kind::LoadBalancer, Kind::TargetGroup, Kind::Queue, Kind::EventRule];
    for addr in desired.keys().filter(|a| named.contains(&a.kind)) {
        assert!(full.names(addr.kind).any(|n| n == addr.name), "{addr}");
        assert!(bare.names(addr.kind).any(|n| n == addr.name), "{addr}");
    }
    assert!(full.labels.contains("drain-me"), "{:?}", full.labels);
    assert!(!full.labels.contains("KubernetesCluster"));
}

/// Documents and provider, which have no filter and whose names the cluster's alone does not tell, are in the scope that
/// an apply leaves behind.
#[test]
fn the_scope_finds_the_issuer() {
    let fixture = Fixture::read("irsa");
    let desired = fixture.build();
    let left = crate::model::scope_of_desired("irsa.example.com", &desired);
    let place = "eu-central-1/irsa-tokens/irsa.example.com/openid/v1/jwks";
    assert!(left.names(Kind::DiscoveryDocument).any(|n| n == place), "{left:?}");
    let arn = "arn:aws:iam::123456789012:oidc-provider/irsa-tokens.s3.eu-central-1.amazonaws.com/irsa.example.com";
    assert_eq!(left.names(Kind::OidcProvider).collect::<Vec<_>>(), [arn]);
    assert!(left.names(Kind::IamRole).any(|n| n == "backup.shop.sa.irsa.example.com"));
}

/// Two groups whose names would be one Auto Scaling group are refused, not merged.
#[test]
fn colliding_names_are_refused() {
    let mut fixture = Fixture::read("minimal");
    fixture.groups[1].metadata.name = "control-plane-us-east-1a.masters".into();
    let image = fixture.facts.images["nodes-us-east-1a"].clone();
    fixture.facts.images.insert("control-plane-us-east-1a.masters".into(), image);
    let error = super::build(&fixture.input()).unwrap_err();
    assert!(error.message().contains("two parts of the spec make"), "{error}");
}

fn shape() -> impl Strategy<Value = String> {
    let zones = 1..=3_usize;
    let nat = prop::sample::select(vec!["None", "Single", "PerZone"]);
    (zones, any::<bool>(), nat, any::<bool>(), any::<bool>(), any::<bool>(), 0..=3_usize).prop_map(
        |(zones, private, nat, ha, bastion, handler, workers)| {
            let letters = &["a", "b", "c"][..zones];
            let kind = if private { "Private" } else { "Public" };
            let mut text = format!(
                "apiVersion: kspot.io/v1alpha1\nkind: Cluster\nmetadata: {{name: c.example.com}}\nspec:\n  sshAccess: [10.0.0.0/8]\n  topology: {{nat: {nat}}}\n  nodeTerminationHandler: {{enabled: {handler}}}\n  subnets:\n"
            );
            for z in letters {
                text.push_str(&format!("  - {{name: us-east-1{z}, zone: us-east-1{z}, type: {kind}}}\n"));
                text.push_str(&format!("  - {{name: utility-{z}, zone: us-east-1{z}, type: Utility}}\n"));
            }
            let mut group = |name: String, spec: String| {
                text.push_str(&format!(
                    "---\napiVersion: kspot.io/v1alpha1\nkind: InstanceGroup\nmetadata: {{name: {name}, labels: {{kspot.io/cluster: c.example.com}}}}\nspec: {{{spec}}}\n"
                ));
            };
            for z in &letters[..if ha { zones } else { 1 }] {
                group(format!("cp-{z}"), format!("role: ControlPlane, subnets: [us-east-1{z}]"));
            }
            for n in 0..workers {
                group(format!("nodes-{n}"), "role: Node, maxPrice: \"0.1\"".into());
            }
            if bastion {
                group("bastions".into(), "role: Bastion".into());
            }
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever shape a cluster has, the rules hold, and each worker group is exactly its own things more.
    #[test]
    fn every_shape_keeps_the_rules(specs in shape()) {
        let fixture = Fixture::parse(&specs);
        check(&fixture);
        let desired = fixture.build();
        let groups: BTreeSet<&Addr> = desired.keys().filter(|a| a.kind == Kind::AutoScalingGroup).collect();
        prop_assert_eq!(groups.len(), fixture.groups.len());
    }
}
