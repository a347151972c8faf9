//! `kspot explain`: what a field of a spec means.

use clap::Args as ClapArgs;

use super::session::Session;
use crate::error::Result;
use crate::spec::reference::reference;
use crate::spec::{Kind, explain, schema};

/// Explain a field of the specs: its meaning, type and default
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot explain cluster
  kspot explain spec.clusterAutoscaler
  kspot explain instancegroup.spec.mixedInstancesPolicy
  kspot explain instancegroup --schema > instancegroup.schema.json
")]
pub(super) struct Args {
    /// The field: [cluster.|instancegroup.]spec.a.b
    path: String,

    /// Print the JSON schema of the kind, for editors
    #[arg(long)]
    schema: bool,

    /// Print every field of the kind, as a page of Markdown
    #[arg(long, conflicts_with = "schema")]
    recursive: bool,
}

impl Args {
    pub(super) fn run(self, session: &Session) -> Result<u8> {
        let group = self.path.starts_with("instancegroup") || self.path == "ig";
        let kind = if group { Kind::InstanceGroup } else { Kind::Cluster };
        if self.recursive {
            session.ui.data(reference(kind));
        } else if self.schema {
            // The schema is JSON Schema's own document: it has no place for a formatVersion.
            session.ui.data(format!("{:#}", schema(kind)));
        } else {
            session.ui.data(explain::explain(&self.path)?);
        }
        Ok(0)
    }
}
