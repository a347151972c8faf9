//! etcd on the machines: members with names that stay, on volumes that outlive machines.
//!
//! * [`seed`]: whether a member may begin with nothing. Pure.
//! * [`manifest`]: the static pod of a member. Pure.
//! * [`names`]: the members' host names on every machine of the control plane.
//! * [`client`]: what is asked of a running member.

pub mod client;
pub mod manifest;
pub mod names;
pub mod seed;
