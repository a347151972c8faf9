//! What a drain says while it runs, and when it gives up.

use std::fmt;
use std::time::{Duration, Instant};

use super::News;
use super::node::Subject;
use super::rounds::{Halt, Miss, State};
use crate::error::{Error, Kind};
use crate::kube::error;

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Cordoned(pods) => write!(f, "cordoned and out of load balancers; {} to go", count(*pods)),
            News::Evicted(pod) => write!(f, "pod {pod} is asked to end"),
            News::Gone(pod) => write!(f, "pod {pod} is gone"),
            News::Blocked { pod, by } => write!(f, "pod {pod} has to wait: {by}"),
            News::Trouble(what) => write!(f, "the Kubernetes API fails: {what}; trying again"),
        }
    }
}

fn count(pods: usize) -> String {
    if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") }
}

/// The error of a drain that did not end: what is still there and why, and how to undo what was done.
pub(super) fn given_up(halt: Halt, state: State, after: Duration) -> Error {
    let State { before, ledger, silent, trouble, .. } = state;
    let node = &before.name;
    let left = count(ledger.len());
    let mut error = match halt {
        Halt::Refused(error) => return with_undo(error, &before),
        Halt::Stopped => {
            Error::new(Kind::Interrupted, format!("the drain of node {node} is interrupted: {left} still there"))
        }
        Halt::Late => Error::failed(format!("node {node} is not drained after {}: {left} still there", time(after))),
    };
    for line in ledger.lines(Instant::now()) {
        error = error.detail(line);
    }
    if ledger.has_budget() {
        error =
            error.hint("a budget allows no eviction until enough other pods of it are ready: kubectl get pdb,pods -A");
    }
    if ledger.has_webhook() {
        error = error.hint(error::WEBHOOK);
    }
    if ledger.has_ending() {
        error = match &silent {
            Some(why) => error.hint(format!("the kubelet of node {node}, which ends its pods, says nothing: {why}")),
            None => error.hint("a pod that does not end is perhaps held by a finalizer or a preStop hook"),
        };
    }
    if let Some(trouble) = trouble {
        error = error.because(error::of(&format!("see which pods node {node} still has"), trouble));
    }
    with_undo(error, &before)
}

fn with_undo(error: Error, before: &Subject) -> Error {
    let node = &before.name;
    match before.undo() {
        Some(undo) => error.hint(format!("node {node} stays cordoned and out of load balancers; to undo that: {undo}")),
        None => error.hint(format!("node {node} is cordoned and out of load balancers, as it was before")),
    }
}

/// The error of a node that was not cordoned, or of which nobody knows.
pub(super) fn perhaps_cordoned(miss: Miss, before: &Subject) -> Error {
    match (miss, before.undo()) {
        (Miss::Unknown(error), Some(undo)) => {
            error.hint(format!("if node {} is cordoned all the same, this undoes it: {undo}", before.name))
        }
        (miss, _) => miss.into(),
    }
}

/// The error of a call that was not answered at all.
pub(super) fn silence(doing: &str, after: Duration) -> Error {
    Error::failed(format!("can't {doing}: the Kubernetes API does not answer within {}", time(after)))
        .hint("is the API server up and reachable from here? kspot get instances shows the control plane's machines")
}

/// The error of a drain that was ended before it began.
pub(super) fn stopped_before(node: &str) -> Error {
    Error::new(Kind::Interrupted, format!("the drain of node {node} is interrupted before it began"))
}

/// A time as people say it: `15m`, `1m30s`, `20s`.
fn time(duration: Duration) -> String {
    let seconds = (duration.as_millis() + 500) / 1000;
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s}s"),
        (m, 0) => format!("{m}m"),
        (m, s) => format!("{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times are whole, and short.
    #[test]
    fn times() {
        let said = [300, 20_004, 60_000, 90_000, 900_002].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(said, ["0s", "20s", "1m", "1m30s", "15m"]);
    }
}
