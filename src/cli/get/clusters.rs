//! `kspot get clusters`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::{Error, Result, did_you_mean};
use crate::spec::{Cluster, Object, print};
use crate::state::cluster::configs;
use crate::ui::{Column, Listing, Output};

/// List the clusters of the state store
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot get clusters
  kspot get cluster demo.k8s.local -o yaml
  kspot get clusters -o name
")]
pub(super) struct Args {
    /// Only these
    clusters: Vec<String>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let store = session.store().await?;
        let mut wanted = self.clusters;
        wanted.extend(session.global.name.clone());
        let texts = configs(store.as_ref()).await?;
        if let Some(missing) = wanted.iter().find(|w| !texts.contains_key(*w)) {
            let error = Error::failed(format!("there is no cluster {missing} in {}", store.describe()));
            let near = did_you_mean(missing, texts.keys().map(String::as_str));
            return Err(near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?"))));
        }
        let columns = [Column::new("name"), Column::new("kubernetes"), Column::new("zones").flexible()];
        let mut listing = Listing::new("clusters", columns);
        let mut manifests = Vec::new();
        for (name, text) in texts.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
            let cluster = read(name, text)?;
            let zones = cluster.spec.zones().join(",");
            let version = cluster.spec.kubernetes_version().to_string();
            let object = Object::Cluster(Box::new(cluster));
            manifests.push(print::to_yaml(&object));
            listing.push(name.clone(), print::to_value(&object), [name.as_str().into(), version.into(), zones.into()]);
        }
        session.ui.listing(&listing.manifests(manifests), self.output)?;
        Ok(0)
    }
}

fn read(name: &str, text: &str) -> Result<Cluster> {
    let objects = crate::spec::parse::parse(text, &format!("{name}/config"))?;
    let cluster = objects.into_iter().find_map(Object::into_cluster);
    cluster.ok_or_else(|| Error::invalid(format!("{name}/config holds no Cluster")))
}
