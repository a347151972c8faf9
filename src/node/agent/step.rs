//! A step of a boot, and the walk over them.
//!
//! Each step looks before it acts, so that a boot may end anywhere and begin again from the start. A step that fails is
//! tried again, with growing pauses, for ever: what it waits for (a mirror, a volume, a right) may come. What it is at,
//! and why it does not get on, is told all the while.

use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::report::Reporter;
use crate::error::Result;
use crate::node::host::Host;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How often something on this machine is looked for, and how long it may be missing before that is worth a word: what
/// begins now is not ready at once.
const LOOKS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

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

/// Looks often for what this machine itself is to bring about. Why it is not so yet is told once it has lasted, and again
/// when the reason changes.
pub async fn wait<T>(phase: &'static str, report: &Reporter, look: impl AsyncFn() -> Result<T>) -> T {
    look_every(LOOKS, phase, report, look).await
}

async fn look_every<T>(
    (pause, lasting): (Duration, Duration),
    phase: &'static str,
    report: &Reporter,
    look: impl AsyncFn() -> Result<T>,
) -> T {
    report.enter(phase).await;
    let began = Instant::now();
    let mut told = None;
    loop {
        match look().await {
            Ok(value) => {
                report.done().await;
                return value;
            }
            Err(error) if began.elapsed() >= lasting && told.as_ref() != Some(&error.chain()) => {
                report.failed(&error).await;
                told = Some(error.chain());
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
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
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::context::Context;
    use crate::error::Error;
    use crate::node::host::fake::Fake;

    /// A reporter that tells nobody.
    pub fn quiet() -> Reporter {
        Reporter::new(Context::fixed("2026-11-21T12:00:00Z".parse().unwrap(), "root", "i-1"), "i-1", |_| {})
    }

    /// What is missing for a moment is not told; what lasts is told once, and so is each new reason.
    #[tokio::test]
    async fn a_wait_tells_what_lasts() {
        let told = async |lasting| {
            let lines: Arc<Mutex<Vec<String>>> = Arc::default();
            let console = Arc::clone(&lines);
            let context = Context::fixed("2026-11-21T12:00:00Z".parse().unwrap(), "root", "i-1");
            let report = Reporter::new(context, "i-1", move |line| console.lock().unwrap().push(line.to_owned()));
            let looks = AtomicU32::new(0);
            look_every((Duration::from_millis(1), lasting), "api-server", &report, async || {
                match looks.fetch_add(1, Ordering::Relaxed) {
                    0..3 => Err(Error::failed("connection refused")),
                    3..9 => Err(Error::failed("etcd is not ready")),
                    _ => Ok(()),
                }
            })
            .await;
            assert_eq!(looks.into_inner(), 10);
            let lines = lines.lock().unwrap().clone();
            lines
                .iter()
                .filter_map(|line| line.split_once(" error=").map(|(_, why)| why.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(Duration::ZERO).await, ["\"connection refused\"", "\"etcd is not ready\""]);
        assert_eq!(told(Duration::from_secs(3600)).await, [""; 0]);
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
