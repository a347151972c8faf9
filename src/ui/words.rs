//! The words and the colour of each operation.

use super::Role;
use crate::plan::Op;

/// How an operation is spoken of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// `create`
    pub(super) verb: &'static str,
    /// `creating`
    pub(super) present: &'static str,
    /// `created`
    pub(super) past: &'static str,
    /// Its colour.
    pub(super) role: Role,
}

/// The words of an operation.
pub(super) fn of(op: Op) -> Words {
    match op {
        Op::Create => Words { verb: "create", present: "creating", past: "created", role: Role::Add },
        Op::Update => Words { verb: "update", present: "updating", past: "updated", role: Role::Change },
        Op::Delete => Words { verb: "delete", present: "deleting", past: "deleted", role: Role::Delete },
    }
}
