//! The wait, on a clock that only moves when everything waits.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::validate::report::{Finding, Kind, Severity};

fn report(healthy: bool) -> Report {
    let finding = Finding {
        severity: Severity::Blocks,
        kind: Kind::Node,
        name: "n".into(),
        group: None,
        message: "is not ready".into(),
        since: None,
        boot: None,
    };
    Report::new(Timestamp::UNIX_EPOCH, Vec::new(), if healthy { Vec::new() } else { vec![finding] })
}

/// What a look does: how long it takes, and what it finds.
#[derive(Clone, Copy, Debug)]
enum Look {
    Finds(bool, u64),
    Hangs,
}

/// A clock that jumps to the next moment that somebody waits for.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<(Duration, BTreeSet<Duration>)>>);

#[async_trait]
impl Clock for Fake {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().0
    }

    async fn sleep_until(&self, at: Duration) {
        poll_fn(|_| {
            let mut inner = self.0.lock().unwrap();
            if inner.0 >= at {
                return Poll::Ready(());
            }
            inner.1.insert(at);
            Poll::Pending
        })
        .await;
    }
}

impl Fake {
    /// Runs to the end: whenever nothing can go on, time passes until something can.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            self.0.lock().unwrap().1.clear();
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return done;
            }
            let mut inner = self.0.lock().unwrap();
            inner.0 = *inner.1.first().expect("nothing goes on, and nobody waits for a time");
        }
    }
}

/// A cluster that goes through these looks, and stays at the last; changes are told of at these times.
struct Script {
    looks: VecDeque<Look>,
    changes: VecDeque<u64>,
    clock: Fake,
}

impl Script {
    fn new(looks: &[Look], changes: &[u64]) -> Self {
        Script {
            looks: looks.iter().copied().collect(),
            changes: changes.iter().copied().collect(),
            clock: Fake::default(),
        }
    }
}

#[async_trait]
impl Probe for Script {
    async fn look(&mut self) -> Result<Report> {
        let look = if self.looks.len() > 1 { self.looks.pop_front() } else { self.looks.front().copied() };
        match look {
            Some(Look::Finds(healthy, seconds)) => {
                self.clock.sleep_until(self.clock.now() + Duration::from_secs(seconds)).await;
                Ok(report(healthy))
            }
            Some(Look::Hangs) => std::future::pending().await,
            None => Err(Error::failed("forbidden")),
        }
    }

    async fn changed(&mut self) {
        match self.changes.front() {
            Some(at) => {
                self.clock.sleep_until(Duration::from_secs(*at)).await;
                self.changes.pop_front();
            }
            None => std::future::pending().await,
        }
    }
}

const WELL: Look = Look::Finds(true, 0);
const ILL: Look = Look::Finds(false, 0);

fn patience(wait: u64, count: u32) -> Patience {
    Patience { wait: Duration::from_secs(wait), interval: Duration::from_secs(10), count }
}

fn run(script: &mut Script, patience: Patience) -> (Verdict, Duration, Vec<(bool, u64)>) {
    let (clock, mut told) = (script.clock.clone(), Vec::new());
    let waited = wait(script, &clock, patience, |r, at| told.push((r.healthy, at.as_secs())));
    let verdict = clock.run(waited).unwrap();
    (verdict, clock.now(), told)
}

/// One look is one look, whatever it finds.
#[test]
fn a_single_look() {
    let (verdict, took, told) = run(&mut Script::new(&[WELL], &[]), patience(0, 1));
    assert_eq!((verdict, took, told.len()), (Verdict::Healthy(report(true)), Duration::ZERO, 1));
    let (verdict, _, _) = run(&mut Script::new(&[ILL], &[]), patience(0, 1));
    assert_eq!(verdict, Verdict::TooLate { last: Some(report(false)), well_for: None });
}

/// The deadline is exact, also in the middle of a look that never ends.
#[test]
fn the_deadline_is_exact() {
    let (verdict, took, told) = run(&mut Script::new(&[ILL], &[]), patience(65, 1));
    assert_eq!(verdict, Verdict::TooLate { last: Some(report(false)), well_for: None });
    assert_eq!((took, told.len()), (Duration::from_secs(65), 7));
    let (verdict, took, _) = run(&mut Script::new(&[ILL, Look::Hangs], &[]), patience(65, 1));
    assert_eq!(
        (took, verdict),
        (Duration::from_secs(65), Verdict::TooLate { last: Some(report(false)), well_for: None })
    );
    let (verdict, took, _) = run(&mut Script::new(&[Look::Hangs], &[]), patience(65, 1));
    assert_eq!((took, verdict), (Duration::from_secs(65), Verdict::TooLate { last: None, well_for: None }));
}

/// So many looks in a row, an interval apart: one bad look starts the count again.
#[test]
fn successes_in_a_row() {
    let (verdict, took, told) = run(&mut Script::new(&[ILL, WELL, ILL, WELL], &[]), patience(600, 3));
    assert_eq!((verdict, took), (Verdict::Healthy(report(true)), Duration::from_secs(50)));
    let heard: Vec<bool> = told.iter().map(|(healthy, _)| *healthy).collect();
    assert_eq!(heard, [false, true, false, true, true, true]);
    let (verdict, took, _) = run(&mut Script::new(&[ILL, WELL], &[]), patience(25, 3));
    let well_for = Some(Duration::from_secs(15));
    assert_eq!((verdict, took), (Verdict::TooLate { last: Some(report(true)), well_for }, Duration::from_secs(25)));
}

/// A change is looked at soon, and looks between intervals do not fill the count sooner.
#[test]
fn changes_are_looked_at() {
    let (verdict, took, told) = run(&mut Script::new(&[ILL, WELL], &[2]), patience(600, 1));
    assert_eq!((verdict, took), (Verdict::Healthy(report(true)), Duration::from_secs(3)));
    assert_eq!(told, [(false, 0), (true, 3)]);
    let (verdict, took, _) = run(&mut Script::new(&[WELL], &[2, 4, 6]), patience(600, 2));
    assert_eq!((verdict, took), (Verdict::Healthy(report(true)), Duration::from_secs(10)));
}

/// What no waiting mends ends the wait.
#[test]
fn errors_end_it() {
    let (clock, mut script) = (Fake::default(), Script::new(&[], &[]));
    assert!(clock.run(wait(&mut script, &clock, patience(60, 1), |_, _| ())).is_err());
}

proptest! {
    /// Whatever is found: it never lasts beyond the deadline, and says healthy only if every look for as long as was
    /// asked for was.
    #[test]
    fn never_late_never_wrong(
        found in prop::collection::vec((any::<bool>(), 0..15u64), 1..20),
        mut changes in prop::collection::vec(0..120u64, 0..5),
        deadline in 1..120u64,
        count in 1..4u32,
    ) {
        changes.sort_unstable();
        let looks: Vec<Look> = found.iter().map(|(healthy, seconds)| Look::Finds(*healthy, *seconds)).collect();
        let (verdict, took, told) = run(&mut Script::new(&looks, &changes), patience(deadline, count));
        prop_assert!(took <= Duration::from_secs(deadline));
        match verdict {
            Verdict::Healthy(_) => {
                let end = told.last().unwrap().1;
                let long = u64::from(count - 1) * 10;
                let first = told.iter().rposition(|(healthy, _)| !healthy).map_or(0, |bad| bad + 1);
                prop_assert!(told[first..].iter().all(|(healthy, _)| *healthy));
                prop_assert!(end - told[first].1 >= long);
            }
            Verdict::TooLate { .. } => prop_assert_eq!(took, Duration::from_secs(deadline)),
        }
    }
}
