//! Walks the plan's graph against a cloud: bounded concurrency, a reporter, root causes only.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, Ids, Live, Update};
use crate::error::{Error, Result};
use crate::plan::{Change, Op, Plan, Step, steps};
use crate::resource::{Addr, Changed};

/// How many AWS changes run at once: enough to fill a round trip, few enough not to be throttled.
pub const CONCURRENCY: usize = 24;

/// Is told what an apply does. Implementations only show; they decide nothing.
pub trait Reporter: Send + Sync {
    /// A step starts.
    fn started(&self, addr: &Addr, op: Op);
    /// A step ended, after this long; `error` is set when it failed.
    fn finished(&self, addr: &Addr, op: Op, took: Duration, error: Option<&Error>);
}

/// Reports nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reporter for Silent {
    fn started(&self, _: &Addr, _: Op) {}
    fn finished(&self, _: &Addr, _: Op, _: Duration, _: Option<&Error>) {}
}

/// How an apply ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Steps that were made.
    pub done: Vec<(Addr, Op)>,
    /// Steps that failed, with their root causes.
    pub failed: Vec<(Addr, Op, Error)>,
    /// Steps that were not tried, because one that they need failed.
    pub skipped: Vec<(Addr, Op)>,
    /// Steps that were not tried, because the apply was interrupted.
    pub stopped: Vec<(Addr, Op)>,
}

impl Outcome {
    /// Whether everything was made.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.stopped.is_empty()
    }
}

/// How an apply ended, as data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether everything was made.
    pub complete: bool,
    /// What was made.
    pub done: Vec<Made>,
    /// What failed, each with its root cause.
    pub failed: Vec<Made>,
    /// What was not tried: because something that it needs failed, or because the apply was interrupted.
    pub not_tried: Vec<Made>,
}

/// One step of an apply, as data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Which resource.
    pub address: Addr,
    /// What was to be done with it.
    pub op: Op,
    /// Why it failed, the causes after colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Report {
    /// The outcome as data.
    pub fn of(outcome: &Outcome) -> Self {
        let made = |(address, op): &(Addr, Op)| Made { address: address.clone(), op: *op, error: None };
        let failed = outcome.failed.iter().map(|(address, op, error)| Made {
            address: address.clone(),
            op: *op,
            error: Some(error.chain()),
        });
        Report {
            complete: outcome.is_complete(),
            done: outcome.done.iter().map(made).collect(),
            failed: failed.collect(),
            not_tried: outcome.skipped.iter().chain(&outcome.stopped).map(made).collect(),
        }
    }
}

/// Makes the plan's changes. `live` is what the plan was made against. Cancelling `stop` lets the steps in flight end
/// and starts no other. An error means that nothing was tried; failures of steps are in the outcome.
pub async fn run(
    plan: &Plan,
    live: &Live,
    cloud: &dyn Cloud,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let steps = steps(plan)?;
    let ids = Ids::of(live);
    let place = |step: &Step| (plan.changes[step.change].addr.clone(), step.op);
    let walk = steps
        .graph
        .walk(CONCURRENCY, stop, |n| {
            let step = steps.steps[n];
            let change = &plan.changes[step.change];
            let ids = &ids;
            async move {
                reporter.started(&change.addr, step.op);
                let start = Instant::now();
                let result = make(change, step.op, cloud, ids).await;
                reporter.finished(&change.addr, step.op, start.elapsed(), result.as_ref().err());
                result
            }
        })
        .await;
    let named = |nodes: Vec<usize>| nodes.into_iter().map(|n| place(&steps.steps[n])).collect();
    Ok(Outcome {
        done: named(walk.done),
        failed: walk
            .failed
            .into_iter()
            .map(|(n, e)| {
                let (addr, op) = place(&steps.steps[n]);
                (addr, op, e)
            })
            .collect(),
        skipped: named(walk.skipped),
        stopped: named(walk.stopped),
    })
}

async fn make(change: &Change, op: Op, cloud: &dyn Cloud, ids: &Ids) -> Result<()> {
    match (op, &change.live, &change.desired) {
        (Op::Create, _, Some(desired)) => {
            let created = cloud.create(&change.addr, desired, ids).await?;
            ids.insert(change.addr.clone(), created);
        }
        (Op::Update, Some(live), Some(desired)) => {
            let changed = Changed::from_paths(change.fields.iter().map(|f| f.path.as_str()));
            let attrs = cloud.update(&change.addr, Update { live, desired, changed: &changed }, ids).await?;
            ids.extend(&change.addr, attrs);
        }
        (Op::Delete, Some(live), _) => {
            cloud.delete(&change.addr, live, ids).await?;
            if change.desired.is_none() {
                ids.remove(&change.addr);
            }
        }
        _ => return Err(Error::failed(format!("{} has nothing to be made of", change.addr))),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
