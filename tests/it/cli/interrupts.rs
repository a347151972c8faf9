//! Ctrl-C: once lets the calls in flight end, twice leaves at once. Tier: corrected moto behind the fault proxy.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Desk;
use crate::bed::{Bed, Output};

const UPDATE: &str = "update cluster --yes";

/// After the first Ctrl-C no further call starts, those in flight end, the lock is given back, and exit 130 says how to
/// go on; the same command ends it.
#[test]
fn once_lets_the_calls_in_flight_end() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.bed.faults(json!([{"action": "CreateVpc", "do": "delay", "ms": 1500}]));
    let child = started(&desk, "CreateVpc");
    interrupt(&child);
    let ended = finished(&desk, child).expect(130);
    assert!(ended.stderr.contains("interrupted: the calls in flight end first"), "{}", ended.stderr);
    assert!(ended.stderr.contains("created vpc/c.k8s.local"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the same command continues: kspot update cluster c.k8s.local --yes"),
        "{}",
        ended.stderr
    );
    let made = desk.shape();
    assert!(made.contains_key("ec2/vpc") && !made.contains_key("ec2/subnet"), "{made:?}");
    desk.bed.faults(json!([]));
    assert!(desk.json("lock show")["lock"].is_null());
    desk.ok(UPDATE);
    desk.settled();
}

/// The second Ctrl-C does not wait for anything.
#[test]
fn twice_leaves_at_once() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.bed.faults(json!([{"action": "CreateVpc", "do": "hold"}]));
    let child = started(&desk, "CreateVpc");
    interrupt(&child);
    let before = Instant::now();
    // Two signals that come together are one: the second is sent until it is noticed.
    let mut child = child;
    while child.try_wait().unwrap().is_none() {
        assert!(before.elapsed() < Duration::from_secs(20), "it still runs");
        std::thread::sleep(Duration::from_millis(50));
        interrupt(&child);
    }
    finished(&desk, child).expect(130);
    desk.bed.faults(json!([]));
    let lock = desk.json("lock show")["lock"]["id"].as_str().expect("nobody gave it back").to_owned();
    desk.ok(&format!("lock break {lock}"));
    desk.ok(UPDATE);
    desk.settled();
}

/// Starts an update and waits until this call has reached AWS.
fn started(desk: &Desk, action: &str) -> Child {
    let child = desk.start(UPDATE, &[]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !desk.bed.fault_log().iter().any(|passed| passed.action == action) {
        assert!(Instant::now() < deadline, "{action} was not called");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn finished(desk: &Desk, child: Child) -> Output {
    desk.kspot.finished(child.wait_with_output().unwrap())
}
