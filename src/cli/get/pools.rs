//! `kspot get pools`: the spot pools that groups draw from.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::pools::pools;
use crate::ui::{Column, Listing, Output, money};

/// List the spot pools (instance type and zone) of a cluster's groups
///
/// A pool is what AWS takes back as a unit. It shows which pools run machines now, their price, and which zones do not
/// offer a type.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get pools
  kspot get pools spot-4vcpus -o json
")]
pub(super) struct Args {
    /// Only of these groups
    groups: Vec<String>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let region = site.cloud.region.clone();
        let catalogue = crate::cli::selector::catalogue(session, &region).await?;
        let instances = site.cloud.instances(specs.cluster.name()).await?;
        let columns = [
            Column::new("group"),
            Column::new("type"),
            Column::new("zone"),
            Column::new("machines").right(),
            Column::new("spot").right(),
            Column::new("on-demand").right(),
            Column::new("saving").right(),
            Column::new("note").flexible(),
        ];
        let mut listing = Listing::new("pools", columns);
        for p in pools(&specs, &catalogue, &instances) {
            if !self.groups.is_empty() && !self.groups.contains(&p.group) {
                continue;
            }
            let price = money::hourly;
            let saving = p.saving().map_or_else(String::new, |s| format!("{:.0} %", s * 100.0));
            let cells = [
                p.group.clone(),
                p.instance_type.clone(),
                p.zone.clone(),
                p.machines.to_string(),
                price(p.spot),
                price(p.on_demand),
                saving,
                if p.offered { String::new() } else { "not offered in this zone".to_owned() },
            ];
            listing.push(format!("{}/{}", p.instance_type, p.zone), json!(p), cells.map(Into::into));
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
