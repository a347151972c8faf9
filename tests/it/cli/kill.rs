//! kill -9 at any point: the same command, run again, ends where an undisturbed one ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::json;

use super::Desk;
use crate::bed::Bed;

/// How many accounts are worked on at once.
const LANES: usize = 4;

/// Where in a request's life the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before AWS has seen it.
    Before,
    /// After AWS has done it, before the answer.
    After,
}

impl Death {
    fn fault(self) -> &'static str {
        match self {
            Death::Before => "hold",
            Death::After => "hold_after",
        }
    }
}

/// An update that is killed at any of its changing requests, before or after AWS has done it, is completed by the same
/// command: nothing is made twice, nothing is missing, and nothing is left to change.
#[test]
fn an_update_is_continued_after_a_kill() {
    let whole = Desk::new().small();
    let writes = writes_of(&whole, "update cluster --yes");
    let wanted = whole.shape();
    // Before a request is much like after the one before.
    let before = (1..=writes).step_by(8).map(|n| (n, Death::Before));
    in_turn((1..=writes).map(|n| (n, Death::After)).chain(before), |bed, n, death| {
        let desk = Desk::on(bed).small();
        killed_at(&desk, "update cluster --yes", n, death);
        again(&desk, "update cluster --yes");
        desk.settled();
        assert_eq!(desk.shape(), wanted);
        desk.bed
    });
}

/// A deletion that is killed at one of its changing requests is completed by the same command, which says so if there
/// is nothing left to do: account and store are empty.
#[test]
fn a_deletion_is_continued_after_a_kill() {
    let delete = "delete cluster c.k8s.local --yes";
    let whole = Desk::new().small();
    whole.ok("update cluster --yes");
    let writes = writes_of(&whole, delete);
    whole.only_the_store_is_left();
    // The middle is the same calls over and over; the end is where the store goes.
    let turns = (1..=writes).filter(|n| n % 5 == 0 || n + 4 > writes).map(|n| (n, Death::After));
    in_turn(turns, |bed, n, death| {
        let desk = Desk::on(bed).small();
        desk.ok("update cluster --yes");
        killed_at(&desk, delete, n, death);
        if desk.ok("get clusters -o name").stdout.is_empty() {
            let said = desk.fails(1, delete);
            assert!(said.contains("no specs in s3://") && said.contains("nothing on AWS in eu-west-1"), "{said}");
        } else {
            again(&desk, delete);
        }
        desk.only_the_store_is_left();
        desk.ok("delete state-store --yes");
        assert_eq!(desk.bed.inventory().total, 0);
        desk.bed
    });
}

/// A change of specs that is killed at any of its writes is there as a whole or not at all, and the next change goes
/// on from there.
#[test]
fn a_change_of_specs_is_whole_or_not_at_all() {
    let set = "set ig * spec.nodeLabels.team=a";
    let writes = writes_of(&Desk::new().small(), set);
    let turns = (1..=writes).flat_map(|n| [(n, Death::Before), (n, Death::After)]);
    in_turn(turns, |bed, n, death| {
        let desk = Desk::on(bed).small();
        killed_at(&desk, set, n, death);
        let labelled = |desk: &Desk| desk.ok("get ig -o yaml").stdout.matches("team: a").count();
        let found = labelled(&desk);
        assert!(found == 0 || found == 2, "{found} of 2 groups have the label");
        desk.ok("set ig * spec.nodeLabels.next=b");
        assert_eq!(labelled(&desk), found, "what was there stays there");
        desk.ok(set);
        assert_eq!(labelled(&desk), 2);
        let history = desk.json("history");
        let revisions = history["items"].as_array().unwrap();
        assert_eq!(revisions.len(), 3, "one revision a change: {history}");
        assert!(revisions.iter().all(|r| r["who"].as_str().unwrap().starts_with("ann@")), "{history}");
        desk.bed
    });
}

/// Who finds the lock of a dead process in the way is told whose it is, since when, and the command that breaks it.
#[test]
fn a_dead_process_s_lock_is_broken_as_the_message_says() {
    let desk = Desk::on(Bed::with_faults()).small();
    killed_at(&desk, "update cluster --yes", 12, Death::Before);
    let locked = r"error: cluster c\.k8s\.local is locked by ann@\S+ \(process \d+\) since \S+Z, for `update";
    let locked = Regex::new(locked).unwrap();
    for line in ["update cluster --yes", "delete cluster c.k8s.local --yes"] {
        let said = desk.fails(5, line);
        assert!(locked.is_match(&said), "{said}");
    }
    let said = desk.fails(5, "update cluster --yes");
    let hint = Regex::new(r"hint: kspot (lock break \S+ --name \S+), if").unwrap();
    let found = hint.captures(&said).unwrap_or_else(|| panic!("{said}"));
    assert!(desk.fails(1, "lock break 00000000-0000-0000-0000-000000000000").contains("the lock of cluster"));
    desk.ok(&found[1]);
    desk.ok("update cluster --yes");
    desk.settled();
}

/// How many changing requests a command sends when nothing disturbs it.
fn writes_of(desk: &Desk, line: &str) -> usize {
    let before = desk.bed.requests().len();
    desk.ok(line);
    desk.bed.requests()[before..].iter().filter(|r| !r.reads()).count()
}

/// Tries the turns, several at a time, each in an account of its own.
fn in_turn(turns: impl Iterator<Item = (usize, Death)>, attempt: impl Fn(Bed, usize, Death) -> Bed + Sync) {
    let turns: Vec<(usize, Death)> = turns.collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let lane = || {
        let mut bed = Bed::with_faults();
        while let Some((n, death)) = turns.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let renewed = bed.renewed();
            match catch_unwind(AssertUnwindSafe(|| attempt(renewed, n, death))) {
                Ok(used) => bed = used,
                Err(panic) => {
                    next.store(turns.len(), Ordering::Relaxed);
                    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    failed.lock().unwrap().push(format!("killed at request {n}, {death:?}: {said}"));
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs a command and kills it at its n-th changing request. Returns when nothing of it is under way any more.
fn killed_at(desk: &Desk, line: &str, n: usize, death: Death) {
    desk.bed.forget_fault_log();
    desk.bed.faults(json!([{"writes": true, "nth": [n], "do": death.fault()}]));
    let mut child = desk.start(line, &[]);
    await_hold(desk, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while desk.bed.fault_log().iter().any(|passed| passed.injected.is_none() && passed.status.is_none()) {
        assert!(Instant::now() < deadline, "a request is still under way");
        std::thread::sleep(Duration::from_millis(10));
    }
    desk.bed.faults(json!([]));
}

/// Waits until the proxy holds a request back, or the command has ended: where requests go at the same time, their
/// number differs by one or two from run to run.
fn await_hold(desk: &Desk, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "{:?}", desk.bed.fault_log());
        let held = desk.bed.fault_log().iter().any(|passed| match passed.injected.as_deref() {
            Some("hold") => true,
            Some("hold_after") => passed.status.is_some(),
            _ => false,
        });
        if held || child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the command again, after breaking the dead process's lock.
fn again(desk: &Desk, line: &str) {
    if let Some(id) = desk.json("lock show")["lock"]["id"].as_str() {
        desk.ok(&format!("lock break {id}"));
    }
    desk.ok(line);
}
