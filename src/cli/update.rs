//! `kspot update cluster`: shows the plan, and makes it true.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args as ClapArgs, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;

use super::export::{Export, lifetime};
use super::session::Session;
use crate::apply::{Outcome, Report};
use crate::error::{Context as _, Error, Result};
use crate::ops::prepare::{Extent, Prepared, Site, prepare};
use crate::ops::specs::{Specs, read};
use crate::ops::update::{require_same, update};
use crate::plan::Cost;
use crate::plan::saved::SavedPlan;
use crate::spec::duration::GoDuration;
use crate::state::applied::Applied;
use crate::ui::PlanView;

/// Show what differs between specs and AWS, and make AWS follow
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot update cluster
  kspot update cluster --yes
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Cluster(ClusterArgs),
}

/// Show the plan of a cluster; with --yes, make it true
///
/// The plan is exact: it lists every resource and field that changes, and why. A second update right after one has
/// nothing to do. An interrupted update is continued by running it again.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot update cluster                               # show the plan
  kspot update cluster --yes                         # make it true
  kspot update cluster --detailed-exitcode -o json   # in a pipeline: 0 no changes, 2 changes
  kspot update cluster --out plan.json               # save the plan ...
  kspot update cluster --plan plan.json --yes        # ... and apply exactly that, or refuse
")]
struct ClusterArgs {
    /// The cluster's name
    cluster: Option<String>,

    /// Make the changes
    #[arg(short, long)]
    yes: bool,

    /// Save the plan to a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["yes", "plan"])]
    out: Option<PathBuf>,

    /// Apply exactly this saved plan, or refuse if anything has moved since
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// Only what belongs to these instance groups
    #[arg(long, value_name = "GROUP,...", value_delimiter = ',', alias = "instance-group")]
    group: Vec<String>,

    /// Form of the plan
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,

    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,

    /// Show every field, the unchanged long texts too
    #[arg(long)]
    full: bool,

    /// Also read what AWS tells only group by group: lifecycle hooks, as `kspot drift` does
    #[arg(long)]
    deep: bool,

    /// Then put an administrator's certificate into the kubeconfig, for this long
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "18h", requires = "yes")]
    admin: Option<GoDuration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    Text,
    /// One JSON document with a formatVersion
    Json,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let What::Cluster(args) = self.what;
        let cluster = session.cluster(args.cluster.as_deref())?;
        let preview = Preview {
            cluster,
            yes: args.yes,
            out: args.out,
            saved: args.plan,
            groups: args.group,
            json: args.output == Form::Json,
            detailed_exitcode: args.detailed_exitcode,
            full: args.full,
            deep: args.deep,
            admin: args.admin.map(lifetime).transpose()?,
            specs: None,
        };
        preview.run(session).await
    }
}

/// A look at the plan, and what follows it.
#[derive(Debug, Default)]
pub(super) struct Preview {
    pub(super) cluster: String,
    pub(super) yes: bool,
    pub(super) out: Option<PathBuf>,
    pub(super) saved: Option<PathBuf>,
    pub(super) groups: Vec<String>,
    pub(super) json: bool,
    pub(super) detailed_exitcode: bool,
    pub(super) full: bool,
    pub(super) deep: bool,
    pub(super) admin: Option<SignedDuration>,
    /// The specs, where they were written a moment ago and need not be read again.
    pub(super) specs: Option<Specs>,
}

