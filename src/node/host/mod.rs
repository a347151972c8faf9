//! The machine as the agent's steps see it: files and programs.
//!
//! [`machine`] is the real one; tests have one in memory, which records what is run.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};

#[cfg(test)]
pub mod fake;
pub mod machine;

/// How long a program may take, unless something else is said.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program to run. Nothing of it passes a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name or path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables on top of the agent's.
    pub env: Vec<(String, String)>,
    /// How long it may take.
    pub patience: Duration,
}

impl Command {
    /// A program with arguments.
    pub fn new<'a>(program: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        let args = args.into_iter().map(str::to_owned).collect();
        Command { program: program.to_owned(), args, env: Vec::new(), patience: PATIENCE }
    }

    /// The same with more time.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As one types it.
    pub fn line(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Output {
    /// Whether it succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }
}

/// Files and programs of a machine.
#[async_trait]
pub trait Host: Send + Sync {
    /// The content of a file; none if there is none.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;

    /// Replaces a file at once, so that nobody ever reads half of it, and makes the directories above it.
    async fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()>;

    /// The same with what a reader gives, however much that is; if the reader fails, nothing is replaced.
    async fn fill(&self, path: &Path, content: Box<dyn Read + Send>, mode: u32) -> Result<()>;

    /// Writes a file in its place, for those who hold it open or have it mounted.
    async fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()>;

    /// Removes a file; it is no error if there is none.
    async fn remove(&self, path: &Path) -> Result<()>;

    /// Makes a directory, and those above it.
    async fn directory(&self, path: &Path, mode: u32) -> Result<()>;

    /// The names in a directory; none if there is no directory.
    async fn list(&self, path: &Path) -> Result<Vec<String>>;

    /// Whether something is there.
    async fn exists(&self, path: &Path) -> Result<bool>;

    /// Runs a program to its end. An error if it can't be started or takes too long; how it ended is in the output.
    async fn output(&self, command: &Command) -> Result<Output>;
}

impl dyn Host + '_ {
    /// Runs a program; an error, with the end of what it complained of, if it fails.
    pub async fn run(&self, command: &Command) -> Result<String> {
        let output = self.output(command).await?;
        if output.is_ok() {
            return Ok(output.stdout);
        }
        let how = output.code.map_or_else(|| "was killed".to_owned(), |code| format!("ended with {code}"));
        let error = Error::failed(format!("{} {how}", command.line()));
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        let last: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).rev().take(5).collect();
        Err(last.into_iter().rev().fold(error, |error, line| error.detail(line.trim())))
    }

    /// Whether a file has this content.
    pub async fn holds(&self, path: impl AsRef<Path> + Send, content: &str) -> Result<bool> {
        Ok(self.read(path.as_ref()).await?.as_deref() == Some(content.as_bytes()))
    }

    /// Makes sure that a file has this content; whether it had to be written.
    pub async fn ensure(&self, path: impl AsRef<Path> + Send, content: &str, mode: u32) -> Result<bool> {
        let path = path.as_ref();
        if self.holds(path, content).await? {
            return Ok(false);
        }
        self.replace(path, content.as_bytes(), mode).await?;
        Ok(true)
    }

    /// A file's text; none if there is none.
    pub async fn text(&self, path: impl AsRef<Path> + Send) -> Result<Option<String>> {
        let path = path.as_ref();
        let no_text = |_| Error::failed(format!("{} is no text", path.display()));
        self.read(path).await?.map(|bytes| String::from_utf8(bytes).map_err(no_text)).transpose()
    }
}
