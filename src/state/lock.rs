//! The lock of a cluster: one process at a time changes AWS.
//!
//! It is an object that names its holder and an expiry. The holder renews it; who finds it expired may take it over.
//! Every step is conditional on the version last seen, so a holder whose lock was broken or taken over finds out with
//! its next renewal, and its work is cancelled.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::cluster::ClusterStore;
use super::store::{Etag, Precondition, PutError};
use crate::context::Context;
use crate::error::{Error, Result};

/// How long a lock lives without being renewed.
pub const EXPIRY: Duration = Duration::from_secs(15 * 60);

/// How often a request about a lock is repeated because the lock changed hands meanwhile.
const ROUNDS: usize = 4;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Tells this lock from every other; breaking it needs this.
    pub id: String,
    /// `user@host`.
    pub holder: String,
    /// The holder's process on its host.
    pub pid: u32,
    /// The command that holds it.
    pub command: String,
    /// Since when it is held.
    pub since: Timestamp,
    /// When it may be taken over unless it is renewed.
    pub expires: Timestamp,
}

impl Lock {
    /// The error (exit 5) of whoever wanted the lock meanwhile.
    fn held(&self, cluster: &str) -> Error {
        Error::conflict(format!(
            "cluster {cluster} is locked by {} (process {}) since {}, for `{}`",
            self.holder, self.pid, self.since, self.command
        ))
        .hint(format!("wait for it; without a sign of life it expires at {}", self.expires))
        .hint(format!("kspot lock break {} --name {cluster}, if that process is gone for sure", self.id))
    }
}

/// A held lock. It is renewed in the background until [`LockGuard::release`].
#[derive(Debug)]
pub struct LockGuard {
    cluster: ClusterStore,
    held: Arc<Mutex<Held>>,
    id: String,
    lost: CancellationToken,
    stop: CancellationToken,
    renewal: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Held {
    lock: Lock,
    etag: Etag,
}

impl ClusterStore {
    /// Takes the cluster's lock, or fails with who holds it. `expiry` is how long it outlives its holder, [`EXPIRY`]
    /// unless there is a reason.
    pub async fn lock(&self, ctx: &Context, command: &str, expiry: Duration) -> Result<LockGuard> {
        let lifetime = SignedDuration::try_from(expiry).unwrap_or(SignedDuration::from_secs(900));
        let since = ctx.now();
        let lock = Lock {
            id: ctx.id().to_string(),
            holder: ctx.who(),
            pid: ctx.pid(),
            command: command.into(),
            since,
            expires: since + lifetime,
        };
        let etag = self.acquire(&lock).await?;
        let mut guard = LockGuard {
            cluster: self.clone(),
            id: lock.id.clone(),
            held: Arc::new(Mutex::new(Held { lock, etag })),
            lost: CancellationToken::new(),
            stop: CancellationToken::new(),
            renewal: None,
        };
        guard.renewal = Some(tokio::spawn(guard.renewal(ctx.clone(), expiry).run()));
        Ok(guard)
    }

    /// The lock as it is; none if nobody holds it. An expired lock is still shown.
    pub async fn show_lock(&self) -> Result<Option<Lock>> {
        Ok(self.read_lock().await?.map(|held| held.lock))
    }

    /// Takes the lock away from its holder, who must be gone. The id makes sure that it is the lock that was looked at.
    pub async fn break_lock(&self, id: &str) -> Result<Lock> {
        for _ in 0..ROUNDS {
            let Some(held) = self.read_lock().await? else {
                return Err(Error::failed(format!("cluster {} is not locked", self.name())));
            };
            if held.lock.id != id {
                return Err(Error::failed(format!(
                    "the lock of cluster {} is {}, not {id}",
                    self.name(),
                    held.lock.id
                ))
                .hint(format!("kspot lock show --name {}", self.name())));
            }
            match self.store.delete(&self.keys.lock(), Precondition::Match(held.etag)).await {
                Ok(()) => return Ok(held.lock),
                Err(PutError::Conflict) => {}
                Err(PutError::Failed(e)) => return Err(e),
            }
        }
        Err(Error::conflict(format!("the lock of cluster {} keeps changing: its holder is alive", self.name())))
    }

    /// Writes the lock if nobody holds one, or over one that has expired.
    async fn acquire(&self, lock: &Lock) -> Result<Etag> {
        let bytes = document(lock)?;
        let mut when = Precondition::Absent;
        for _ in 0..ROUNDS {
            match self.store.put(&self.keys.lock(), &bytes, when).await {
                Ok(etag) => return Ok(etag),
                Err(PutError::Failed(e)) => return Err(e),
                Err(PutError::Conflict) => {}
            }
            when = match self.read_lock().await? {
                None => Precondition::Absent,
                Some(held) if held.lock.expires <= lock.since => {
                    tracing::warn!(cluster = self.name(), holder = held.lock.holder, "taking over an expired lock");
                    Precondition::Match(held.etag)
                }
                Some(held) => return Err(held.lock.held(self.name())),
            };
        }
        Err(Error::conflict(format!("the lock of cluster {} is wanted by many", self.name())).hint("try again"))
    }

