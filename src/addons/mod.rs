//! Addons: what runs in the cluster so that it works on AWS and on spot machines.
//!
//! Each is a directory below `addons/` with two files: what it is (`addon.yaml`) and its manifests (`manifest.yaml`, a
//! template). Both are part of the binary. Adding an addon is adding a directory.
//!
//! * [`catalogue`]: the directories, read and put in order.
//! * [`source`]: manifests that come from elsewhere: third-party sets, and the user's own.
//! * [`images`]: the images that manifests name.
//! * [`context`]: what templates know of the cluster.
//! * [`render_all`]: from templates to manifests. Pure.

pub mod catalogue;
pub mod context;
pub mod images;
mod render;
pub mod source;

pub use catalogue::{Addon, Catalogue};
pub use render::{ADDON, Rendered, wanted};
pub use source::{Source, Texts, sources};

use crate::error::Result;
use catalogue::Target;
use context::Context;

/// Every wanted addon, rendered: those that others need first, the user's own last.
pub fn render_all(context: &Context, texts: &Texts) -> Result<Vec<Rendered>> {
    let known = Catalogue::load()?.iter().filter_map(|addon| render::render(addon, context, texts).transpose());
    let own = source::own(&context.own)?;
    known.chain(own.iter().map(|own| render::render_own(own, texts))).collect()
}

/// What becomes ready of every wanted addon, by its name.
pub fn expected(context: &Context) -> Result<Vec<(String, Vec<Target>)>> {
    let ready = |addon: &Addon| Ok(wanted(addon, context)?.map(|ready| (addon.about.name.clone(), ready)));
    Catalogue::load()?.iter().filter_map(|addon| ready(addon).transpose()).collect()
}
