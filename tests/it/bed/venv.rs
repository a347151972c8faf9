//! The Python environment of the bed: `target/bed-venv`, made by `scripts/setup` or, if that has not run, here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The environment's `python`; the first caller makes the environment, others wait for it.
pub(crate) fn python() -> PathBuf {
    let target = root().join("target");
    std::fs::create_dir_all(&target).unwrap();
    let lock = File::create(target.join("bed-venv.lock")).unwrap();
    lock.lock().unwrap();
    let status = Command::new(root().join("scripts/bed-venv")).status().expect("scripts/bed-venv runs");
    assert!(status.success(), "scripts/bed-venv: {status}");
    target.join("bed-venv/bin/python")
}
