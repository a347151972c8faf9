//! `kspot validate`: is the cluster well?

use std::time::Duration;

use clap::Args as ClapArgs;

use super::reach::Reach;
use super::session::Session;
use super::update::Form;
use crate::error::{Error, Kind, Result};
use crate::ops::health::Health;
use crate::spec::duration::GoDuration;
use crate::ui::size;
use crate::validate::wait::Monotonic;
use crate::validate::{Patience, Report, Rules, Verdict, wait};

/// Check whether a cluster is well, and wait until it is
///
/// Looks at AWS, at the nodes and at what the cluster can't do without: every group's size, machines that have not joined
/// (with how far their boot got), nodes, the control plane's and other critical pods, addons, keys, versions. What blocks
/// is told apart from churn: machines that come up or leave, as they always do on spot. Exits with 4 if something blocks.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot validate
  kspot validate --wait 10m                  # after an update
  kspot validate --wait 15m --count 3        # well three times in a row, 10 seconds apart
  kspot validate -o json
")]
pub(super) struct Args {
    /// The cluster's name
    #[arg(num_args = 0..=2, value_name = "CLUSTER")]
    cluster: Vec<String>,

    /// How long to wait until it is well; 0s looks once
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    wait: GoDuration,

    /// The time between two looks; what changes in between is looked at at once
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    interval: GoDuration,

    /// So many times in a row it must be well, an interval apart
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,

    /// So many workers may be failing
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_unready_nodes: u32,

    /// Machines that come and go block as well
    #[arg(long)]
    strict: bool,

    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,

    #[command(flatten)]
    reach: Reach,
}

/// A judgement as data.
#[derive(serde::Serialize)]
struct Document<'a> {
    cluster: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let patience = self.patience()?;
        let (site, specs) = session.site(self.name()?).await?;
        let cluster = specs.cluster.name();
        let looking = session.ui.waiting(&format!("looking at cluster {cluster}"));
        let connection = self.reach.dial(&site, &specs, self.wait.to_std()).await?;
        let rules = Rules { strict: self.strict, max_unready_nodes: self.max_unready_nodes };
        let mut health = Health::new(&site, &specs, connection, rules).await?;
        let mut before: Option<Report> = None;
        let verdict = wait(&mut health, &Monotonic::start(), patience, |report, after| {
            if !patience.wait.is_zero() {
                session.ui.health_news(&report.since(before.as_ref()), after, report.when);
            }
            before = Some(report.clone());
        })
        .await?;
        drop(looking);
        let (last, healthy) = match &verdict {
            Verdict::Healthy(report) => (Some(report), true),
            Verdict::TooLate { last, .. } => (last.as_ref(), false),
        };
        if let Some(report) = last {
            match self.output {
                Form::Json => session.ui.json(&Document { cluster, report })?,
                Form::Text => session.ui.health(report, session.context.now()),
            }
        }
        match last {
            Some(report) if healthy => {
                let nodes = size::count(report.ready_nodes() as usize, "node");
                session.ui.say(format!("cluster {cluster} is well: {nodes} ready"));
                Ok(0)
            }
            _ => Err(self.unwell(cluster, &verdict)),
        }
    }

    /// `kspot validate cluster NAME` is taken as well: fingers know it from kOps.
    fn name(&self) -> Result<Option<&str>> {
        match self.cluster.as_slice() {
            [] => Ok(None),
            [word] if word == "cluster" => Ok(None),
            [name] => Ok(Some(name)),
            [word, name] if word == "cluster" => Ok(Some(name)),
            _ => Err(Error::usage("more than one cluster is named").hint("kspot validate NAME")),
        }
    }

    fn patience(&self) -> Result<Patience> {
        let (wait, interval) = (self.wait.to_std(), self.interval.to_std());
        if interval < Duration::from_secs(1) {
            return Err(Error::usage(format!("--interval {} is shorter than a second", self.interval)));
        }
        if self.count > 1 && wait < interval * (self.count - 1) {
            let least = size::count(self.count as usize, "look");
            return Err(Error::usage(format!("--wait {} is too short for {least} {} apart", self.wait, self.interval)));
        }
        Ok(Patience { wait, interval, count: self.count })
    }

    fn unwell(&self, cluster: &str, verdict: &Verdict) -> Error {
        let unhealthy = |what: String| Error::new(Kind::Unhealthy, what);
        let Verdict::TooLate { last, well_for } = verdict else {
            return unhealthy(format!("cluster {cluster} is not well"));
        };
        let within = if self.wait.as_nanos() == 0 { String::new() } else { format!(" after {}", self.wait) };
        match (last, well_for) {
            (None, _) => unhealthy(format!("no look at cluster {cluster} came to an end within {}", self.wait)),
            (Some(_), Some(time)) => unhealthy(format!(
                "cluster {cluster} was well for {} at the end, and {} in a row were asked for",
                crate::ui::time::duration(*time),
                size::count(self.count as usize, "look")
            )),
            (Some(report), None) => {
                let problems = size::count(report.blocking().count(), "problem");
                let error = unhealthy(format!("cluster {cluster} is not well{within}: {problems}"));
                match self.wait.as_nanos() {
                    0 => error.hint("kspot validate --wait 10m waits for it, and says what changes"),
                    _ => error,
                }
            }
        }
    }
}
