//! Many people (or one pipeline, many times) change the same specs at once.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::Desk;
use crate::bed::{Bed, Output};

const WRITERS: usize = 32;

/// 32 processes that set a label each on one group lose no label, in a directory.
#[test]
fn no_label_is_lost_in_a_directory() {
    own_labels(&Desk::with_directory(Bed::new()).small());
}

/// 32 processes that set a label each on one group lose no label, on S3. Tier: ministack, whose conditional writes are
/// atomic.
#[test]
fn no_label_is_lost_on_s3() {
    own_labels(&Desk::on(Bed::with_atomic_s3()).small());
}

/// 32 processes that set the same field: what stands in the end is what the last revision wrote, in a directory.
#[test]
fn one_field_has_one_line_of_values_in_a_directory() {
    same_field(&Desk::with_directory(Bed::new()).small());
}

/// 32 processes that set the same field: what stands in the end is what the last revision wrote, on S3. Tier:
/// ministack.
#[test]
fn one_field_has_one_line_of_values_on_s3() {
    same_field(&Desk::on(Bed::with_atomic_s3()).small());
}

fn own_labels(desk: &Desk) {
    let command = |n: usize| format!("set ig spot spec.nodeLabels.w{n}=yes");
    let won = race(desk, command);
    let group = desk.json("get ig spot");
    let labels = &group["items"][0]["spec"]["nodeLabels"];
    for n in 0..WRITERS {
        assert_eq!(labels[format!("w{n}")].is_string(), won.contains(&n), "writer {n} of {won:?}: {labels}");
    }
}

fn same_field(desk: &Desk) {
    let command = |n: usize| format!("set ig spot spec.maxSize={}", 100 + n);
    let won = race(desk, command);
    for (position, revision) in recorded(desk).iter().enumerate().skip(1) {
        let number = position + 1;
        let change = desk.ok(&format!("diff --from {position} --to {number}")).stdout;
        let size = revision["command"].as_str().unwrap().rsplit_once('=').unwrap().1;
        assert!(change.contains(&format!("\n+  maxSize: {size}")), "revision {number}: {change}");
        if number == won.len() + 1 {
            let group = desk.json("get ig spot");
            assert_eq!(group["items"][0]["spec"]["maxSize"].to_string(), size);
        }
    }
}

/// Runs one command for each writer at once. Each one either wins, and then is in the history exactly once, or is told
/// (exit 5) who changed what and when, and is not there. Gives the winners.
fn race(desk: &Desk, command: impl Fn(usize) -> String) -> BTreeSet<usize> {
    let lines: Vec<String> = (0..WRITERS).map(command).collect();
    let started: Vec<_> =
        lines.iter().enumerate().map(|(n, line)| desk.start(line, &[("USER", &format!("writer-{n}"))])).collect();
    let ended = started.into_iter().map(|child| desk.kspot.finished(child.wait_with_output().unwrap()));
    let won: BTreeSet<usize> = ended.enumerate().filter(|(_, o)| has_won(o)).map(|(n, _)| n).collect();
    assert!(!won.is_empty());
    let history = recorded(desk);
    let numbers: Vec<u64> = history.iter().map(|r| r["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=won.len() as u64 + 1).collect::<Vec<_>>(), "a revision for each winner, no gap");
    for (n, line) in lines.iter().enumerate() {
        let times = history.iter().filter(|r| r["command"] == **line).count();
        assert_eq!(times, usize::from(won.contains(&n)), "writer {n}");
    }
    won
}

fn has_won(output: &Output) -> bool {
    let told =
        Regex::new(r"was changed by writer-\d+@\S+ at \d{4}-\d\d-\d\dT\S+ while this command ran \(revision \d+")
            .unwrap();
    match output.exit {
        0 => true,
        5 => {
            assert!(told.is_match(&output.stderr), "{}", output.stderr);
            assert!(output.stderr.contains("nothing of this change was written"), "{}", output.stderr);
            false
        }
        _ => panic!("{output:?}"),
    }
}

/// The revisions, the first one first.
fn recorded(desk: &Desk) -> Vec<Value> {
    let listed = desk.json("history --limit 100");
    let mut revisions = listed["items"].as_array().unwrap().clone();
    revisions.reverse();
    revisions
}
