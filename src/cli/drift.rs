//! `kspot drift`: what differs between AWS and the specs as they were last applied.

use clap::Args as ClapArgs;

use super::session::Session;
use crate::error::Result;
use crate::ops::drift::drift;
use crate::ui::PlanView;

/// Show what somebody changed on AWS since the last update
///
/// Compares AWS with the revision that was applied last, not with the specs as they are now: what it shows is what
/// happened behind kspot's back. It looks closer than a plan: lifecycle hooks are read group by group.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot drift
  kspot drift --detailed-exitcode    # 0 no drift, 2 drift
  kspot drift -o json
")]
pub(super) struct Args {
    /// The cluster's name
    cluster: Option<String>,

    /// Form of the differences
    #[arg(short, long, value_enum, default_value_t)]
    output: super::update::Form,

    /// Exit with 2 when there is drift
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(self.cluster.as_deref()).await?;
        let cluster = specs.cluster.name();
        let found = drift(&site, cluster).await?;
        if self.output == super::update::Form::Json {
            session.ui.json(&found.saved())?;
        } else {
            session.ui.plan(PlanView::new(&found.plan).place(&found.place()));
        }
        let drifted = !found.plan.is_empty();
        if drifted && self.output == super::update::Form::Text {
            session
                .ui
                .say(format!("the above would bring AWS back to revision {}, which was applied last", found.revision));
            session.ui.hint("next", format!("kspot update cluster {cluster} --deep --yes"));
        }
        Ok(if self.detailed_exitcode && drifted { 2 } else { 0 })
    }
}
