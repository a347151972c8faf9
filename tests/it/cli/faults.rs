//! Whole commands on a bad day of AWS. Tier: corrected moto behind the fault proxy.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Desk;
use crate::bed::{Bed, Request};

const CREATE: &str = "create cluster --zones eu-west-1a --control-plane-size m5.large --node-size m5.large,m5a.large \
                      --node-count 1 --admin-access 198.51.100.0/24";
const DELETE: &str = "delete cluster c.k8s.local --yes";

/// Throttled requests are sent again: create, update, set and delete end as if nothing had happened, and say that they
/// were held up. (One request in eight: no request fails six times in a row by chance.)
#[test]
fn throttling_is_outlasted() {
    let said = bad_day(json!([
        {"service": "s3", "p": 0.12, "do": "error", "code": "SlowDown", "status": 503},
        {"service": "ec2", "p": 0.12, "do": "error", "code": "RequestLimitExceeded", "status": 503},
        {"service": "sqs|events|sts", "p": 0.12, "do": "error", "code": "ThrottlingException", "status": 400},
        {"service": "autoscaling|elasticloadbalancing|iam", "p": 0.12, "do": "error", "code": "Throttling", "status": 400},
    ]));
    assert!(said.contains("trying again"), "{said}");
}

/// Failures on AWS's side are outlasted, although each may have been done or not.
#[test]
fn server_errors_are_outlasted() {
    bad_day(json!([
        {"service": "s3|ec2", "p": 0.05, "do": "error", "code": "InternalError", "status": 500},
        {"p": 0.1, "do": "error", "code": "ServiceUnavailable", "status": 503},
    ]));
}

/// Connections that break before the request arrives, and answers that break off, are outlasted.
#[test]
fn cut_connections_are_outlasted() {
    bad_day(json!([
        {"writes": true, "p": 0.06, "do": "drop_before"},
        {"writes": false, "p": 0.03, "do": "drop_before"},
        {"writes": false, "p": 0.03, "do": "truncate"},
    ]));
}

/// An object whose content breaks off is asked for again; one that always does ends in an error that names it.
#[test]
fn content_that_breaks_off_is_read_again() {
    let desk = Desk::on(Bed::with_faults());
    desk.ok(CREATE);
    let cut = |times: u32| json!([{"service": "s3", "action": "GET /bucket/key", "times": times, "do": "truncate"}]);
    desk.bed.faults(cut(3));
    desk.ok("get clusters");
    let injected = desk.bed.fault_log().iter().filter(|p| p.injected.as_deref() == Some("truncate")).count();
    assert_eq!(injected, 3);
    desk.bed.faults(cut(1000));
    let said = desk.fails(1, "get clusters");
    assert!(said.contains("was cut off") && said.contains("c.k8s.local/"), "{said}");
}

/// Every changing call of an update loses its first answer: nothing is made twice, in particular no second VPC.
#[test]
fn lost_answers_leave_nothing_twice() {
    let (desk, wanted) = undisturbed();
    let lost: Vec<Value> = writes(&desk.bed.requests())
        .iter()
        .map(|(service, action)| {
            json!({"service": service, "action": regex::escape(action), "times": 1, "do": "drop_after"})
        })
        .collect();
    let names = lost.len();
    let desk = Desk::on(Bed::with_faults());
    desk.ok(CREATE);
    desk.bed.faults(Value::Array(lost));
    desk.ok("update cluster --yes");
    let dropped = desk.bed.fault_log().iter().filter(|p| p.injected.as_deref() == Some("drop_after")).count();
    assert!(dropped >= 28 && dropped <= names, "{dropped} of {names}");
    assert_eq!(desk.shape()["ec2/vpc"].len(), 1);
    assert_eq!(desk.shape(), wanted);
    desk.bed.faults(json!([]));
    desk.settled();
    desk.ok(DELETE);
    desk.only_the_store_is_left();
}

