//! `kspot create -f`: writes specs that are not there yet.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::cli::specs::{self, Change};
use crate::error::{Error, Result};
use crate::ops::specs::path_of;
use crate::spec::{Object, print};

/// Files with specs.
#[derive(ClapArgs, Debug, Default)]
pub(super) struct FileArgs {
    /// Create the specs of files, directories, or - for standard input
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", requires = "filename")]
    message: Option<String>,
}

impl FileArgs {
    pub(super) fn is_given(&self) -> bool {
        !self.filename.is_empty()
    }

    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let specs::Loaded { mut objects, documents } = specs::load(&self.filename)?;
        let cluster = specs::cluster_of(&objects, session.global.name.clone())?;
        for object in &mut objects {
            if let Object::Cluster(cluster) = object {
                crate::spec::cidr::assign(cluster)?;
            }
        }
        let store = session.store().await?;
        let change = Change::new(&store, &cluster, "create -f", self.message.as_deref()).of(&documents);
        if objects.iter().any(|o| matches!(o, Object::Cluster(_))) {
            specs::create_all(session, &change, objects).await?;
            session.ui.say(format!("cluster {cluster} has its specs in {}", store.describe()));
            session.ui.hint("next", format!("kspot update cluster {cluster}"));
            return Ok(0);
        }
        let ((), revision) = change
            .edit(session, |texts| {
                for object in &objects {
                    let path = path_of(object)?;
                    if texts.insert(path.clone(), print::to_yaml(object)).is_some() {
                        return Err(Error::failed(format!("{path} exists already in cluster {cluster}"))
                            .hint("change it with kspot replace -f, kspot apply -f or kspot edit"));
                    }
                }
                Ok(())
            })
            .await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }
}
