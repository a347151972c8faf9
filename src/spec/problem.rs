//! What is wrong with a spec, where, and what would be right: every problem, not the first one.

use std::fmt;

use crate::error::Error;

use super::object::{Kind, Object};

/// Whether a problem stops anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The spec is not used.
    Error,
    /// The spec is used, and this is worth knowing.
    Warning,
}

/// The object a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// The id of an object.
    pub fn of(object: &Object) -> Self {
        ObjectId { kind: object.kind(), name: object.name().to_owned() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Cluster => write!(f, "cluster {}", self.name),
            Kind::InstanceGroup => write!(f, "instance group {}", self.name),
        }
    }
}

/// A place in a spec's text; line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the text, if there is one.
    pub place: Option<Place>,
    /// Which object, if it got that far.
    pub object: Option<ObjectId>,
    /// The field, `spec.subnets[0].cidr`; empty for the document as a whole.
    pub path: String,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// Whether it stops anything.
    pub severity: Severity,
}

impl Problem {
    /// An error about a field.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            place: None,
            object: None,
            path: path.into(),
            message: message.into(),
            expected: None,
            severity: Severity::Error,
        }
    }

    /// A warning about a field.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(path, message) }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds the object it is about.
    #[must_use]
    pub fn about(mut self, kind: Kind, name: &str) -> Self {
        self.object = Some(ObjectId { kind, name: name.to_owned() });
        self
    }

    /// Adds the place in the text.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, &self.object) {
            (Some(place), _) => write!(f, "{place}: ")?,
            (None, Some(object)) => write!(f, "{object}: ")?,
            (None, None) => {}
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.expected {
            Some(expected) => write!(f, " (expected {expected})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether anything stops the spec from being used.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|p| p.severity == Severity::Error)
    }

    /// The warnings alone.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|p| p.severity == Severity::Warning)
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds many.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.0.extend(problems);
    }

    /// Orders by place; problems without one keep their order at the end.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| match (&a.place, &b.place) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }

    /// `Ok` with these as warnings if none is an error.
    pub fn into_result(self) -> Result<Problems, Problems> {
        if self.has_errors() { Err(self) } else { Ok(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Problems> for Error {
    /// An invalid-spec error (exit 3) with a line for each problem, errors before warnings.
    fn from(problems: Problems) -> Error {
        let errors = problems.0.iter().filter(|p| p.severity == Severity::Error);
        let count = errors.clone().count();
        let plural = if count == 1 { "" } else { "s" };
        let error = Error::invalid(format!("the spec is invalid: {count} problem{plural}"));
        errors.chain(problems.warnings()).fold(error, |error, problem| error.detail(problem.to_string()))
    }
}
