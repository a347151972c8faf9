//! The cluster's Kubernetes API.
//!
//! * [`mod@connect`]: a client, by a kubeconfig entry or a file.
//! * [`error`]: what the API said, as our errors: who refuses what, and what to do.
//! * [`kinds`]: the kinds of object that addons are made of, and in which order they come and go.
//! * `again`: calls that a busy API server turned away.
//! * [`mod@drain`]: empties a node before its machine ends.
//! * [`mod@apply`]: server-side apply of addons, and pruning of what they no longer have.
//! * [`nodes`] lists the nodes once, [`watch`] keeps nodes and critical pods up to date; `seen` is what is kept of each.
//! * [`ready`]: whether the parts of addons work.

mod again;
pub mod apply;
pub mod connect;
pub mod drain;
pub mod error;
pub mod kinds;
pub mod nodes;
pub mod ready;
mod seen;
pub mod watch;

pub use apply::{Applied, Difference, Options, apply, diff};
pub use connect::connect;
pub use drain::drain;
pub use watch::Watch;
