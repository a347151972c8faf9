//! The plan: the exact difference between desired and live, with the reason of every change, and the order in which the
//! changes are made. Pure.

mod build;
pub mod cost;
mod diff;
mod order;
pub mod saved;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use build::build;
pub use cost::Cost;
pub use diff::diff;
pub use order::{Op, Step, Steps, steps};

use crate::cloud::Observed;
use crate::resource::{Addr, ReplaceOrder, Resource};

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// The old one goes, then the new one comes: a field that can't be changed differs.
    DeleteThenCreate,
    /// The new one comes, then the old one goes.
    CreateThenDelete,
    /// It is deleted.
    Delete,
}

impl Action {
    /// The action of a replacement in the given order.
    pub fn replace(order: ReplaceOrder) -> Self {
        match order {
            ReplaceOrder::DeleteFirst => Action::DeleteThenCreate,
            ReplaceOrder::CreateFirst => Action::CreateThenDelete,
        }
    }

    /// Whether it is a replacement.
    pub fn is_replace(self) -> bool {
        matches!(self, Action::DeleteThenCreate | Action::CreateThenDelete)
    }

    /// Whether something that exists goes away.
    pub fn destroys(self) -> bool {
        self.is_replace() || self == Action::Delete
    }

    /// The sign that stands before it in the plan.
    pub fn symbol(self) -> &'static str {
        match self {
            Action::Create => "+",
            Action::Update => "~",
            Action::DeleteThenCreate => "-/+",
            Action::CreateThenDelete => "+/-",
            Action::Delete => "-",
        }
    }
}

/// Why a resource changes: for people only, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// The spec wants it and it does not exist.
    Missing,
    /// Some fields differ.
    Changed,
    /// A field differs that can't be changed in place.
    Forced {
        /// The field.
        field: String,
    },
    /// Something that it refers to is replaced.
    Replaced {
        /// What is replaced.
        by: Addr,
    },
    /// No spec asks for it any more.
    NotWanted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing => f.write_str("does not exist"),
            Reason::Changed => f.write_str("differs from the spec"),
            Reason::Forced { field } => write!(f, "{field} can't be changed in place"),
            Reason::Replaced { by } => write!(f, "{by} is replaced"),
            Reason::NotWanted => f.write_str("no spec asks for it"),
        }
    }
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's path in the serialised resource: `routes.0.0.0.0/0`.
    pub path: String,
    /// As it is; absent when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// As it shall be; absent when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether it forces the replacement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forces_replacement: bool,
}

/// One resource that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which one.
    pub addr: Addr,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The fields that differ (all fields for a create).
    pub fields: Vec<FieldChange>,
    /// How many leaf fields stay as they are.
    pub unchanged: usize,
    /// As it is, unless it is created.
    pub live: Option<Observed>,
    /// As it shall be, unless it is deleted.
    pub desired: Option<Resource>,
}

/// Everything that changes, sorted by address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
    /// How many resources stay as they are.
    pub unchanged: usize,
}

/// How many resources each action concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Replaced.
    pub replace: usize,
    /// Deleted.
    pub delete: usize,
    /// Left as they are.
    pub unchanged: usize,
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The counts.
    pub fn summary(&self) -> Summary {
        let mut s = Summary { unchanged: self.unchanged, ..Summary::default() };
        for c in &self.changes {
            match c.action {
                Action::Create => s.create += 1,
                Action::Update => s.update += 1,
                Action::Delete => s.delete += 1,
                _ => s.replace += 1,
            }
        }
        s
    }
}
