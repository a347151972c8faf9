//! What the terminal can do.

use std::fs::File;
use std::process::{Command, Stdio};

/// How many columns the terminal has; absent when nothing tells.
pub(super) fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    said.or_else(asked).filter(|w| *w > 0)
}

/// The system's answer, as `rows columns`.
fn asked() -> Option<usize> {
    let terminal = File::open("/dev/tty").ok()?;
    let answer = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(answer.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the terminal can move its cursor: a dumb one can't.
pub(super) fn can_redraw() -> bool {
    std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
}
