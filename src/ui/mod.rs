//! Everything that people see. The only place that prints.
//!
//! stdout carries data (tables, JSON, YAML, plans), stderr the talk (progress, warnings, hints, errors, what was done).
//! A [`Ui`] is a cheap handle that is given to whoever has something to say; it decides nothing about clusters.

mod diff;
mod error;
pub mod health;
pub mod json;
pub mod listing;
mod log;
pub mod money;
mod outcome;
mod plan;
mod progress;
mod prompt;
pub mod size;
mod stream;
pub mod style;
pub mod table;
mod terminal;
pub mod time;
mod words;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use diff::unified;
pub use listing::{Listing, Output};
pub use log::LogLine;
pub use plan::PlanView;
pub use progress::Progress;
pub use stream::Buffer;
pub use style::Role;
pub use table::{Cell, Column, Table};

use crate::error::{Context, Error, Result};
use stream::Stream;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR or TERM=dumb says otherwise; CLICOLOR_FORCE makes it always
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How to talk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// When to colour.
    pub color: ColorWhen,
    /// Say nothing but data, warnings and errors.
    pub quiet: bool,
    /// How much more to say: the number of `-v`.
    pub verbose: u8,
    /// Never ask: a question is an error that names the flag that answers it.
    pub no_input: bool,
}

/// The handle through which everything is printed and asked. Clones share everything.
#[derive(Clone)]
pub struct Ui(Arc<Inner>);

struct Inner {
    out: Mutex<Stream>,
    err: Mutex<Stream>,
    input: Mutex<Box<dyn BufRead + Send>>,
    terminal: Terminal,
    quiet: bool,
    verbose: u8,
    warned: Mutex<BTreeSet<String>>,
    /// The progress display that is on the terminal now: printing makes it step aside.
    screen: Mutex<Option<indicatif::MultiProgress>>,
    /// The progress that is running, if any.
    running: Mutex<Weak<progress::Shared>>,
    /// When it was last said that a request is sent again.
    retry_said: Mutex<Option<Instant>>,
}

/// What stands at the other end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// stdout is a terminal of this many columns; absent when it is a pipe or a file.
    pub out_width: Option<usize>,
    /// stderr is a terminal on which lines can be redrawn.
    pub live: bool,
    /// Someone is there to answer questions.
    pub answers: bool,
}

