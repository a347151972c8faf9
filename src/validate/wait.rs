//! Judges again and again until a cluster was well for long enough, or the deadline is there.

use std::time::Duration;

use async_trait::async_trait;

use super::report::Report;
use crate::error::Result;

/// Looks at a cluster. Both calls may be given up at any point.
#[async_trait]
pub trait Probe: Send {
    /// Looks and judges. An error is one that no waiting mends.
    async fn look(&mut self) -> Result<Report>;

    /// Returns when something has changed since the last look; never, if nothing is watched.
    async fn changed(&mut self);
}

/// Tells the time since some beginning, and waits for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Duration;

    /// Returns when it is that late.
    async fn sleep_until(&self, at: Duration);
}

/// The clock of this machine that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(tokio::time::Instant);

impl Monotonic {
    /// A clock that begins now.
    pub fn start() -> Self {
        Monotonic(tokio::time::Instant::now())
    }
}

#[async_trait]
impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep_until(self.0 + at).await;
    }
}

/// How long and how often to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The deadline, from now; zero is a single look.
    pub wait: Duration,
    /// The longest time between two looks.
    pub interval: Duration,
    /// So many looks in a row, an interval apart, must find the cluster well.
    pub count: u32,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The cluster was well for long enough.
    Healthy(Report),
    /// The deadline came; the last look, and how long it had been well by then, if it was.
    TooLate {
        /// What was seen last; none if no look came to an end.
        last: Option<Report>,
        /// For how long the cluster had been well.
        well_for: Option<Duration>,
    },
}

/// After something changed, so long is waited for more of the same.
const SETTLE: Duration = Duration::from_secs(1);

/// Waits. `tell` hears of every look, with the time since the start.
///
/// A look follows each change that is watched, and each interval. The deadline ends a look that is under way.
pub async fn wait(
    probe: &mut dyn Probe,
    clock: &dyn Clock,
    patience: Patience,
    mut tell: impl FnMut(&Report, Duration) + Send,
) -> Result<Verdict> {
    let start = clock.now();
    let single = patience.wait.is_zero();
    let needed = patience.interval * patience.count.saturating_sub(1);
    let deadline = start + patience.wait;
    let mut last: Option<Report> = None;
    let mut well_since: Option<Duration> = None;
    loop {
        let looked = tokio::select! {
            biased;
            () = clock.sleep_until(deadline), if !single => break,
            looked = probe.look() => looked,
        };
        let report = looked?;
        let now = clock.now();
        tell(&report, now - start);
        well_since = if report.healthy { well_since.or(Some(now)) } else { None };
        if well_since.is_some_and(|since| single || now - since >= needed) {
            return Ok(Verdict::Healthy(report));
        }
        last = Some(report);
        if single {
            break;
        }
        let next = match well_since {
            // The look that decides comes when the time is full, not a whole interval later.
            Some(since) => (now + patience.interval).min(since + needed),
            None => now + patience.interval,
        };
        tokio::select! {
            biased;
            () = clock.sleep_until(deadline) => break,
            () = clock.sleep_until(next) => {}
            () = settled(probe, clock) => {}
        }
    }
    Ok(Verdict::TooLate { last, well_for: well_since.map(|since| clock.now() - since) })
}

/// Returns a moment after something changed: changes come in crowds.
async fn settled(probe: &mut dyn Probe, clock: &dyn Clock) {
    probe.changed().await;
    clock.sleep_until(clock.now() + SETTLE).await;
}

#[cfg(test)]
mod tests;
