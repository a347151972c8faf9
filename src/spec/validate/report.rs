//! Where rules put what they find.

use crate::spec::object::Kind;
use crate::spec::problem::Problem;

/// The problems of one object.
pub(crate) struct Report<'n> {
    kind: Kind,
    name: &'n str,
    problems: Vec<Problem>,
}

impl<'n> Report<'n> {
    pub(crate) fn about(kind: Kind, name: &'n str) -> Self {
        Report { kind, name, problems: Vec::new() }
    }

    /// The field makes the spec unusable.
    pub(crate) fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::error(path, message).about(self.kind, self.name));
    }

    /// The field is usable, and this is worth knowing.
    pub(crate) fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::warning(path, message).about(self.kind, self.name));
    }

    /// An error unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, path: impl Into<String>, message: impl FnOnce() -> String) {
        if !holds {
            self.error(path, message());
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
