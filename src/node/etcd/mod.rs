//! etcd on the machines: members with names that stay, on volumes that outlive machines.
//!
//! * [`seed`]: whether a member may begin with nothing. Pure.
//! * [`manifest`]: the static pod of a member. Pure.
//! * [`names`]: the members' host names on every machine of the control plane.
//! * [`client`]: what is asked of a running member. [`snapshot`]: a copy of what it holds.
//! * [`volume`]: what is on a member's volume. [`restore`]: all members begin again with a snapshot.

pub mod client;
pub mod manifest;
pub mod names;
pub mod restore;
pub mod seed;
pub mod snapshot;
pub mod volume;
