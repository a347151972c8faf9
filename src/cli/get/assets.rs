//! `kspot get assets`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::assets::{Assets, Kind, list};
use crate::ui::{Column, Listing, Output};

/// List everything that a cluster downloads: files, images, manifests
///
/// With spec.assets the place that each is taken from differs from where it is published: a mirror has to hold all of
/// them. What kubeadm installs is among them; if its release of CoreDNS is not known here, a warning says so.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get assets
  kspot get assets -o json
  kspot get assets -o name | grep registry.k8s.io
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
        let columns = [
            Column::new("kind"),
            Column::new("published at"),
            Column::new("taken from").wide(),
            Column::new("sha256").wide(),
        ];
        let mut listing = Listing::new("assets", columns);
        let Assets { all, unknown } = list(&site, &specs).await?;
        for what in unknown {
            session.ui.warn(format!("not listed, and downloaded as well: {what}"));
        }
        for asset in all {
            let kind = match asset.kind {
                Kind::File => "file",
                Kind::Image => "image",
                Kind::Manifest => "manifest",
            };
            let cells = [
                kind.into(),
                asset.canonical.as_str().into(),
                asset.location.as_str().into(),
                asset.sha256.as_deref().unwrap_or_default().into(),
            ];
            listing.push(asset.location.clone(), serde_json::to_value(&asset).unwrap_or_default(), cells);
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
