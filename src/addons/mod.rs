//! Addons: what runs in the cluster so that it works on AWS and on spot machines.
//!
//! Each is a directory below `addons/` with two files: what it is (`addon.yaml`) and its manifests (`manifest.yaml`, a
//! template). Both are part of the binary. Adding an addon is adding a directory.
//!
//! * [`catalogue`]: the directories, read and put in order.
//! * [`context`]: what templates know of the cluster.
//! * [`render()`]: from templates to manifests. Pure.

pub mod catalogue;
pub mod context;
mod render;

pub use catalogue::{Addon, Catalogue};
pub use render::{ADDON, Rendered, render};