    async fn read_lock(&self) -> Result<Option<Held>> {
        let key = self.keys.lock();
        let Some(blob) = self.store.get(&key).await? else { return Ok(None) };
        let lock = serde_json::from_slice(&blob.bytes).map_err(|e| {
            Error::conflict(format!("the lock {key} in {} can't be read", self.store.describe()))
                .hint("if no kspot is at work on this cluster, delete that object")
                .because(e)
        })?;
        Ok(Some(Held { lock, etag: blob.etag }))
    }
}

impl LockGuard {
    /// Is cancelled when the lock turns out to be somebody else's or can't be renewed in time: stop changing AWS.
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// The lock's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives the lock back. Fails (exit 5) if it was not ours any more.
    pub async fn release(mut self) -> Result<()> {
        self.stop.cancel();
        if let Some(renewal) = self.renewal.take() {
            // The task ends by itself once it is told to stop; a panic in it was reported already.
            let _ = renewal.await;
        }
        let mut etag = self.held.lock().await.etag.clone();
        for _ in 0..ROUNDS {
            match self.cluster.store.delete(&self.cluster.keys.lock(), Precondition::Match(etag)).await {
                Ok(()) => return Ok(()),
                Err(PutError::Failed(e)) => return Err(e),
                Err(PutError::Conflict) => {}
            }
            match self.cluster.read_lock().await? {
                None => return Ok(()),
                Some(found) if found.lock.id == self.id => etag = found.etag,
                Some(found) => {
                    return Err(Error::conflict(format!(
                        "the lock of cluster {} was taken over by {} at {} while this command ran",
                        self.cluster.name(),
                        found.lock.holder,
                        found.lock.since
                    )));
                }
            }
        }
        Err(Error::conflict(format!("the lock of cluster {} can't be released", self.cluster.name())))
    }

    fn renewal(&self, ctx: Context, expiry: Duration) -> Renewal {
        Renewal {
            cluster: self.cluster.clone(),
            held: self.held.clone(),
            lost: self.lost.clone(),
            stop: self.stop.clone(),
            ctx,
            expiry,
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.renewal.is_some() {
            tracing::warn!(cluster = self.cluster.name(), id = self.id, "the lock was not released; it will expire");
        }
    }
}

/// The background renewal of a held lock.
struct Renewal {
    cluster: ClusterStore,
    held: Arc<Mutex<Held>>,
    lost: CancellationToken,
    stop: CancellationToken,
    ctx: Context,
    expiry: Duration,
}

/// What a renewal found.
enum Renewed {
    Yes,
    /// Nobody answered; whether the lock is still ours is unknown.
    Unclear,
    No,
}

impl Renewal {
    async fn run(self) {
        let mut pause = self.expiry / 3;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Not cut short by `stop`: the version that a half-done request leaves would be unknown.
            let renewed = tokio::time::timeout(self.expiry / 3, self.renew()).await.unwrap_or(Renewed::Unclear);
            let expired = self.held.lock().await.lock.expires <= self.ctx.now();
            pause = match renewed {
                Renewed::Yes => self.expiry / 3,
                Renewed::Unclear if !expired => self.expiry / 12,
                Renewed::Unclear | Renewed::No => {
                    tracing::error!(cluster = self.cluster.name(), "the lock is lost");
                    self.lost.cancel();
                    return;
                }
            };
        }
    }

    async fn renew(&self) -> Renewed {
        let mut held = self.held.lock().await;
        let mut lock = held.lock.clone();
        lock.expires = self.ctx.now() + SignedDuration::try_from(self.expiry).unwrap_or(SignedDuration::ZERO);
        for _ in 0..ROUNDS {
            let Ok(bytes) = document(&lock) else { return Renewed::No };
            let when = Precondition::Match(held.etag.clone());
            match self.cluster.store.put(&self.cluster.keys.lock(), &bytes, when).await {
                Ok(etag) => {
                    *held = Held { lock, etag };
                    return Renewed::Yes;
                }
                Err(PutError::Failed(e)) => {
                    tracing::warn!(cluster = self.cluster.name(), error = %e, "the lock could not be renewed");
                    return Renewed::Unclear;
                }
                Err(PutError::Conflict) => {}
            }
            // An earlier renewal of ours may have been done although its answer never came.
            match self.cluster.read_lock().await {
                Ok(Some(found)) if found.lock.id == lock.id => held.etag = found.etag,
                Ok(_) => return Renewed::No,
                Err(_) => return Renewed::Unclear,
            }
        }
        Renewed::Unclear
    }
}

fn document(lock: &Lock) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(lock).map_err(|e| Error::failed("can't write a lock").because(e))
}

#[cfg(test)]
mod tests;
