//! `kspot addons`: what runs in the cluster so that it works.

use clap::{Args as ClapArgs, Subcommand};

use super::session::Session;
use crate::error::Result;
use crate::ops::addons;
use crate::ops::specs::read;
use crate::ui::{Column, Listing, Output};

/// List and render the addons of a cluster
///
/// Addons follow from the spec (metricsServer, clusterAutoscaler, nodeTerminationHandler, networking, ...). An update writes
/// their manifests to the state store, as lines of its plan.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons list
  kspot addons render metrics-server
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    List(ListArgs),
    Render(RenderArgs),
}

/// List every addon, and what an update would do with it
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons list
  kspot addons list -o json
")]
struct ListArgs {
    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Print the manifests of addons, as the spec makes them now
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons render
  kspot addons render cluster-autoscaler metrics-server
")]
struct RenderArgs {
    /// Only these; default: all that the spec asks for
    addons: Vec<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let cluster = session.cluster(None)?;
        let specs = read(&session.store().await?, &cluster).await?;
        let site = session.site_for(&specs).await?;
        match self.what {
            What::List(args) => {
                let columns = [
                    Column::new("name"),
                    Column::new("version"),
                    Column::new("state"),
                    Column::new("about").flexible(),
                ];
                let mut listing = Listing::new("addons", columns);
                for addon in addons::list(&site, &specs).await? {
                    let cells = [
                        addon.name.as_str().into(),
                        addon.version.as_str().into(),
                        addon.state.as_str().into(),
                        addon.about.as_str().into(),
                    ];
                    let item = serde_json::to_value(&addon).unwrap_or_default();
                    listing.push(addon.name, item, cells);
                }
                session.ui.listing(&listing, args.output)?;
            }
            What::Render(args) => {
                for addon in addons::named(&site, &specs, &args.addons).await? {
                    session.ui.data(addon.yaml().trim_end());
                }
            }
        }
        Ok(0)
    }
}
