//! The one integration binary: every file of this directory is a module here.
//!
//! Tests that need AWS stand on the emulator bed (`tests/bed/`): moto with AWS's documented behaviour put back, on
//! loopback. Each test has an AWS account of its own there, so tests run at the same time and see nothing of each other.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[allow(dead_code, reason = "a helper for all test files; not every build uses every part")]
mod bed;
mod bed_contract;
mod cli;
mod controller;
mod etcd;
mod harness;
mod kubernetes;
mod resources_compute;
mod resources_network;
mod state;
mod walls;

/// A test file that is not listed here would never run.
#[test]
fn every_file_of_this_directory_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let listed = std::fs::read_to_string(here.join("main.rs")).unwrap();
    let missing: Vec<String> = std::fs::read_dir(&here)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs") || path.join("mod.rs").exists())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|module| module != "main" && !listed.lines().any(|line| line == format!("mod {module};")))
        .collect();
    assert!(missing.is_empty(), "add to tests/it/main.rs: {missing:?}");
}
