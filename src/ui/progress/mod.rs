//! Progress of what takes time: redrawn lines on a terminal, plain lines in a pipe, nothing in the first 250 ms.

mod board;
mod screen;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;

use super::{Role, Ui, lock, time, words};
use crate::apply::Reporter;
use crate::error::Error;
use crate::plan::Op;
use crate::resource::Addr;
use board::Board;
use screen::Screen;

/// How often the lines are brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// Where the time comes from.
type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// Where a terminal's lines are drawn.
type Target = Box<dyn Fn() -> ProgressDrawTarget + Send + Sync>;

/// A running progress display. It goes away when it is dropped.
pub struct Progress {
    shared: Arc<Shared>,
    /// Its end ends the ticker.
    _running: Option<Sender<()>>,
}

pub(super) struct Shared {
    ui: Ui,
    clock: Clock,
    target: Target,
    state: Mutex<State>,
}

struct State {
    board: Board,
    screen: Option<Screen>,
    ended: bool,
}

impl Ui {
    /// Shows the progress of this many steps, until it is dropped.
    pub fn progress(&self, steps: usize) -> Progress {
        Progress::start(self, Some(steps))
    }

    /// Shows that one thing takes time, such as `reading AWS`, until it is dropped.
    pub fn waiting(&self, doing: &str) -> Progress {
        let progress = Progress::start(self, None);
        progress.begin(doing, "");
        progress
    }
}

impl Progress {
    fn start(ui: &Ui, steps: Option<usize>) -> Self {
        let target = Box::new(|| ProgressDrawTarget::stderr_with_hz(screen::HERTZ));
        let mut progress = Progress::quiet(ui, steps, Box::new(Instant::now), target);
        progress._running = ticker(&progress.shared);
        progress
    }

    /// A display that moves only when it is told to.
    fn quiet(ui: &Ui, steps: Option<usize>, clock: Clock, target: Target) -> Self {
        let state = State { board: Board::new(clock(), steps), screen: None, ended: false };
        let shared = Arc::new(Shared { ui: ui.clone(), clock, target, state: Mutex::new(state) });
        *lock(&ui.0.running) = Arc::downgrade(&shared);
        Progress { shared, _running: None }
    }

    /// Something starts, such as `draining`, `i-0123456789`.
    pub fn begin(&self, doing: &str, name: &str) {
        let now = (self.shared.clock)();
        lock(&self.shared.state).board.begin(now, doing, name);
        self.shared.draw();
    }

    /// What [`Progress::begin`] named ended; `line` says how. A pipe prints it; on a terminal only failures stay.
    pub fn end(&self, doing: &str, name: &str, line: &str, failed: bool) {
        lock(&self.shared.state).board.end(doing, name, failed);
        if failed || !self.shared.is_live() || self.shared.ui.verbosity() > 0 {
            self.shared.ui.say(line);
        }
        self.shared.draw();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.ended = true;
        if let Some(mut screen) = state.screen.take() {
            screen.clear();
        }
        *lock(&self.shared.ui.0.screen) = None;
    }
}

impl Shared {
    /// A request is made again; `why` says what happened, such as `ec2 CreateTags: throttled`.
    pub(super) fn retried(&self, why: &str) {
        let line = lock(&self.state).board.retried((self.clock)(), why);
        if let (Some(line), false) = (line, self.is_live()) {
            self.ui.say(line);
        }
    }

    fn is_live(&self) -> bool {
        self.ui.terminal().live
    }

    /// Brings the display up to date.
    fn tick(&self) {
        self.draw();
        if !self.is_live() {
            let lines = lock(&self.state).board.heartbeats((self.clock)());
            lines.iter().for_each(|line| self.ui.say(line));
        }
    }

    fn draw(&self) {
        if !self.is_live() {
            return;
        }
        let mut state = lock(&self.state);
        let frame = state.board.frame((self.clock)());
        if state.ended || (frame.is_empty() && state.screen.is_none()) {
            return;
        }
        let frame: Vec<String> = frame.iter().map(|l| self.ui.for_stderr(l)).collect();
        let screen = state.screen.get_or_insert_with(|| {
            let screen = Screen::new((self.target)());
            *lock(&self.ui.0.screen) = Some(screen.multi());
            screen
        });
        screen.draw(&frame);
    }
}

/// Ticks until the answered sender is dropped.
fn ticker(shared: &Arc<Shared>) -> Option<Sender<()>> {
    let (running, ended) = mpsc::channel();
    let shared: Weak<Shared> = Arc::downgrade(shared);
    let tick = move || {
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let Some(shared) = shared.upgrade() else { return };
            shared.tick();
        }
    };
    // Without a thread there are no heartbeats; steps that end are shown all the same.
    std::thread::Builder::new().name("progress".to_owned()).spawn(tick).ok().map(|_| running)
}

impl Reporter for Progress {
    fn started(&self, addr: &Addr, op: Op) {
        self.begin(words::of(op).present, &addr.to_string());
    }

    fn finished(&self, addr: &Addr, op: Op, took: Duration, error: Option<&Error>) {
        let words = words::of(op);
        let took = Role::Dim.paint(format!("({})", time::duration(took)));
        let line = match error {
            None => format!("{} {addr} {took}", words.role.paint(words.past)),
            Some(e) => {
                let (doing, why) = (format!("{} {addr}", words.verb), e.chain());
                let why = why.strip_prefix(&doing).map_or(why.as_str(), |rest| rest.trim_start_matches([':', ' ']));
                format!("{} to {doing} {took}: {why}", Role::Delete.paint("failed"))
            }
        };
        self.end(words.present, &addr.to_string(), &line, error.is_some());
    }
}
