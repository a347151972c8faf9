//! `kspot get all`.

use clap::Args as ClapArgs;

use super::groups;
use crate::cli::session::Session;
use crate::error::Result;
use crate::spec::{Object, print};
use crate::ui::{Column, Listing, Output};

/// Show the cluster and its instance groups
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get all
  kspot get all -o yaml > cluster.yaml
")]
pub(super) struct Args {
    /// The cluster's name
    cluster: Option<String>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (_, specs) = session.specs(self.cluster.as_deref()).await?;
        let object = Object::Cluster(Box::new(specs.cluster.clone()));
        let row = [
            specs.cluster.name().into(),
            specs.cluster.spec.kubernetes_version().to_string().into(),
            specs.cluster.spec.zones().join(",").into(),
        ];
        let columns = [Column::new("cluster"), Column::new("kubernetes"), Column::new("zones").flexible()];
        if self.output.is_for_people() {
            let mut table = Listing::new("clusters", columns);
            table.push(specs.cluster.name(), print::to_value(&object), row);
            session.ui.listing(&table, self.output)?;
            session.ui.data("");
            let mut table = Listing::new("instance groups", groups::columns());
            for group in &specs.groups {
                table.push(group.name(), serde_json::Value::Null, groups::cells(group));
            }
            session.ui.listing(&table, self.output)?;
            return Ok(0);
        }
        let mut listing = Listing::new("specs", [Column::new("name")]);
        let all: Vec<Object> = std::iter::once(object)
            .chain(specs.groups.iter().cloned().map(|g| Object::InstanceGroup(Box::new(g))))
            .collect();
        for o in &all {
            let kind = o.kind().as_str().to_lowercase();
            listing.push(format!("{kind}/{}", o.name()), print::to_value(o), [o.name().into()]);
        }
        session.ui.listing(&listing.manifests(all.iter().map(print::to_yaml)), self.output)?;
        Ok(0)
    }
}
