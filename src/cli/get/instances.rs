//! `kspot get instances`.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ui::time::ago;
use crate::ui::{Column, Listing, Output};

/// List the machines of a cluster
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get instances
  kspot get instances -o wide
  kspot get instances -o json
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
        let (site, specs) = session.site(self.cluster.as_deref()).await?;
        let cluster = specs.cluster.name();
        let columns = [
            Column::new("id"),
            Column::new("state"),
            Column::new("group"),
            Column::new("role"),
            Column::new("type"),
            Column::new("lifecycle"),
            Column::new("zone"),
            Column::new("internal ip"),
            Column::new("external ip").wide(),
            Column::new("template").wide(),
            Column::new("age"),
        ];
        let now = session.context.now();
        let mut listing = Listing::new("instances", columns);
        for i in site.cloud.instances(cluster).await? {
            let age = i.launched.map(|t| ago(now, t)).unwrap_or_default();
            let cells = [
                i.id.clone(),
                i.state.clone(),
                i.group.clone(),
                i.role.clone(),
                i.instance_type.clone(),
                i.lifecycle.clone(),
                i.zone.clone(),
                i.internal_ip.clone().unwrap_or_default(),
                i.external_ip.clone().unwrap_or_default(),
                i.template_version.clone().unwrap_or_default(),
                age,
            ];
            listing.push(i.id.clone(), json!(i), cells.map(Into::into));
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
