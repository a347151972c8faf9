//! The addons that the spec asks for, rendered.

use super::Input;
use crate::addons::context::Context;
use crate::addons::render_all;
use crate::error::Result;
use crate::resource::{self, Desired};

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let context = Context::of(input.cluster, input.groups, input.account);
    for rendered in render_all(&context, &input.facts.manifests)? {
        let made = resource::Addon::new(input.cluster.name(), &rendered.version, rendered.yaml());
        input.add(desired, &rendered.name, made)?;
    }
    Ok(())
}
