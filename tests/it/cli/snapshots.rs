//! What people read: help, errors, plans, as committed snapshots. `cargo insta review` shows what a change does to them.

use clap::Command;

use super::{Desk, SMALL, words};
use crate::bed::{Bed, Kspot, Output};

/// The help of the root and of every command, examples first.
#[test]
fn help() {
    let kspot = Kspot::offline();
    for_each_command(&kspot::cli::definition(), &mut Vec::new(), &mut |path| {
        let mut line: Vec<&str> = path.iter().map(String::as_str).collect();
        line.push("--help");
        let help = kspot.run(&line).expect(0);
        assert_eq!(help.stderr, "", "help is a result: it goes to stdout");
        let name = path.iter().fold("help".to_owned(), |name, word| format!("{name}-{word}"));
        insta::assert_snapshot!(name, help.stdout);
    });
}

/// Errors that people meet first: what, why, and what to do next.
#[test]
fn errors() {
    let desk = Desk::new().small();
    desk.file("bad.yaml", &SMALL.replace("machineType:", "machineTyp:").replace("maxSize: 3", "maxSize: three"));
    desk.file("torn.yaml", "kind: Cluster\n  metadata: [\n");
    for (name, line) in [
        ("unknown-command", "updat cluster"),
        ("unknown-cluster", "update cluster c.k8s.locla"),
        ("unknown-group", "get ig spott"),
        ("unknown-field", "set ig spot spec.nodeLabel.x=y"),
        ("wrong-value", "set ig spot spec.minSize=9"),
        ("invalid-specs", "replace -f bad.yaml"),
        ("not-yaml", "apply -f torn.yaml"),
        ("existing-cluster", "create -f small.yaml"),
        ("missing-store", "get clusters --state s3://kspot-there-is-none"),
        ("odd-store", "get clusters --state kspot-bucket"),
        ("even-control-plane", "create cluster e.k8s.local --zones eu-west-1a --control-plane-count 2"),
        ("never-applied", "drift"),
        ("nothing-fits", "toolbox instance-selector n --vcpus 2 --memory 999GB --gpus 0 --dry-run"),
        ("name-from-environment", "delete cluster --yes"),
        ("no-terminal", "delete ig spot"),
    ] {
        insta::assert_snapshot!(format!("error-{name}"), typed(line, &desk.run(line)));
    }
    let nowhere = Kspot::offline();
    for (name, line) in [("no-store", "get ig --name c"), ("no-cluster", "get ig --state file:///tmp")] {
        insta::assert_snapshot!(format!("error-{name}"), typed(line, &nowhere.run(&words(line))));
    }
}

/// The plan of a new cluster, as the tutorial shows it.
#[test]
fn plan_of_a_new_cluster() {
    let desk = Desk::on(Bed::with_pages(&["--prices", "--regional"]));
    desk.ok(
        "create cluster --zones eu-west-1a,eu-west-1b,eu-west-1c --control-plane-count 3 --control-plane-size m5.large \
         --node-size t3.large --node-count 2 --admin-access 203.0.113.0/24",
    );
    let line = "update cluster";
    insta::assert_snapshot!(typed(line, &desk.ok(line)));
}

/// The plans of a change of one group (for people and for machines), of an update that does it, of nothing, and of a
/// deletion.
#[test]
fn plans_of_changes() {
    let desk = Desk::on(Bed::with_pages(&["--prices", "--regional"])).small();
    desk.ok("update cluster --yes");
    desk.ok("set ig spot spec.maxSize=5 spec.nodeLabels.team=a");
    for (name, line) in [
        ("change", "update cluster"),
        ("change-json", "update cluster -o json"),
        ("drift-none", "drift"),
        ("apply", "update cluster --yes"),
        ("nothing", "update cluster"),
        ("delete-group", "delete ig spot --yes"),
        ("diff", "diff --from 1 --to 2"),
        ("delete", "delete cluster c.k8s.local --yes"),
    ] {
        insta::assert_snapshot!(format!("plan-{name}"), typed(line, &desk.run(line)));
    }
}

/// The command line and all that it printed, with what differs between two builds and two runs replaced.
fn typed(line: &str, output: &Output) -> String {
    let mut said = output.snapshot();
    for (pattern, name) in [
        // The authorities' certificates are in it; golden files of the model hold the rest.
        (r##""#!/usr/bin/env bash(\\.|[^"\\])*""##, "\"[USER DATA]\""),
        (r"\b[0-9a-f]{64}\b", "[SHA256]"),
        (r"\b[0-9a-f]{16}\b", "[HASH]"),
        (r"\b[0-9a-f]{12}\b", "[DIGEST]"),
        (r"\b20\d\d-\d\d-\d\d\b", "[DATE]"),
        (r"@[A-Za-z0-9.-]+", "@[HOST]"),
    ] {
        said = regex::Regex::new(pattern).unwrap().replace_all(&said, name).into_owned();
    }
    // Steps run at the same time: in which order they end is chance.
    let is_step = |line: &&str| ["created ", "updated ", "deleted "].iter().any(|verb| line.starts_with(verb));
    let mut steps: Vec<&str> = said.lines().filter(is_step).collect();
    steps.sort_unstable();
    let mut steps = steps.into_iter();
    let lines: Vec<&str> = said.lines().map(|line| if is_step(&line) { steps.next().unwrap() } else { line }).collect();
    format!("$ kspot {line}\n{}\n", lines.join("\n"))
}

/// Visits every command that help lists, the root first.
fn for_each_command(command: &Command, path: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    visit(path);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        path.push(sub.get_name().to_owned());
        for_each_command(sub, path, visit);
        path.pop();
    }
}
