//! Which of the control plane's controllers labels nodes and applies addons: the one that holds the lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::home::Home;
use crate::error::Result;
use crate::kube::lease::Lease;

/// The lease's name.
const NAME: &str = "kspot-controller";

/// How long it lasts.
const LIFE: Duration = Duration::from_secs(15);

/// How often it is renewed, or tried for.
const EVERY: Duration = Duration::from_secs(3);

/// How long one try may take.
const TRY: Duration = Duration::from_secs(3);

/// Tries for the lease until it is stopped; tells whether it is held.
pub async fn follow(home: Arc<Home>, leads: watch::Sender<bool>, stop: CancellationToken) {
    let mut lease = Lease::new(NAME, &format!("{}_{}", home.context.who(), home.context.id()), LIFE);
    let mut until: Option<Instant> = None;
    loop {
        match tokio::time::timeout(TRY, hold(&home, &mut lease)).await {
            Ok(Ok(held)) => until = held,
            // It may be held still; it ends by itself.
            Ok(Err(e)) => tracing::debug!(error = e.line(), "the lease can't be asked for"),
            Err(_) => tracing::debug!("the API server does not answer about the lease"),
        }
        let leading = until.is_some_and(|until| Instant::now() < until);
        if leads.send_if_modified(|last| std::mem::replace(last, leading) != leading) {
            tracing::info!(leading, "the lease {}", if leading { "is held here" } else { "is held elsewhere" });
        }
        // Never past the moment at which somebody else may take it.
        let pause = until.map_or(EVERY, |until| EVERY.min(until.saturating_duration_since(Instant::now())));
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause.max(Duration::from_millis(100))) => {}
        }
    }
    leads.send_replace(false);
    let released = async { lease.release(&home.door.client().await?).await };
    match tokio::time::timeout(TRY, released).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::debug!(error = e.line(), "the lease is not released"),
        Err(_) => tracing::debug!("the lease is not released in time"),
    }
}

async fn hold(home: &Home, lease: &mut Lease) -> Result<Option<Instant>> {
    lease.hold(&home.door.client().await?).await
}

/// Does this work whenever this controller leads, from its beginning each time, until it is stopped. Work that is given
/// up in the middle is done by whoever leads then.
pub async fn while_leading<F: Future<Output = ()>>(
    mut leading: watch::Receiver<bool>,
    stop: CancellationToken,
    work: impl Fn() -> F,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(&mut leading, true) => {}
        }
        let mut until_lost = leading.clone();
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(&mut until_lost, false) => {}
            () = work() => {}
        }
    }
}

/// Waits until it leads, or does not.
async fn until(leading: &mut watch::Receiver<bool>, wanted: bool) {
    // Without a sender the process is about to end; whoever waits is stopped by its own token.
    if leading.wait_for(|now| *now == wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
