//! `kspot etcd restore`.

use clap::Args as ClapArgs;

use crate::cli::session::Session;
use crate::error::{Error, Result};
use crate::ops::etcd;
use crate::ops::specs::open;
use crate::spec::duration::GoDuration;
use crate::state::etcd::EtcdWork;
use crate::ui::time::ago;

/// Let all members of etcd begin again with a snapshot
///
/// Everything that changed in the cluster since then is undone: objects that were made since are gone, those that were
/// deleted are back. The API server is away for about a minute. Each machine keeps what its member held before beside it, on
/// the member's volume. A drill changes nothing: the member that leads restores into a directory of its own and reads it
/// back.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot etcd list
  kspot etcd restore 20261121T220000Z --drill
  kspot etcd restore 20261121T220000Z
")]
pub(super) struct Args {
    /// The snapshot, or how its name begins
    #[arg(value_name = "SNAPSHOT")]
    id: String,

    /// Only show that it can be restored
    #[arg(long)]
    drill: bool,

    /// Do not ask
    #[arg(short, long, conflicts_with = "drill")]
    yes: bool,

    /// Which etcd cluster
    #[arg(long, value_name = "NAME", default_value = "main")]
    etcd: String,

    /// How long to wait for it
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    wait: GoDuration,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let cluster = specs.cluster.name();
        let store = open(&site.store, cluster)?;
        let clusters = etcd::clusters(&specs);
        let of = etcd::named(&store, &clusters, &self.etcd)?;
        let snapshot = etcd::snapshot(&site, &store, of, &self.id).await?;
        let name = snapshot.name.clone();
        let taken = ago(session.context.now(), snapshot.when);
        if self.drill {
            let what = EtcdWork::Drill { snapshot: name };
            let order = etcd::order(&session.context, &store, &self.etcd, what).await?;
            let waiting = session.ui.waiting("the member that leads restores it beside its data");
            let told = etcd::answers(&store, &order, 1, self.wait.to_std()).await?;
            drop(waiting);
            session.ui.data(told.into_iter().find_map(|outcome| outcome.done).unwrap_or_default());
            return Ok(0);
        }
        session
            .ui
            .say(format!("snapshot {name} of etcd {} was taken {taken}: what changed since is undone", self.etcd));
        let question = format!("Bring cluster {cluster} back to it?");
        if !self.yes && !session.ui.type_name(&question, cluster, "--yes")? {
            return Err(Error::failed(format!("etcd of cluster {cluster} is left as it is")));
        }
        let members = of.etcd_members.len();
        let order =
            etcd::order(&session.context, &store, &self.etcd, EtcdWork::Restore { snapshot: name.clone() }).await?;
        let waiting = session.ui.waiting(&format!("{members} members begin again"));
        etcd::answers(&store, &order, members, self.wait.to_std()).await?;
        drop(waiting);
        session.ui.say(format!("etcd {} of cluster {cluster} began again with {name}", self.etcd));
        session.ui.hint("next", "kspot validate --wait 10m");
        Ok(0)
    }
}
