//! Runs the `kspot` binary as a user would, with an environment that is the test's alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use tempfile::TempDir;

use super::Bed;

/// A `kspot` to run: a home directory of its own, nothing of this machine's environment, and a bed or no AWS at all.
pub(crate) struct Kspot {
    home: TempDir,
    env: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; -1 if a signal ended it.
    pub(crate) exit: i32,
    /// Standard output, as is.
    pub(crate) stdout: String,
    /// Standard error, as is.
    pub(crate) stderr: String,
    home: PathBuf,
}

impl Kspot {
    /// Runs without AWS: no credentials, no endpoint.
    pub(crate) fn offline() -> Kspot {
        Kspot { home: TempDir::new().unwrap(), env: vec![("AWS_EC2_METADATA_DISABLED".into(), "true".into())] }
    }

    /// Runs against a bed. The node agent is a small file: the program itself, with debug information, is hundreds of
    /// megabytes, and would be put into each bed's store.
    pub(crate) fn on(bed: &Bed) -> Kspot {
        let agents = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/agent");
        Kspot { home: TempDir::new().unwrap(), env: bed.env() }.env("KSPOT_AGENT_DIR", agents)
    }

    /// Sets a variable for every command of this runner, such as `KSPOT_STATE_STORE`.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Kspot {
        self.env.retain(|(existing, _)| existing != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The home and working directory of the commands; it goes with the runner.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command, not started: for tests that signal it or run several at a time.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kspot"));
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("COLUMNS", "120")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.finished(self.command(arguments).output().expect("kspot starts"))
    }

    /// Runs it with this text on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kspot starts");
        // A command that does not read its input closes it: that is its right.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        self.finished(child.wait_with_output().unwrap())
    }

    /// What a finished command did.
    pub(crate) fn finished(&self, output: std::process::Output) -> Output {
        Output {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            home: self.home().to_owned(),
        }
    }
}

impl Output {
    /// Fails the test, showing everything, unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect(self, exit: i32) -> Output {
        assert_eq!(self.exit, exit, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Exit code, output and messages as one text for a snapshot: what differs between two runs (the home directory,
    /// ports, AWS ids, account numbers, times) is replaced by its name.
    pub(crate) fn snapshot(&self) -> String {
        let text = format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.exit, self.stdout, self.stderr);
        normalised(&text.replace(self.home.to_str().expect("a UTF-8 path"), "[HOME]"))
    }
}

/// Replaces what AWS and the clock make up by what it is.
pub(crate) fn normalised(text: &str) -> String {
    const MADE_UP: [(&str, &str); 6] = [
        (r"http://127\.0\.0\.1:\d+", "[ENDPOINT]"),
        (
            r"\b(vpc|subnet|igw|eigw|nat|eipalloc|eipassoc|rtb|rtbassoc|sg|sgr|lt|vol|i|eni|dopt|key|snap|acl)-[0-9a-f]{8,17}\b",
            "$1-[ID]",
        ),
        (r"\b1000000\d{5}\b", "[ACCOUNT]"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)?", "[TIME]"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[UUID]"),
        (r"\b\d+(\.\d+)?(ms|s)\b", "[TOOK]"),
    ];
    MADE_UP.iter().fold(text.to_owned(), |text, (pattern, name)| {
        Regex::new(pattern).expect("a valid pattern").replace_all(&text, *name).into_owned()
    })
}