/// EC2 answers as it was half a second before each write, and creates lose their answers: still nothing is made twice.
#[test]
fn stale_reads_mislead_nobody() {
    let (_, wanted) = undisturbed();
    let desk = Desk::on(Bed::with_faults());
    desk.ok(CREATE);
    let stale =
        json!({"service": "ec2|autoscaling|elasticloadbalancing|iam", "writes": false, "ms": 500, "do": "stale"});
    let lost = |action: &str| json!({"action": action, "times": 1, "do": "drop_after"});
    let creates = ["CreateVpc", "CreateSubnet", "CreateInternetGateway", "CreateRouteTable", "CreateSecurityGroup"];
    desk.bed.faults(creates.iter().map(|a| lost(a)).chain([stale]).collect());
    desk.ok("update cluster --yes");
    assert_eq!(desk.shape(), wanted);
    desk.bed.faults(json!([]));
    desk.settled();
}

/// A right that is missing stops what needs it and nothing else: exit 6 names the call and the root cause once, counts
/// what was not tried, and the same command goes on when the right is there.
#[test]
fn a_missing_right_is_told_once() {
    let (_, wanted) = undisturbed();
    let desk = Desk::on(Bed::with_faults());
    desk.ok(CREATE);
    desk.bed.faults(json!([{"service": "ec2", "action": "CreateSubnet", "do": "error", "status": 403,
        "code": "UnauthorizedOperation", "message": "You are not authorized to perform this operation."}]));
    let said = desk.fails(6, "update cluster --yes");
    let verdict: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("error:")).collect();
    assert!(verdict[0].starts_with("error: 1 of ") && verdict[0].ends_with(" changes failed"), "{said}");
    let cause = "can't create subnet/eu-west-1a.c.k8s.local: UnauthorizedOperation: You are not authorized";
    assert!(verdict[1].contains(cause), "{said}");
    assert!(verdict[2].ends_with("not tried: what they need failed"), "{said}");
    let hints = ["hint: `kspot iam policy`", "hint: nothing is lost: the same command continues"];
    assert!(verdict[3..].iter().zip(hints).all(|(line, hint)| line.starts_with(hint)), "{said}");
    assert_eq!(verdict.len(), 5, "{said}");
    desk.bed.faults(json!([]));
    let said = desk.ok("update cluster --yes").stderr;
    assert!(said.contains("the last update did not end well: subnet/eu-west-1a.c.k8s.local"), "{said}");
    assert_eq!(desk.shape(), wanted);
    desk.settled();
}

/// A deletion that AWS refuses in one place keeps the specs, and the same command ends it later.
#[test]
fn a_refused_deletion_keeps_the_specs() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.ok("update cluster --yes");
    desk.bed.faults(json!([{"service": "iam", "action": "DeleteRole", "do": "error", "status": 403,
        "code": "AccessDenied", "message": "no"}]));
    let said = desk.fails(6, DELETE);
    assert!(said.contains("can't delete iam-role/masters.c.k8s.local: AccessDenied: no"), "{said}");
    assert_eq!(desk.ok("get clusters -o name").stdout, "c.k8s.local\n");
    desk.bed.faults(json!([]));
    desk.ok(DELETE);
    desk.only_the_store_is_left();
}

/// A cluster's life while AWS misbehaves ends as one in peace. Gives what was said.
fn bad_day(rules: Value) -> String {
    let (_, wanted) = undisturbed();
    let desk = Desk::on(Bed::with_faults());
    desk.bed.faults(rules);
    let mut said = desk.ok(CREATE).stderr;
    said += &desk.ok("update cluster --yes").stderr;
    assert_eq!(desk.shape(), wanted);
    said += &desk.ok("set ig nodes-* spec.maxSize=4").stderr;
    said += &desk.ok("update cluster --yes").stderr;
    desk.settled();
    let history = desk.json("history");
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
    said += &desk.ok(DELETE).stderr;
    desk.bed.faults(json!([]));
    desk.only_the_store_is_left();
    said
}

/// The same cluster made in peace, and what that leaves.
fn undisturbed() -> (Desk, super::Shape) {
    let desk = Desk::new();
    desk.ok(CREATE);
    desk.ok("update cluster --yes");
    let shape = desk.shape();
    (desk, shape)
}

/// The changing calls among requests, each once.
fn writes(requests: &[Request]) -> BTreeSet<(&str, &str)> {
    requests.iter().filter(|r| !r.reads()).map(|r| (r.service.as_str(), r.action.as_str())).collect()
}
