//! What went wrong, why, and what to do next: the one error type of kspot, and the table of exit codes.
//!
//! An [`Error`] names its subject and cause in `message`, carries hints (commands or facts that help), and has a
//! [`Kind`] that decides the process's exit code. It never holds a secret: whoever builds one leaves secrets out.

use std::fmt;

/// The result of anything that can fail in kspot.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What class of failure this is; each class has one documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Refused or failed: bad input, or AWS or Kubernetes said no (exit 1).
    Failed,
    /// The command line makes no sense (exit 2).
    Usage,
    /// A spec is invalid; every problem is listed (exit 3).
    Invalid,
    /// The cluster is not healthy (exit 4).
    Unhealthy,
    /// Somebody else holds the lock or changed the state (exit 5).
    Conflict,
    /// An apply stopped part way; the same command continues (exit 6).
    Partial,
    /// Interrupted by Ctrl-C (exit 130).
    Interrupted,
}

impl Kind {
    /// The exit code of this class of failure, as documented in `docs/exit-codes.md`.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Invalid => 3,
            Kind::Unhealthy => 4,
            Kind::Conflict => 5,
            Kind::Partial => 6,
            Kind::Interrupted => 130,
        }
    }
}

/// A failure: its class, a sentence that names subject and cause, further lines, and hints.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Vec<String>,
    hints: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given class. The message starts in lower case and has no final period.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), details: Vec::new(), hints: Vec::new(), source: None }
    }

    /// The message with its causes on one line: `message: cause: cause`, without what was said already.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// All of it on one line, for a log: the chain, the details, the hints.
    pub fn line(&self) -> String {
        let more = self.details.iter().map(String::as_str).chain(self.hints());
        more.fold(self.chain(), |text, line| format!("{text}; {line}"))
    }

    /// Refused or failed (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Error::new(Kind::Failed, message)
    }

    /// The command line makes no sense (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Kind::Usage, message)
    }

    /// A spec is invalid (exit 3).
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(Kind::Invalid, message)
    }

    /// Somebody else holds the lock or changed the state (exit 5).
    pub fn conflict(message: impl Into<String>) -> Self {
        Error::new(Kind::Conflict, message)
    }

    /// Adds what the user can do next: a full sentence or a command, shown as `hint: ...`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a line below the message, for example one of several problems.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Records the cause; it is shown as `caused by: ...`.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Wraps this error into one that says what was being done; kind and hints stay.
    #[must_use]
    pub fn context(self, doing: impl Into<String>) -> Self {
        Error {
            kind: self.kind,
            message: doing.into(),
            details: Vec::new(),
            hints: Vec::new(),
            source: Some(Box::new(self)),
        }
    }

    /// The class of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence that names subject and cause.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Further lines, in order.
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// The hints of this error and of every kspot error in its chain of causes, outermost first.
    pub fn hints(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.hints.iter().map(String::as_str).collect();
        if let Some(inner) = self.source.as_ref().and_then(|s| s.downcast_ref::<Error>()) {
            all.extend(inner.hints());
        }
        all
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

/// An error with its causes on one line: `message: cause: cause`, without what was said already.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

/// The last cause of an error, which names what really happened ("connection refused").
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| e.source())
}

/// Adds what was being done to a foreign error.
pub trait Context<T> {
    /// Turns the error into an [`Error`] (exit 1) with this message, keeping the original as its cause.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::failed(doing()).because(e))
    }
}

/// "did you mean" for an unknown name: the nearest candidate that is near enough to be a slip.
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&given.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(d, c)| *d <= 1.max(c.len().min(given.len()) / 3))
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hint given deep in the chain reaches the user.
    #[test]
    fn hints_are_collected_through_contexts() {
        let e = Error::failed("no such bucket").hint("kspot create state-store").context("reading cluster c");
        assert_eq!(e.hints(), ["kspot create state-store"]);
        assert_eq!(e.kind(), Kind::Failed);
        assert_eq!(e.to_string(), "reading cluster c");
    }

    /// A slip of one or two letters is recognised, a different word is not.
    #[test]
    fn nearest_name_is_proposed_only_when_near() {
        assert_eq!(did_you_mean("nodeLabel", ["nodeLabels", "taints"]), Some("nodeLabels"));
        assert_eq!(did_you_mean("zebra", ["nodeLabels", "taints"]), None);
    }
}
