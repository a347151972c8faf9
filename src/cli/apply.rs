//! `kspot apply -f`: makes the specs in the store those of files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::session::Session;
use super::specs::{self, Change};
use crate::error::{Error, Result};
use crate::ops::specs::{open, path_of};
use crate::spec::merge::{self, Patch};
use crate::spec::{Kind, Object, print};
use crate::state::SpecPath;
use crate::state::history::Texts;

/// Make the specs in the store those of files, new and existing alike
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot apply -f cluster/
  kspot apply -f cluster/ --prune     # groups without a file go
  kspot apply -f labels.yaml --merge  # only the fields in the file change
")]
pub(super) struct Args {
    /// Files, directories, or - for standard input
    #[arg(short, long, required = true, value_name = "FILE|DIR")]
    filename: Vec<PathBuf>,

    /// Remove the instance groups that the files do not have
    #[arg(long, conflicts_with = "merge")]
    prune: bool,

    /// Change only the fields that the files set; others stay
    #[arg(long)]
    merge: bool,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        if self.merge {
            return self.merge(session).await;
        }
        let specs::Loaded { mut objects, documents } = specs::load(&self.filename)?;
        let cluster = specs::cluster_of(&objects, session.global.name.clone())?;
        for object in &mut objects {
            if let Object::Cluster(cluster) = object {
                crate::spec::cidr::assign(cluster)?;
            }
        }
        let store = session.store().await?;
        let change = Change::new(&store, &cluster, "apply -f", self.message.as_deref()).of(&documents);
        let exists = open(&store, &cluster)?.read_if_exists().await?.cluster().is_some();
        if !exists {
            specs::create_all(session, &change, objects).await?;
            session.ui.say(format!("cluster {cluster} has its specs in {}", Arc::clone(&store).describe()));
            session.ui.hint("next", format!("kspot update cluster {cluster}"));
            return Ok(0);
        }
        let (pruned, revision) = change.edit(session, |texts| self.put(texts, &objects)).await?;
        for path in pruned {
            session.ui.say(format!("{path} is removed"));
        }
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }

    fn put(&self, texts: &mut Texts, objects: &[Object]) -> Result<Vec<SpecPath>> {
        let mut given = BTreeSet::new();
        for object in objects {
            let path = path_of(object)?;
            texts.insert(path.clone(), print::to_yaml(object));
            given.insert(path);
        }
        if !self.prune {
            return Ok(Vec::new());
        }
        let gone: Vec<SpecPath> =
            texts.keys().filter(|p| matches!(p, SpecPath::InstanceGroup(_)) && !given.contains(p)).cloned().collect();
        texts.retain(|path, _| !gone.contains(path));
        Ok(gone)
    }

    /// Fields of the files over those in the store. The files need not be whole specs.
    async fn merge(&self, session: &Session) -> Result<u8> {
        let mut patches: Vec<Patch> = Vec::new();
        for (file, text) in specs::read_files(&self.filename)? {
            patches.extend(merge::patches(&text, &file)?);
        }
        let named = patches.iter().find(|p| p.kind == Kind::Cluster).and_then(|p| p.name.as_deref());
        let cluster = session.cluster(named)?;
        let store = session.store().await?;
        let change = Change::new(&store, &cluster, "apply -f --merge", self.message.as_deref());
        let ((), revision) = change
            .edit(session, |texts| {
                for patch in &patches {
                    let path = match &patch.name {
                        Some(name) if patch.kind == Kind::InstanceGroup => SpecPath::group(name)?,
                        _ => SpecPath::Cluster,
                    };
                    let text = texts.get_mut(&path).ok_or_else(|| {
                        Error::failed(format!("{path} does not exist in cluster {cluster}"))
                            .hint("--merge changes specs that are there; create new ones without it")
                    })?;
                    *text = patch.apply_to(text, &path.to_string())?;
                }
                Ok(())
            })
            .await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }
}
