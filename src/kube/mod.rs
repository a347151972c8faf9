//! The cluster's Kubernetes API.
//!
//! * [`mod@connect`]: a client, by a kubeconfig entry or a file.
//! * [`door`]: a client that stays good.
//! * [`error`]: what the API said, as our errors: who refuses what, and what to do.
//! * [`kinds`]: the kinds of object that addons are made of, and in which order they come and go.
//! * `again`: calls that a busy API server turned away.
//! * [`mod@drain`]: empties a node before its machine ends.
//! * [`mod@apply`]: server-side apply of addons, and pruning of what they no longer have.
//! * [`nodes`] lists the nodes once, [`watch`] keeps nodes and critical pods up to date; `seen` is what is kept of each.
//! * [`mod@label`]: the labels and taints that nodes have from their groups. [`terminated`]: lets go of what was on a node
//!   whose machine is gone.
//! * `pods`: which pods are their node's own.
//! * [`lease`]: that one controller at a time does something.
//! * [`ready`]: whether the parts of addons work. [`serving`]: the API server's own certificate.

mod again;
pub mod apply;
pub mod connect;
pub mod door;
pub mod drain;
pub mod error;
pub mod kinds;
pub mod label;
pub mod lease;
pub mod nodes;
mod pods;
pub mod ready;
mod seen;
pub mod serving;
pub mod terminated;
pub mod watch;

pub use apply::{Applied, Difference, Options, apply, diff};
pub use connect::connect;
pub use door::Door;
pub use drain::drain;
pub use watch::Watch;
