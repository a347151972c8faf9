//! `kspot replace -f`: puts specs in the place of those that are there.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::session::Session;
use super::specs::{self, Change};
use crate::error::{Error, Result};
use crate::ops::specs::path_of;
use crate::spec::print;

/// Put the specs of files in the place of those in the store
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot replace -f cluster.yaml
  kspot get all -o yaml | sed s/t3.large/t3.xlarge/ | kspot replace -f -
")]
pub(super) struct Args {
    /// Files, directories, or - for standard input
    #[arg(short, long, required = true, value_name = "FILE")]
    filename: Vec<PathBuf>,

    /// Add specs that are not there yet
    #[arg(long)]
    force: bool,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let specs::Loaded { objects, documents } = specs::load(&self.filename)?;
        let cluster = specs::cluster_of(&objects, session.global.name.clone())?;
        let store = session.store().await?;
        let change = Change::new(&store, &cluster, "replace -f", self.message.as_deref()).of(&documents);
        let ((), revision) = change
            .edit(session, |texts| {
                for object in &objects {
                    let path = path_of(object)?;
                    if !self.force && !texts.contains_key(&path) {
                        return Err(Error::failed(format!("{path} does not exist in cluster {cluster}"))
                            .hint("add it with --force, or with kspot create -f"));
                    }
                    texts.insert(path, print::to_yaml(object));
                }
                Ok(())
            })
            .await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }
}
