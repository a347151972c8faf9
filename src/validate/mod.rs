//! Whether a cluster is well: one judgement from everything that is known of it at one moment, and the wait for it.
//!
//! * [`view`]: what is known: groups, machines, nodes, pods, addons, keys.
//! * [`member`]: each machine joined with its node, and how it stands: ready, coming, going, or failing.
//! * [`mod@judge`]: the checks, a file each. A finding *blocks* if the cluster is not as it should be; it is *churn* if
//!   machines that come and go explain it, as they always do in a cluster on spot; it is a *warning* if it is worth
//!   knowing.
//! * [`mod@wait`]: judges again until the cluster was well for long enough, or the deadline is there.

pub mod judge;
pub mod member;
pub mod report;
pub mod view;
pub mod wait;

pub use judge::{Rules, judge};
pub use report::{Finding, Kind, Report, Severity};
pub use view::View;
pub use wait::{Clock, Patience, Probe, Verdict, wait};
