//! Every shape of cluster lives once: create, update, nothing left to change, delete, account as before.

use std::collections::BTreeMap;

use aws_sdk_route53::types::ResourceRecordSet;

use super::{Desk, Shape};

const HERE: &str = "create cluster --admin-access 198.51.100.0/24";

/// A private network behind one NAT gateway for all zones.
#[test]
fn private_with_one_nat() {
    let desk = Desk::new();
    let shape = live(&desk, &format!("{HERE} --zones eu-west-1a,eu-west-1b --topology private --nat single"));
    assert_eq!((count(&shape, "ec2/nat-gateway"), count(&shape, "ec2/subnet")), (1, 4));
}

/// A private network behind a NAT gateway in each zone.
#[test]
fn private_with_a_nat_per_zone() {
    let desk = Desk::new();
    let shape = live(&desk, &format!("{HERE} --zones eu-west-1a,eu-west-1b --topology private --nat per-zone"));
    assert_eq!((count(&shape, "ec2/nat-gateway"), count(&shape, "ec2/address")), (2, 2));
}

/// A private network with a bastion and a key for it.
#[test]
fn a_bastion() {
    let desk = Desk::new();
    desk.file("key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJOLQ+7O2zVfKZ4B2o2o2WZQ8mE8m7pCqQ3pCz9y7h0T ann@desk\n");
    let shape = live(
        &desk,
        &format!(
            "{HERE} --zones eu-west-1a --topology private --nat single --bastion --ssh-access 198.51.100.0/24 \
             --ssh-public-key key.pub"
        ),
    );
    assert_eq!((count(&shape, "autoscaling/group"), count(&shape, "ec2/key-pair")), (3, 1));
}

/// An IPv6 network with its egress-only gateway.
#[test]
fn ipv6() {
    let desk = Desk::new();
    let shape = live(&desk, &format!("{HERE} --zones eu-west-1a,eu-west-1b --ipv6"));
    assert_eq!(count(&shape, "ec2/egress-only-internet-gateway"), 1);
}

/// Three control planes in three zones, and one group of workers in each.
#[test]
fn three_control_planes() {
    let desk = Desk::new();
    let shape = live(&desk, &format!("{HERE} --zones eu-west-1a,eu-west-1b,eu-west-1c --control-plane-count 3"));
    assert_eq!((count(&shape, "autoscaling/group"), count(&shape, "ec2/volume") >= 6), (6, true));
}

/// A public hosted zone of somebody else gets the API's record, and loses it again; its other records stay.
#[tokio::test]
async fn public_dns() {
    let desk = Desk::new().env("KSPOT_CLUSTER_NAME", "c.example.com");
    let route53 = aws_sdk_route53::Client::new(&desk.bed.sdk_config().await);
    let zone = route53.create_hosted_zone().name("example.com").caller_reference("1").send().await.unwrap();
    let zone = zone.hosted_zone.unwrap().id;
    let before = records(&route53, &zone).await;
    desk.ok(&format!("{HERE} --zones eu-west-1a --dns public --dns-zone example.com --api-loadbalancer-type public"));
    desk.ok("update cluster --yes");
    let during = records(&route53, &zone).await;
    let added: Vec<&str> = during.iter().map(ResourceRecordSet::name).filter(|n| n.contains("c.example.com")).collect();
    assert!(added.iter().any(|name| name.starts_with("api.c.example.com")), "{added:?}");
    desk.settled();
    desk.ok("delete cluster c.example.com --yes");
    assert_eq!(records(&route53, &zone).await, before);
    let left = desk.bed.inventory().kinds;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["route53/hosted-zone", "s3/bucket"]);
}

/// A private hosted zone is made with the cluster and goes with it.
#[test]
fn private_dns() {
    let desk = Desk::new().env("KSPOT_CLUSTER_NAME", "c.example.com");
    let shape = live(&desk, &format!("{HERE} --zones eu-west-1a --dns private"));
    assert_eq!(count(&shape, "route53/hosted-zone"), 1);
}

/// Workers described by what they must have, not by type.
#[test]
fn attribute_based_workers() {
    let desk = Desk::new();
    desk.ok(&format!("{HERE} --zones eu-west-1a,eu-west-1b --control-plane-zones eu-west-1a"));
    desk.ok("toolbox instance-selector flexible --usage-class spot --vcpus 4 --memory 16GB --gpus 0 --attribute-based");
    let specs = desk.ok("get ig -o yaml").stdout;
    assert!(specs.contains("instanceRequirements:"), "{specs}");
    converges(&desk);
}

/// Spot workers from birth: pools of one size, one group a zone, drained before they are taken.
#[test]
fn spot_at_birth() {
    let desk = Desk::new();
    let line = "--zones eu-west-1a,eu-west-1b --control-plane-zones eu-west-1a --node-usage-class spot --vcpus 2 --memory 8GiB";
    let shape = live_as(&desk, &format!("{HERE} {line}"), |desk| {
        let groups = desk.json("get ig");
        let workers: Vec<_> =
            groups["items"].as_array().unwrap().iter().filter(|g| g["spec"]["role"] == "Node").collect();
        assert_eq!(workers.len(), 2);
        for group in workers {
            let types = group["spec"]["mixedInstancesPolicy"]["instances"].as_array().unwrap();
            assert!(types.len() >= 10, "{group}");
            assert_eq!(group["spec"]["subnets"].as_array().unwrap().len(), 1);
        }
    });
    assert_eq!((count(&shape, "sqs/queue"), count(&shape, "events/rule") > 0), (1, true));
}

/// Names at the limit: AWS's shorter limits are met, and a cluster whose name differs only at its end is another one.
#[test]
fn long_names() {
    let base = "a-cluster-with-a-name-that-is-as-long-as-aws-allows-it-to-be.and-two-labels-of-it.k8s";
    let names = [format!("{base}.example"), format!("{base}.exampla")];
    let desks = Desk::new();
    let empty = desks.shape();
    let mut desk = desks;
    for name in &names {
        desk = desk.env("KSPOT_CLUSTER_NAME", name);
        desk.ok(&format!("{HERE} --zones eu-west-1a --dns none"));
        desk.ok("set cluster spec.nodeTerminationHandler.enabled=true");
        desk.ok("update cluster --yes");
        desk.settled();
    }
    for name in &names {
        desk.ok(&format!("delete cluster {name} --yes"));
    }
    assert_eq!(desk.shape(), empty);
}

/// Creates a cluster and leads it through its life. Gives what it had.
fn live(desk: &Desk, create: &str) -> Shape {
    live_as(desk, create, |_| {})
}

fn live_as(desk: &Desk, create: &str, look: impl FnOnce(&Desk)) -> Shape {
    desk.ok(create);
    look(desk);
    converges(desk)
}

fn converges(desk: &Desk) -> Shape {
    desk.ok("update cluster --yes");
    desk.settled();
    let shape = desk.shape();
    let name = desk.ok("get clusters -o name").stdout;
    desk.ok(&format!("delete cluster {} --yes", name.trim()));
    desk.only_the_store_is_left();
    shape
}

fn count(shape: &BTreeMap<String, Vec<String>>, kind: &str) -> usize {
    shape.get(kind).map_or(0, Vec::len)
}

async fn records(route53: &aws_sdk_route53::Client, zone: &str) -> Vec<ResourceRecordSet> {
    route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap().resource_record_sets
}
