//! `kspot get instancegroups`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::spec::{InstanceGroup, Object, print};
use crate::ui::{Cell, Column, Listing, Output};

/// List the instance groups of a cluster
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get ig
  kspot get ig nodes-us-east-1a -o yaml
  kspot get ig -o wide
")]
pub(super) struct Args {
    /// Only these
    groups: Vec<String>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (_, specs) = session.specs(None).await?;
        for name in &self.groups {
            specs.group(name)?;
        }
        let wanted = |g: &&InstanceGroup| self.groups.is_empty() || self.groups.iter().any(|w| w == g.name());
        let mut listing = Listing::new("instance groups", columns());
        let mut manifests = Vec::new();
        for group in specs.groups.iter().filter(wanted) {
            let object = Object::InstanceGroup(Box::new(group.clone()));
            manifests.push(print::to_yaml(&object));
            listing.push(group.name(), print::to_value(&object), cells(group));
        }
        session.ui.listing(&listing.manifests(manifests), self.output)?;
        Ok(0)
    }
}

pub(super) fn columns() -> [Column; 8] {
    [
        Column::new("name"),
        Column::new("role"),
        Column::new("machine type"),
        Column::new("types").right(),
        Column::new("min").right(),
        Column::new("max").right(),
        Column::new("buys"),
        Column::new("subnets").flexible(),
    ]
}

pub(super) fn cells(group: &InstanceGroup) -> [Cell; 8] {
    let spec = &group.spec;
    let types = spec.mixed_instances_policy.as_ref().map_or(1, |p| p.instances.len().max(1));
    let buys = if spec.buys_spot() { "spot" } else { "on-demand" };
    [
        group.name().into(),
        spec.role.as_str().into(),
        spec.machine_type().into(),
        types.to_string().into(),
        spec.min_size().to_string().into(),
        spec.max_size().to_string().into(),
        buys.into(),
        spec.subnets.join(",").into(),
    ]
}