impl Preview {
    pub(super) async fn run(&self, session: &Session) -> Result<u8> {
        let expected = self.saved.as_deref().map(read_plan).transpose()?;
        let only = expected.as_ref().map_or(&self.groups, |p| &p.groups).clone();
        let extent = Extent { only, deep: self.deep, fresh: self.specs.is_some() };
        let reading = session.ui.waiting(&format!("reading cluster {}", self.cluster));
        let specs = match &self.specs {
            Some(specs) => specs.clone(),
            None => read(&session.store().await?, &self.cluster).await?,
        };
        let site = session.site_for(&specs).await?;
        let prepared = prepare(&site, &specs, &extent).await?;
        drop(reading);
        for warning in specs.warnings.iter().chain(&prepared.warnings) {
            session.ui.warn(warning);
        }
        for path in &specs.outside_edits {
            session.ui.say(format!("{path} was edited without kspot; the edit is part of this plan"));
        }
        self.failed_before(session, &prepared);
        if !self.json {
            self.show(session, &prepared);
        } else if !self.yes {
            session.ui.json(&Document::of(&prepared, None))?;
        }
        if let Some(file) = &self.out {
            write_plan(file, &prepared.saved())?;
            session.ui.say(format!("the plan is saved in {}", file.display()));
            session.ui.hint("next", format!("kspot update cluster {} --plan {} --yes", self.cluster, file.display()));
        }
        if let Some(expected) = &expected {
            require_same(expected, &prepared)?;
        }
        if self.yes {
            let done = self.apply(session, &site, prepared, expected.as_ref()).await?;
            if self.admin.is_some() {
                Export::of_admin(self.admin).run(session, &[specs], true).await?;
            }
            return Ok(done);
        }
        if !prepared.plan.is_empty() && self.out.is_none() {
            session.ui.hint("next", format!("kspot update cluster {} --yes", self.cluster));
        }
        Ok(if self.detailed_exitcode && !prepared.plan.is_empty() { 2 } else { 0 })
    }

    /// A failed apply is mentioned until a clean one.
    fn failed_before(&self, session: &Session, prepared: &Prepared) {
        if let Some(reason) = prepared.applied.as_ref().and_then(Applied::trouble) {
            session.ui.warn(format!("the last update did not end well: {reason}"));
        }
    }

    fn show(&self, session: &Session, prepared: &Prepared) {
        let place = prepared.place();
        let view = PlanView::new(&prepared.plan).place(&place).full(self.full);
        session.ui.plan(match &prepared.cost {
            Some(cost) => view.cost(cost),
            None => view,
        });
        if prepared.left_out > 0 {
            session.ui.say(format!("{} more changes are left out by --group", prepared.left_out));
        }
    }

    async fn apply(
        &self,
        session: &Session,
        site: &Site,
        prepared: Prepared,
        expected: Option<&SavedPlan>,
    ) -> Result<u8> {
        if prepared.is_settled() {
            if self.json {
                session.ui.json(&Document::of(&prepared, Some(&Outcome::default())))?;
            }
            return Ok(0);
        }
        for unchecked in crate::ops::preflight::check(&site.cloud, &prepared).await? {
            session.ui.warn(unchecked);
        }
        let stop = session.interrupts();
        let start = Instant::now();
        let progress = session.ui.progress(prepared.plan.changes.len());
        let (prepared, outcome) = update(site, prepared, expected, &progress, &stop).await?;
        drop(progress);
        if self.json {
            session.ui.json(&Document::of(&prepared, Some(&outcome)))?;
        }
        session.ui.outcome(&outcome, start.elapsed(), &format!("kspot update cluster {} --yes", self.cluster))?;
        session.ui.say(format!("cluster {} is as its specs say (revision {})", self.cluster, prepared.revision));
        Ok(0)
    }
}

/// What `-o json` prints: the plan in its stable form, what it costs, and, once it was applied, how that ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    plan: SavedPlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a Cost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Report>,
}

impl<'a> Document<'a> {
    fn of(prepared: &'a Prepared, outcome: Option<&Outcome>) -> Self {
        Document { plan: prepared.saved(), cost: prepared.cost.as_ref(), outcome: outcome.map(Report::of) }
    }
}

fn read_plan(file: &Path) -> Result<SavedPlan> {
    let text = std::fs::read_to_string(file).context(|| format!("can't read the plan {}", file.display()))?;
    let plan: SavedPlan = serde_json::from_str(&text).context(|| format!("{} is not a saved plan", file.display()))?;
    if !plan.is_readable() {
        return Err(Error::failed(format!("the plan {} has format {}", file.display(), plan.format_version))
            .hint("make it again with this kspot: kspot update cluster --out plan.json"));
    }
    Ok(plan)
}

fn write_plan(file: &Path, plan: &SavedPlan) -> Result<()> {
    let mut text = serde_json::to_string_pretty(plan).context(|| "can't write the plan as JSON".into())?;
    text.push('\n');
    std::fs::write(file, text).context(|| format!("can't save the plan in {}", file.display()))
}
