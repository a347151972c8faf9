//! What is running, for how long, and what is to be said of it: pure, at times that it is given.

use std::time::{Duration, Instant};

use super::super::{Role, size, time};

/// What takes less than this shows nothing, so that fast commands never flicker.
const QUIET_START: Duration = Duration::from_millis(250);

/// How often a pipe hears of something that takes long.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// So many running things have a line each; more are counted.
const ROWS: usize = 8;

/// Columns of the bar.
const BAR: usize = 30;

const SPINNER: &[char] = &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Everything that a progress display knows.
#[derive(Debug)]
pub(super) struct Board {
    started: Instant,
    /// How many things there are to do; absent for a single wait.
    total: Option<usize>,
    done: usize,
    failed: usize,
    retried: usize,
    retry_said: Option<Instant>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    doing: String,
    name: String,
    since: Instant,
    beat: Instant,
}

impl Board {
    pub(super) fn new(now: Instant, total: Option<usize>) -> Self {
        Board { started: now, total, done: 0, failed: 0, retried: 0, retry_said: None, rows: Vec::new() }
    }

    /// Something starts: `creating`, `vpc/c.example.com`.
    pub(super) fn begin(&mut self, now: Instant, doing: &str, name: &str) {
        self.rows.push(Row { doing: doing.to_owned(), name: name.to_owned(), since: now, beat: now });
    }

    /// It ended.
    pub(super) fn end(&mut self, doing: &str, name: &str, failed: bool) {
        if let Some(place) = self.rows.iter().position(|r| r.doing == doing && r.name == name) {
            self.rows.remove(place);
        }
        self.done += 1;
        self.failed += usize::from(failed);
    }

    /// AWS asked to come back later, or did not answer. A pipe hears of it at once, then at every heartbeat.
    pub(super) fn retried(&mut self, now: Instant, why: &str) -> Option<String> {
        self.retried += 1;
        if self.retry_said.is_some_and(|said| now.duration_since(said) < HEARTBEAT) {
            return None;
        }
        self.retry_said = Some(now);
        Some(format!("{why}: trying again ({} so far)", times(self.retried)))
    }

    /// What a pipe hears now of things that take long.
    pub(super) fn heartbeats(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &mut self.rows {
            if now.duration_since(row.beat) >= HEARTBEAT {
                row.beat = now;
                lines.push(format!("still {} ({})", row.label(), time::duration(now.duration_since(row.since))));
            }
        }
        lines
    }

    /// The lines that a terminal shows now.
    pub(super) fn frame(&self, now: Instant) -> Vec<String> {
        let elapsed = now.duration_since(self.started);
        if elapsed < QUIET_START {
            return Vec::new();
        }
        let shown = if self.rows.len() > ROWS { ROWS - 1 } else { self.rows.len() };
        let doing = self.rows[..shown].iter().map(|r| r.doing.chars().count()).max().unwrap_or_default();
        let name = self.rows[..shown].iter().map(|r| r.name.chars().count()).max().unwrap_or_default();
        let lead = match self.total {
            Some(_) => String::new(),
            None => format!("{} ", Role::Name.paint(SPINNER[(elapsed.as_millis() / 100) as usize % SPINNER.len()])),
        };
        let row = |r: &Row| {
            let (verb, pad) = (format!("{:doing$}", r.doing), name.saturating_sub(r.name.chars().count()));
            let name = Role::Name.paint(&r.name);
            let space = if r.name.is_empty() { "" } else { " " };
            format!("{lead}{verb}{space}{name}{:pad$}  {}", "", Role::Dim.paint(whole_seconds(now, r.since)))
        };
        let mut lines: Vec<String> = self.rows[..shown].iter().map(row).collect();
        if shown < self.rows.len() {
            lines.push(Role::Dim.paint(format!("and {} more", self.rows.len() - shown)).to_string());
        }
        lines.extend(self.total.map(|total| self.bar(now, total)));
        lines
    }

    fn bar(&self, now: Instant, total: usize) -> String {
        let filled = BAR * self.done.min(total) / total.max(1);
        let mut line = format!(
            "{}{} {}/{total}  {}",
            Role::Add.paint("━".repeat(filled)),
            Role::Dim.paint("─".repeat(BAR - filled)),
            self.done,
            whole_seconds(now, self.started),
        );
        if self.failed > 0 {
            line.push_str(&format!("  {}", Role::Delete.paint(format!("{} failed", self.failed))));
        }
        if self.retried > 0 {
            line.push_str(&format!("  {}", Role::Change.paint(format!("tried again {}", times(self.retried)))));
        }
        line
    }
}

impl Row {
    fn label(&self) -> String {
        if self.name.is_empty() { self.doing.clone() } else { format!("{} {}", self.doing, self.name) }
    }
}

fn times(n: usize) -> String {
    size::count(n, "time")
}

/// Whole seconds only, so that lines stay calm; nothing in the first one.
fn whole_seconds(now: Instant, since: Instant) -> String {
    match now.duration_since(since).as_secs() {
        0 => String::new(),
        s @ 1..10 => format!("{s}s"),
        s => time::duration(Duration::from_secs(s)),
    }
}
