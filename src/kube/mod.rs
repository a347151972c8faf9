//! The cluster's Kubernetes API.
//!
//! * [`mod@connect`]: a client, by a kubeconfig entry or a file.
//! * [`error`]: what the API said, as our errors: who refuses what, and what to do.
//! * [`kinds`]: the kinds of object that addons are made of, and in which order they come and go.
//! * [`mod@apply`]: server-side apply of addons, and pruning of what they no longer have.
//! * [`watch`]: nodes and critical pods, kept up to date; `seen` is what is kept of each.
//! * [`ready`]: whether the parts of addons work.

pub mod apply;
pub mod connect;
pub mod error;
pub mod kinds;
pub mod ready;
mod seen;
pub mod watch;

pub use apply::{Applied, Difference, Options, apply, diff};
pub use connect::connect;
pub use watch::Watch;
