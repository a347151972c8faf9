//! `kspot delete cluster`: everything it owns on AWS, then its specs.

use std::time::Instant;

use clap::Args as ClapArgs;

use crate::cli::export::forget;
use crate::cli::session::Session;
use crate::error::{Error, Result};
use crate::ops::delete::{Doomed, delete, look};
use crate::ui::PlanView;

/// Delete a cluster: everything it owns on AWS, then its specs
///
/// Shows what will be lost first. On a terminal it asks to type the cluster's name; a script gives --yes and the name on
/// the command line. What is shared with the cluster is never touched. A cluster whose specs are gone is found by its
/// tags: name its --region then. Its entries in the usual kubeconfig go as well.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot delete cluster demo.k8s.local          # shows what goes, asks for the name
  kspot delete cluster demo.k8s.local --yes    # in a script
  kspot delete cluster demo.k8s.local --region us-east-1 --yes    # its specs are gone already
")]
pub(super) struct Args {
    /// The cluster's name
    cluster: Option<String>,

    /// Do not ask; the name must be on the command line
    #[arg(short, long)]
    yes: bool,

    /// Remove the specs only, leave everything on AWS as it is
    #[arg(long)]
    unregister: bool,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let setting = session.global.cluster_setting(&session.context, self.cluster.as_deref())?;
        let cluster = setting.value;
        if self.yes && setting.source.ends_with("_CLUSTER_NAME") {
            return Err(Error::usage(format!("the cluster to delete is named by {} only", setting.source))
                .hint(format!("put the name on the command line: kspot delete cluster {cluster} --yes")));
        }
        let site = session.site_of(&cluster).await?;
        let doomed = look(&site, &cluster).await?;
        if let Doomed { protected: true, .. } = doomed {
            return Err(Error::failed(format!("cluster {cluster} is protected against deletion"))
                .hint("kspot unset cluster spec.deletionProtection, then delete it"));
        }
        if self.unregister {
            return self.unregister(session, &site, &cluster).await;
        }
        session.ui.plan(PlanView::new(&doomed.plan));
        for line in &doomed.left_behind {
            session.ui.warn(line);
        }
        if !self.yes && !session.ui.type_name(&format!("Delete cluster {cluster} for good?"), &cluster, "--yes")? {
            return Err(Error::failed("nothing is deleted"));
        }
        let stop = session.interrupts();
        let start = Instant::now();
        let progress = session.ui.progress(doomed.plan.changes.len());
        let authorities = doomed.authorities.clone();
        let (outcome, objects) = delete(&site, &cluster, doomed, &progress, &stop).await?;
        drop(progress);
        session.ui.outcome(&outcome, start.elapsed(), &format!("kspot delete cluster {cluster}"))?;
        session
            .ui
            .say(format!("cluster {cluster} is deleted ({objects} objects and old versions removed from the store)"));
        forget(session, &cluster, &authorities)?;
        Ok(0)
    }

    async fn unregister(&self, session: &Session, site: &crate::ops::prepare::Site, cluster: &str) -> Result<u8> {
        let question = format!("Remove the specs of cluster {cluster}, and leave everything on AWS?");
        if !self.yes && !session.ui.type_name(&question, cluster, "--yes")? {
            return Err(Error::failed("nothing is removed"));
        }
        let objects = crate::ops::specs::open(&site.store, cluster)?.delete().await?;
        session.ui.say(format!("the specs of cluster {cluster} are removed ({objects} objects and old versions)"));
        Ok(0)
    }
}
