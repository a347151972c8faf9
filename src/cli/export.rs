//! `kspot export kubeconfig`: a way into clusters for `kubectl` and every other client.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use jiff::SignedDuration;

use super::session::Session;
use crate::error::{Error, Result};
use crate::ops::access::{ADMIN_LIFE, Wanted, entry};
use crate::ops::specs::{Specs, read};
use crate::pki::kubeconfig;
use crate::spec::duration::GoDuration;
use crate::state::cluster::configs;
use crate::ui::time::ago;

/// Export the way into a cluster
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot export kubeconfig --admin
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Kubeconfig(KubeconfigArgs),
}

/// Put a cluster into the kubeconfig
///
/// Only this cluster's entries are touched; whatever else is in the file stays. With --admin the user gets a certificate
/// of an administrator that ends soon; without it the file only learns where the cluster is, for a user of your own.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot export kubeconfig --admin             # for 18 hours
  kspot export kubeconfig demo.k8s.local --admin=1h --kubeconfig ./demo.kubeconfig
  kspot export kubeconfig --all
")]
struct KubeconfigArgs {
    /// The cluster's name
    #[arg(conflicts_with = "all")]
    cluster: Option<String>,

    /// With a certificate of an administrator, for this long
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "18h")]
    admin: Option<GoDuration>,

    /// The file; default: the first of KUBECONFIG's, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Every cluster of the state store; the current context stays
    #[arg(long)]
    all: bool,

    /// The API's address inside the cluster's network
    #[arg(long)]
    internal: bool,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let What::Kubeconfig(args) = self.what;
        let export = Export {
            admin: args.admin.map(lifetime).transpose()?,
            kubeconfig: args.kubeconfig,
            internal: args.internal,
        };
        let store = session.store().await?;
        if !args.all {
            let cluster = session.cluster(args.cluster.as_deref())?;
            return export.run(session, &[read(&store, &cluster).await?], true).await;
        }
        let mut all = Vec::new();
        for name in configs(store.as_ref()).await?.into_keys() {
            all.push(read(&store, &name).await?);
        }
        export.run(session, &all, false).await
    }
}

/// How long an administrator's certificate may last: not so short that it is over at once, not so long that it is never.
pub(super) fn lifetime(wanted: GoDuration) -> Result<SignedDuration> {
    let life = SignedDuration::from_nanos(wanted.as_nanos());
    let range = SignedDuration::from_mins(10)..=SignedDuration::from_hours(365 * 24);
    if range.contains(&life) {
        return Ok(life);
    }
    Err(Error::usage(format!("--admin={wanted} is not between 10m and 8760h")).hint("--admin alone is --admin=18h"))
}

/// Takes a deleted cluster out of the usual kubeconfig, if it is there.
pub(super) fn forget(session: &Session, cluster: &str, authorities: &str) -> Result<()> {
    // Without a home there is no usual file that the cluster could be in.
    let Ok(file) = kubeconfig::place(None, |name| session.context.env(name).map(str::to_owned)) else { return Ok(()) };
    if kubeconfig::change(&file, |text| kubeconfig::forget(text, cluster, authorities))? {
        session.ui.say(format!("{}: cluster {cluster} is removed", file.display()));
    }
    Ok(())
}

/// What is put into which file.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) admin: Option<SignedDuration>,
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) internal: bool,
}

impl Export {
    /// An administrator's entry in the usual file.
    pub(super) fn of_admin(life: Option<SignedDuration>) -> Self {
        Export { admin: Some(life.unwrap_or(ADMIN_LIFE)), kubeconfig: None, internal: false }
    }

    pub(super) async fn run(&self, session: &Session, clusters: &[Specs], switch: bool) -> Result<u8> {
        let wanted = Wanted { admin: self.admin, internal: self.internal };
        let mut entries = Vec::new();
        for specs in clusters {
            let site = session.site_for(specs).await?;
            entries.push(entry(&site, &specs.cluster, wanted).await?);
        }
        let file = kubeconfig::place(self.kubeconfig.as_deref(), |name| session.context.env(name).map(str::to_owned))?;
        let current = entries.last().map(|e| e.name.clone()).filter(|_| switch);
        kubeconfig::change(&file, |text| kubeconfig::merge(text, &entries, current.as_deref()).map(Some))?;
        let now = session.context.now();
        for entry in &entries {
            let rights = match self.admin {
                Some(life) => format!(", with an administrator's certificate that ends {}", ago(now, now + life)),
                None => String::new(),
            };
            session.ui.say(format!("{}: cluster {} at {}{rights}", file.display(), entry.name, entry.server));
        }
        if let Some(current) = &current {
            session.ui.say(format!("the current context is {current}"));
            if self.admin.is_none() {
                session.ui.hint("hint", format!("kspot export kubeconfig {current} --admin adds an administrator"));
            }
        }
        Ok(0)
    }
}
