//! Tells how far the boot is: on the console, a line per phase, and to whoever keeps it for `kspot validate`.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::state::status::BootStatus;

/// Whoever keeps the status of a boot: the state store, or the control plane's controller.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Keeps it in place of the one before.
    async fn keep(&self, status: &BootStatus) -> Result<()>;
}

/// The phase when a machine is a node whose API server knows it.
pub const JOINED: &str = "joined";

/// Tells how far the boot is.
pub struct Reporter {
    context: Context,
    instance: String,
    began: Timestamp,
    console: Box<dyn Fn(&str) + Send + Sync>,
    keeper: Mutex<Option<std::sync::Arc<dyn Keeper>>>,
    at: Mutex<(String, Timestamp)>,
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
            at: Mutex::new((String::new(), now)),
        }
    }

    /// From now on this one keeps the status.
    pub fn kept_by(&self, keeper: std::sync::Arc<dyn Keeper>) {
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// A phase begins.
    pub async fn enter(&self, phase: &str) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = (phase.to_owned(), self.context.now());
        self.keep(None).await;
    }

    /// What the phase is at: a URL, the name of a volume.
    pub async fn detail(&self, what: &str) {
        let phase = self.phase();
        let base = phase.split(' ').next().unwrap_or_default();
        self.at.lock().unwrap_or_else(PoisonError::into_inner).0 = format!("{base} {what}");
        self.keep(None).await;
    }

    /// It did not get on; it is tried again.
    pub async fn failed(&self, error: &Error) {
        let why = error.chain();
        self.say(&format!("phase={} error={why:?}", self.phase()));
        self.keep(Some(why)).await;
    }

    /// It is done.
    pub async fn done(&self) {
        let (phase, since) = self.at.lock().unwrap_or_else(PoisonError::into_inner).clone();
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

    fn phase(&self) -> String {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn say(&self, what: &str) {
        (self.console)(&format!("kspot: instance={} {what}", self.instance));
    }

    async fn keep(&self, error: Option<String>) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keeper) = keeper else { return };
        let status = BootStatus {
            instance: self.instance.clone(),
            phase: self.phase(),
            error,
            began: Some(self.began),
            when: self.context.now(),
        };
        // A boot does not wait for those who watch it.
        if let Err(e) = keeper.keep(&status).await {
            tracing::debug!(error = %e.chain(), "the status is not kept");
        }
    }
}

fn seconds(took: SignedDuration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
