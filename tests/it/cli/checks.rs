//! What is checked and told around an update: quotas, forbidden changes, costs, what stays behind, hooks. Tier: corrected
//! moto.

use aws_sdk_ec2::types::{DomainType, ResourceType, Tag, TagSpecification};

use super::{CLUSTER, Desk, SMALL};
use crate::bed::Bed;

/// A quota that is too small is named before anything is made.
#[tokio::test]
async fn quotas_are_checked_first() {
    let desk = Desk::new();
    let ec2 = aws_sdk_ec2::Client::new(&desk.bed.sdk_config().await);
    for _ in 0..4 {
        ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
    }
    desk.ok("create cluster --zones eu-west-1a,eu-west-1b --topology private --nat per-zone --admin-access 10.0.0.0/8");
    let before = desk.bed.inventory();
    let said = desk.fails(1, "update cluster --yes");
    assert!(said.contains("elastic IP: 2 to make, but 4 of 5 are in use"), "{said}");
    let changed: Vec<_> =
        desk.bed.inventory().kinds.into_iter().filter(|(kind, ids)| before.kinds.get(kind) != Some(ids)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// What may not change once a cluster exists is refused with the place of the field, and rolled back with one command.
#[test]
fn forbidden_changes_are_refused() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    desk.ok("set cluster spec.networkCIDR=10.99.0.0/16 spec.subnets[0].cidr=10.99.0.0/17");
    let said = desk.fails(3, "update cluster --yes");
    assert!(said.contains("spec.networkCIDR: ") && said.contains("can't change from 172.20.0.0/16"), "{said}");
    assert!(said.contains("config:"), "the place is named: {said}");
    desk.ok("rollback 1");
    desk.settled();
}

/// A plan that changes machines says what they cost, in text and in JSON; one that changes none says nothing of it.
#[test]
fn plans_say_what_they_cost() {
    let desk = Desk::on(Bed::with_pages(&["--prices", "--regional"])).small();
    let text = desk.ok("update cluster").stdout;
    assert!(text.contains("Cost: $") && text.contains("/month (+$"), "{text}");
    assert!(text.contains("prices: EC2 spot price history, AWS price list of 2026-03-01"), "{text}");
    let cost = desk.json("update cluster")["cost"].clone();
    assert!(cost["spotMonthly"].as_f64() < cost["onDemandMonthly"].as_f64(), "{cost}");
    assert_eq!(cost["unknown"], 0);
    desk.ok("update cluster --yes");
    assert!(desk.json("update cluster").get("cost").is_none());
}

/// Where prices can't be had, they are unknown, never 0, and nothing else suffers.
#[test]
fn unknown_prices_stop_nothing() {
    let desk = Desk::new().small();
    let cost = desk.json("update cluster")["cost"].clone();
    assert!(cost["unknown"].as_u64() > Some(0) && cost.get("onDemandDelta").is_none(), "{cost}");
}

/// The outcome of an apply is in the one JSON document, with every step.
#[test]
fn outcomes_are_data() {
    let desk = Desk::new().small();
    let done = desk.json("update cluster --yes");
    assert_eq!(done["outcome"]["complete"], true);
    let steps = done["outcome"]["done"].as_array().unwrap().len();
    assert_eq!(steps as u64, done["summary"]["create"].as_u64().unwrap());
    assert_eq!(done["outcome"]["failed"].as_array().unwrap().len(), 0);
    let again = desk.json("update cluster --yes");
    assert_eq!(
        (again["outcome"]["complete"].as_bool(), again["outcome"]["done"].as_array().unwrap().len()),
        (Some(true), 0)
    );
}

/// A deletion tells what controllers in the cluster made, and leaves it.
#[tokio::test]
async fn leftovers_are_told() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let ec2 = aws_sdk_ec2::Client::new(&desk.bed.sdk_config().await);
    let tag = Tag::builder().key(format!("kubernetes.io/cluster/{CLUSTER}")).value("owned").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::Volume).tags(tag).build();
    let made =
        ec2.create_volume().availability_zone("eu-west-1a").size(8).tag_specifications(tags).send().await.unwrap();
    let volume = made.volume_id().unwrap();
    let said = desk.ok(&format!("delete cluster {CLUSTER} --yes")).stderr;
    assert!(said.contains(&format!("volume {volume} stays, with the data")), "{said}");
    assert_eq!(desk.bed.inventory().kinds["ec2/volume"], [volume]);
}

/// A lifecycle hook that somebody took away is found by drift, which reads hooks one by one, and put back by --deep.
#[tokio::test]
async fn drift_finds_a_missing_hook() {
    let specs = SMALL.replacen(
        "  kubernetesApiAccess:",
        "  nodeTerminationHandler: {enabled: true}\n  kubernetesApiAccess:",
        1,
    );
    let desk = Desk::new();
    desk.file("specs.yaml", &specs);
    desk.ok("create -f specs.yaml");
    desk.ok("update cluster --yes");
    desk.ok("drift --detailed-exitcode");
    let autoscaling = aws_sdk_autoscaling::Client::new(&desk.bed.sdk_config().await);
    let group = format!("spot.{CLUSTER}");
    let hooks = autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(&group).send().await.unwrap();
    let hook = hooks.lifecycle_hooks()[0].lifecycle_hook_name().unwrap();
    autoscaling.delete_lifecycle_hook().auto_scaling_group_name(&group).lifecycle_hook_name(hook).send().await.unwrap();
    let shown = desk.run("drift --detailed-exitcode").expect(2).stdout;
    assert!(shown.contains("lifecycleHooks"), "{shown}");
    desk.ok("update cluster --deep --yes");
    desk.ok("drift --detailed-exitcode");
}

/// What is wrong between the specs of a file is told with its place in that file, as it was written.
#[test]
fn problems_are_placed_in_the_file_that_was_given() {
    let desk = Desk::new();
    let text =
        SMALL.replacen("  minSize: 1\n  maxSize: 3", "  # more than there may be\n  minSize: 5\n  maxSize: 3", 1);
    desk.file("bad.yaml", &text);
    let first = text.lines().position(|line| line == "  minSize: 5").unwrap() + 1;
    let refused = |desk: &Desk, command: &str| {
        let said = desk.fails(3, command);
        let placed = [first, first + 1].iter().any(|line| said.contains(&format!("bad.yaml:{line}:")));
        assert!(placed, "{command}: {said}");
    };
    refused(&desk, "create -f bad.yaml");
    refused(&desk, "apply -f bad.yaml");
    assert_eq!(desk.ok("get clusters -o name").stdout, "");
    let desk = desk.small();
    desk.file("bad.yaml", &text);
    refused(&desk, "apply -f bad.yaml");
    refused(&desk, "replace -f bad.yaml");
}
