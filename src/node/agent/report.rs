//! Tells how far the boot is: on the console, a line per phase, and to whoever keeps it for `kspot validate`.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::state::status::{BootStatus, JOINED};

/// Whoever keeps the status of a boot: the state store, or the control plane's controller.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Keeps it in place of the one before.
    async fn keep(&self, status: &BootStatus) -> Result<()>;
}

/// Tells how far the boot is.
pub struct Reporter {
    context: Context,
    instance: String,
    began: Timestamp,
    console: Box<dyn Fn(&str) + Send + Sync>,
    keeper: Mutex<Option<std::sync::Arc<dyn Keeper>>>,
    at: Mutex<At>,
}

/// Where a boot is.
#[derive(Clone)]
struct At {
    phase: String,
    since: Timestamp,
    /// Why the last try of it failed; it stays while the next one runs.
    error: Option<String>,
}

impl At {
    fn new(phase: &str, since: Timestamp) -> Self {
        At { phase: phase.to_owned(), since, error: None }
    }
}

impl Reporter {
    /// Of this machine; `console` gets each line.
    pub fn new(context: Context, instance: &str, console: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let now = context.now();
        Reporter {
            context,
            instance: instance.to_owned(),
            began: now,
            console: Box::new(console),
            keeper: Mutex::new(None),
            at: Mutex::new(At::new("", now)),
        }
    }

    /// From now on this one keeps the status.
    pub fn kept_by(&self, keeper: std::sync::Arc<dyn Keeper>) {
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// A phase begins.
    pub async fn enter(&self, phase: &str) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = At::new(phase, self.context.now());
        self.keep().await;
    }

    /// What the phase is at: a URL, the name of a volume.
    pub async fn detail(&self, what: &str) {
        let phase = self.at().phase;
        let base = phase.split(' ').next().unwrap_or_default();
        self.at.lock().unwrap_or_else(PoisonError::into_inner).phase = format!("{base} {what}");
        self.keep().await;
    }

    /// It did not get on; it is tried again.
    pub async fn failed(&self, error: &Error) {
        let why = error.line();
        self.say(&format!("phase={} error={why:?}", self.at().phase));
        self.at.lock().unwrap_or_else(PoisonError::into_inner).error = Some(why);
        self.keep().await;
    }

    /// It is done.
    pub async fn done(&self) {
        let At { phase, since, .. } = self.at();
        let now = self.context.now();
        let phase = phase.split(' ').next().unwrap_or_default();
        self.say(&format!(
            "phase={phase} done took={} elapsed={}",
            seconds(now.duration_since(since)),
            seconds(now.duration_since(self.began))
        ));
    }

    /// The boot is over.
    pub async fn over(&self) {
        self.enter(JOINED).await;
        self.done().await;
    }

    fn at(&self) -> At {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, what: &str) {
        (self.console)(&format!("kspot: instance={} {what}", self.instance));
    }

    async fn keep(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keeper) = keeper else { return };
        let At { phase, since, error } = self.at();
        let status = BootStatus {
            instance: self.instance.clone(),
            phase,
            error,
            began: Some(self.began),
            since: Some(since),
            when: self.context.now(),
        };
        // A boot does not wait for those who watch it.
        if let Err(e) = keeper.keep(&status).await {
            tracing::debug!(error = e.line(), "the status is not kept");
        }
    }
}

fn seconds(took: SignedDuration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<BootStatus>>);

    #[async_trait]
    impl Keeper for Kept {
        async fn keep(&self, status: &BootStatus) -> Result<()> {
            self.0.lock().unwrap().push(status.clone());
            Ok(())
        }
    }

    /// A failure is told until its phase is over, also while it is tried again; the phase began once.
    #[tokio::test]
    async fn a_failure_stays_while_it_is_tried_again() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let report = Reporter::new(Context::fixed(now, "root", "i-1"), "i-1", |_| {});
        let kept = Arc::new(Kept::default());
        report.kept_by(Arc::clone(&kept) as Arc<dyn Keeper>);
        report.enter("downloading").await;
        report.detail("https://example.com/a").await;
        report.failed(&Error::failed("nobody answers").detail("10.0.0.1: 404").hint("wait")).await;
        report.detail("https://example.com/a").await;
        report.over().await;
        let told: Vec<_> = kept.0.lock().unwrap().iter().map(|s| (s.phase.clone(), s.error.clone(), s.since)).collect();
        let url = "downloading https://example.com/a".to_owned();
        let why = Some("nobody answers; 10.0.0.1: 404; wait".to_owned());
        assert_eq!(
            told,
            [
                ("downloading".to_owned(), None, Some(now)),
                (url.clone(), None, Some(now)),
                (url.clone(), why.clone(), Some(now)),
                (url, why, Some(now)),
                (JOINED.to_owned(), None, Some(now)),
            ]
        );
    }
}