/// How often somebody hears of requests that are sent again.
const RETRY_NEWS: Duration = Duration::from_secs(10);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after every statement: a panic elsewhere can't leave it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ui {
    /// The process's own stdin, stdout and stderr.
    pub fn new(options: Options) -> Self {
        let color = |auto: anstream::ColorChoice| match options.color {
            ColorWhen::Auto => auto != anstream::ColorChoice::Never,
            ColorWhen::Always => true,
            ColorWhen::Never => false,
        };
        let out_color = color(anstream::AutoStream::choice(&io::stdout()));
        let err_color = color(anstream::AutoStream::choice(&io::stderr()));
        let err_is_terminal = io::stderr().is_terminal();
        let terminal = Terminal {
            out_width: io::stdout().is_terminal().then(terminal::width).flatten(),
            live: err_is_terminal && !options.quiet && terminal::can_redraw(),
            answers: !options.no_input && err_is_terminal && io::stdin().is_terminal(),
        };
        Ui(Arc::new(Inner {
            out: Mutex::new(Stream::new(Box::new(io::stdout()), out_color)),
            err: Mutex::new(Stream::new(Box::new(io::stderr()), err_color)),
            input: Mutex::new(Box::new(io::BufReader::new(io::stdin()))),
            terminal,
            quiet: options.quiet,
            verbose: options.verbose,
            warned: Mutex::default(),
            screen: Mutex::default(),
            running: Mutex::default(),
            retry_said: Mutex::default(),
        }))
    }

    /// A handle whose output a test reads back: stdout, stderr. It colours only with [`ColorWhen::Always`].
    pub fn for_test(options: Options, terminal: Terminal, input: &str) -> (Self, Buffer, Buffer) {
        let (out, err) = (Buffer::default(), Buffer::default());
        let color = options.color == ColorWhen::Always;
        let ui = Ui(Arc::new(Inner {
            out: Mutex::new(Stream::new(Box::new(out.clone()), color)),
            err: Mutex::new(Stream::new(Box::new(err.clone()), color)),
            input: Mutex::new(Box::new(io::Cursor::new(input.to_owned()))),
            terminal,
            quiet: options.quiet,
            verbose: options.verbose,
            warned: Mutex::default(),
            screen: Mutex::default(),
            running: Mutex::default(),
            retry_said: Mutex::default(),
        }));
        (ui, out, err)
    }

    /// A handle whose output goes nowhere but into the two buffers: stdout and stderr, both pipes, no colour.
    pub fn captured() -> (Self, Buffer, Buffer) {
        Ui::for_test(Options::default(), Terminal::default(), "")
    }

    /// Prints data to stdout, with a line end. A reader that left (`| head`) is no error; any other failure to write is
    /// reported by [`Ui::finish`].
    pub fn data(&self, text: impl Display) {
        let mut text = text.to_string();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.beside_progress(|| lock(&self.0.out).write(&text));
    }

    /// Prints one JSON document to stdout, with its `formatVersion`.
    pub fn json(&self, body: &impl Serialize) -> Result<()> {
        self.data(json::document(body)?);
        Ok(())
    }

    /// Says a line on stderr, unless quiet.
    pub fn say(&self, text: impl Display) {
        if !self.0.quiet {
            self.err_line(&text.to_string());
        }
    }

    /// Says a line on stderr if at least `level` `-v` were given.
    pub fn verbose(&self, level: u8, text: impl Display) {
        if self.0.verbose >= level {
            self.say(Role::Dim.paint(text));
        }
    }

    /// Warns on stderr, even when quiet; the same warning is given once.
    pub fn warn(&self, text: impl Display) {
        let text = text.to_string();
        if lock(&self.0.warned).insert(text.clone()) {
            self.err_line(&format!("{} {text}", Role::Warning.paint("warning:")));
        }
    }

    /// Says that a request did not go through and is sent again; `why` names it and what happened. The running progress
    /// counts it; who has none hears of it now and then.
    pub fn retried(&self, why: &str) {
        let running = lock(&self.0.running).upgrade();
        if let Some(progress) = running {
            return progress.retried(why);
        }
        let mut said = lock(&self.0.retry_said);
        if said.is_none_or(|at| at.elapsed() > RETRY_NEWS) {
            *said = Some(Instant::now());
            drop(said);
            self.say(format!("{why}: trying again"));
        }
    }

    /// Says what helps or what comes next, such as `next: kspot update cluster c.example.com --yes`.
    pub fn hint(&self, label: &str, text: impl Display) {
        self.say(format!("{} {text}", Role::Hint.paint(format!("{label}:"))));
    }

    /// Renders a failure on stderr: message, details, causes, hints.
    pub fn error(&self, error: &Error) {
        self.err_line(&error::render(error, self.0.verbose > 0));
    }

    /// To be called at the end: whether all data got out.
    pub fn finish(&self) -> Result<()> {
        lock(&self.0.out).take_failure().map_or(Ok(()), Err).context(|| "can't write to stdout".to_owned())
    }

    /// How many `-v` were given.
    pub fn verbosity(&self) -> u8 {
        self.0.verbose
    }

    /// What stands at the other end.
    pub fn terminal(&self) -> Terminal {
        self.0.terminal
    }

    fn err_line(&self, text: &str) {
        self.beside_progress(|| lock(&self.0.err).write(&format!("{text}\n")));
    }

    fn beside_progress(&self, print: impl FnOnce()) {
        let screen = lock(&self.0.screen).clone();
        match screen {
            Some(screen) => screen.suspend(print),
            None => print(),
        }
    }

    /// The text as stderr may show it, for what is drawn there by other means.
    fn for_stderr(&self, text: &str) -> String {
        lock(&self.0.err).looks(text)
    }
}
