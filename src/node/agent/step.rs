//! A step of a boot, and the walk over them.
//!
//! Each step looks before it acts, so that a boot may end anywhere and begin again from the start. A step that fails is
//! tried again, with growing pauses, for ever: what it waits for (a mirror, a volume, a right) may come. What it is at,
//! and why it does not get on, is told all the while.

use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};

use super::report::Reporter;
use crate::error::Result;
use crate::node::host::Host;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// One step.
#[async_trait]
pub trait Step: Send + Sync {
    /// The phase that the machine is in meanwhile: `downloads`, `container-runtime` ...
    fn phase(&self) -> &'static str;

    /// Whether everything that it does is done.
    async fn is_done(&self, host: &dyn Host) -> Result<bool>;

    /// Does it. What it did before and is as it should be stays.
    async fn act(&self, host: &dyn Host, report: &Reporter) -> Result<()>;
}

/// Takes the steps in their order.
pub async fn walk(steps: &[Box<dyn Step>], host: &dyn Host, report: &Reporter) {
    for step in steps {
        take(step.as_ref(), host, report).await;
    }
}

/// Takes one step until it is done.
pub async fn take(step: &dyn Step, host: &dyn Host, report: &Reporter) {
    report.enter(step.phase()).await;
    let mut pauses = pauses();
    while let Err(error) = once(step, host, report).await {
        report.failed(&error).await;
        tokio::time::sleep(pauses.next().unwrap_or(PAUSES.1)).await;
    }
    report.done().await;
}

/// Tries one thing until it succeeds.
pub async fn until<T>(phase: &'static str, report: &Reporter, attempt: impl AsyncFn() -> Result<T>) -> T {
    report.enter(phase).await;
    let mut pauses = pauses();
    loop {
        match attempt().await {
            Ok(value) => {
                report.done().await;
                return value;
            }
            Err(error) => report.failed(&error).await,
        }
        tokio::time::sleep(pauses.next().unwrap_or(PAUSES.1)).await;
    }
}

async fn once(step: &dyn Step, host: &dyn Host, report: &Reporter) -> Result<()> {
    if step.is_done(host).await? {
        return Ok(());
    }
    step.act(host, report).await
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(PAUSES.0)
        .with_max_delay(PAUSES.1)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
/// What the tests of steps share.
pub mod tests {
    use super::*;
    use crate::context::Context;
    use crate::node::host::fake::Fake;

    /// A reporter that tells nobody.
    pub fn quiet() -> Reporter {
        Reporter::new(Context::fixed("2026-11-21T12:00:00Z".parse().unwrap(), "root", "i-1"), "i-1", |_| {})
    }

    /// Whether a step is done.
    pub async fn is_done(step: &dyn Step, host: &Fake) -> bool {
        step.is_done(host).await.unwrap()
    }

    /// Does a step.
    pub async fn act(step: &dyn Step, host: &Fake) -> Result<()> {
        step.act(host, &quiet()).await
    }
}
