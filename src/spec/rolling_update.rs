//! How machines are replaced when their configuration changes, and whether they patch themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::block;
use super::int_or_percent::IntOrPercent;

block! {
    /// How the machines of a group are replaced when their configuration changes.
    pub struct RollingUpdate {
        /// Whether a machine is drained and terminated, or only detached. Default true.
        pub drain_and_terminate: Option<bool>,
        /// How many machines of the group may be missing at once: a count or a percentage. Default 0, or 1 when maxSurge is 0.
        pub max_unavailable: Option<IntOrPercent>,
        /// How many machines may be added first: a count or a percentage. Default 1 for nodes; always 0 for the control plane.
        pub max_surge: Option<IntOrPercent>,
    }
}

/// Whether machines install security updates by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpdatePolicy {
    /// They do.
    #[default]
    Automatic,
    /// Something else takes care of it.
    External,
}
