//! What the selector's commands share: the catalogue, the filters, and how a selection is shown.

pub(super) mod filters;
pub(super) mod group;
pub(super) mod lint;
pub(super) mod show;

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::session::Session;
use crate::catalogue::fetch::Aws;
use crate::catalogue::{Cache, Catalogue, Need, load};
use crate::error::Result;
use crate::ops::facts::key;

/// Where the catalogue comes from.
#[derive(ClapArgs, Clone, Debug, Default)]
pub(super) struct Source {
    /// Fetch types and prices again, whatever the cache has
    #[arg(long, help_heading = "Catalogue")]
    refresh: bool,

    /// Use the catalogue in this file; nothing is fetched
    #[arg(long, value_name = "FILE", conflicts_with = "refresh", help_heading = "Catalogue")]
    catalogue: Option<PathBuf>,

    /// Save the catalogue to this file, for --catalogue
    #[arg(long, value_name = "FILE", help_heading = "Catalogue")]
    save_catalogue: Option<PathBuf>,
}

impl Source {
    /// The catalogue of a region, with prices when they are wanted.
    pub(super) async fn load(&self, session: &Session, region: Option<&str>, prices: bool) -> Result<Catalogue> {
        let now = session.context.now();
        let catalogue = if let Some(file) = &self.catalogue {
            Catalogue::open(file)?
        } else {
            let config = session.sdk(region).await;
            let need = Need { key: key(&config, &session.context), now, prices, refresh: self.refresh };
            let cache = Cache::from_env(|name| session.context.env(name).map(str::to_owned))?;
            let waiting = session.ui.waiting("reading the catalogue");
            let loaded = load(&cache, &need, async || Aws::new(&config, &session.context)).await?;
            drop(waiting);
            for note in &loaded.notes {
                session.ui.warn(note);
            }
            loaded.catalogue
        };
        if let Some(file) = &self.save_catalogue {
            catalogue.save(file)?;
            session.ui.say(format!("the catalogue is saved in {}", file.display()));
        }
        let age = crate::ui::time::age(now, catalogue.fetched_at);
        session.ui.verbose(1, format!("catalogue of {}: {} types, {age} old", catalogue.region, catalogue.types.len()));
        Ok(catalogue)
    }
}

/// The catalogue of a region with prices, from the cache where it is fresh.
pub(super) async fn catalogue(session: &Session, region: &str) -> Result<Catalogue> {
    Source::default().load(session, Some(region), true).await
}
