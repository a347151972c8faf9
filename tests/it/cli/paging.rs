//! Lists that come in pages: nothing is overlooked behind the first one. Tier: corrected moto behind the paging stub.

use std::collections::BTreeMap;

use super::Desk;
use crate::bed::Bed;

/// Whole commands when every list has one thing a page: what is made is found again, all of it, and deleted, all of it.
#[test]
fn a_cluster_lives_in_pages() {
    let desk = Desk::on(Bed::with_pages(&["--page-size", "1"]));
    let whole = Desk::new();
    for desk in [&desk, &whole] {
        desk.ok("create cluster --zones eu-west-1a,eu-west-1b --control-plane-zones eu-west-1a --topology private \
             --nat per-zone --admin-access 198.51.100.0/24");
        desk.ok("set cluster spec.nodeTerminationHandler.enabled=true");
        desk.ok("update cluster --yes");
    }
    assert_eq!(desk.shape(), whole.shape());
    desk.settled();
    let asked = asked_by(&desk, "update cluster");
    for list in [
        "autoscaling DescribeAutoScalingGroups",
        "ec2 DescribeLaunchTemplateVersions",
        "ec2 DescribeNatGateways",
        "ec2 DescribeRouteTables",
        "ec2 DescribeSecurityGroupRules",
        "ec2 DescribeSecurityGroups",
        "ec2 DescribeSubnets",
        "ec2 DescribeVolumes",
        "events ListRules",
        "s3 GET /bucket?list-type",
    ] {
        assert!(asked.get(list).is_some_and(|times| *times > 1), "{list}: {asked:#?}");
    }
    let machines = desk.json("get instances --cloud-only")["items"].as_array().unwrap().len();
    assert_eq!(machines, whole.json("get instances --cloud-only")["items"].as_array().unwrap().len());
    assert!(asked_by(&desk, "get instances --cloud-only")["ec2 DescribeInstances"] > 1);
    desk.ok("delete cluster c.k8s.local --yes");
    desk.only_the_store_is_left();
    desk.ok("delete state-store --yes");
    assert_eq!(desk.bed.inventory().total, 0);
}

/// The catalogue in AWS's own pages of a hundred types is the whole catalogue.
#[test]
fn the_catalogue_comes_in_pages() {
    let desk = Desk::with_directory(Bed::with_pages(&["--regional", "--prices"]));
    let line = "instance-types --max-results 0 -o names";
    let asked = asked_by(&desk, line);
    assert!(asked["ec2 DescribeInstanceTypes"] > 5, "{asked:?}");
    let paged = desk.ok(line).stdout;
    assert!(paged.lines().count() > 500);
    assert_eq!(asked_by(&desk, line).get("ec2 DescribeInstanceTypes"), None, "the second time it is cached");
}

/// How often a command asks each question.
fn asked_by(desk: &Desk, line: &str) -> BTreeMap<String, usize> {
    let before = desk.bed.requests().len();
    desk.ok(line);
    let mut asked = BTreeMap::new();
    for request in &desk.bed.requests()[before..] {
        *asked.entry(format!("{} {}", request.service, request.action)).or_default() += 1;
    }
    asked
}
