//! What runs on every machine of the control plane beside Kubernetes: it lets workers in, labels nodes, applies addons.
//!
//! * [`home`]: what all parts work with: the machine's documents, the store, AWS, the authority.
//! * [`addresses`]: the cluster's machines, looked at every few seconds for all parts.
//! * [`server`]: the HTTPS server that workers ask, with its [`certificate`] and [`limits`].
//! * [`bootstrap`], [`status`], [`agent`]: what it answers; [`lookups`] of machines that nobody has seen yet.
//! * [`leader`]: which of the controllers does what one does for all: [`labels`], [`addons`], [`terminated`], [`tidy`].
//!
//! Workers can join while the API server is away: only the look at a node of the same name needs it.

pub mod addons;
pub mod addresses;
pub mod agent;
pub mod bootstrap;
pub mod certificate;
mod each;
pub mod home;
pub mod labels;
pub mod leader;
pub mod limits;
pub mod lookups;
pub mod server;
pub mod status;
pub mod terminated;
pub mod tidy;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::{Context as _, Result};
use crate::node::identity::replay::Used;
pub use home::{Home, Options};

/// How many machines that proved who they are EC2 is asked about between two looks at all machines.
const PROVEN: usize = 1000;

/// The same of machines that somebody named; the next look shows those that are the cluster's.
const NAMED: usize = 20;

/// What requests are answered with.
pub struct Parts {
    /// What all work with.
    pub home: Arc<Home>,
    /// The machines.
    pub seen: addresses::Seen,
    /// What machines told of their boots.
    pub book: status::Book,
    /// The agent's binaries.
    pub binaries: agent::Binaries,
    /// Machines that proved who they are before anybody saw them.
    pub proven: lookups::Lookups,
    /// Machines that somebody named before anybody saw them.
    pub named: lookups::Lookups,
    /// The tokens that were used.
    pub used: Used,
    /// Who may ask how often.
    pub limits: limits::Limits,
    /// The roles in instance profiles that are not kspot's own.
    pub profiles: Mutex<HashMap<String, Vec<String>>>,
}

/// Runs until it is told to end.
pub async fn run(options: Options, context: Context) -> Result<()> {
    let stop = on_signal()?;
    let home = Arc::new(Home::open(&options, context).await?);
    let (machines, seen) = watch::channel(Arc::default());
    let (certificate, certificates) = watch::channel(certificate::config(&home)?);
    let (leads, leading) = watch::channel(false);
    let listener = server::listen(options.listen, home.api.controller_port).await?;
    let at = listener.local_addr().context(|| "can't tell where it listens".to_owned())?;
    let parts = Arc::new(Parts {
        book: status::Book::new(home.store.clone()),
        binaries: agent::Binaries::new(home.store.clone(), home.binaries.clone()),
        seen: seen.clone(),
        proven: lookups::Lookups::new(PROVEN),
        named: lookups::Lookups::new(NAMED),
        used: Used::default(),
        limits: limits::Limits::default(),
        profiles: Mutex::default(),
        home: Arc::clone(&home),
    });
    tracing::info!(cluster = home.cluster, %at, "the controller runs");

    let mut tasks = Tasks { all: JoinSet::new(), stop: stop.clone() };
    tasks.start("addresses", addresses::follow(Arc::clone(&home), machines, stop.clone()));
    tasks.start("certificate", certificate::renew(Arc::clone(&home), certificate, stop.clone()));
    tasks.start("status", status::flush(Arc::clone(&parts), stop.clone()));
    tasks.start("server", server::serve(parts, listener, certificates, stop.clone()));
    tasks.start("leader", leader::follow(Arc::clone(&home), leads, stop.clone()));
    tasks.start("tidy", tidy::follow(Arc::clone(&home), seen.clone(), leading.clone(), stop.clone()));
    let (fleet, leads_too) = (seen.clone(), leading.clone());
    tasks.start("terminated", terminated::follow(Arc::clone(&home), fleet, leads_too, stop.clone()));
    tasks.start("labels", labels::follow(Arc::clone(&home), seen, leading.clone(), stop.clone()));
    tasks.start("addons", addons::follow(home, leading, stop));
    tasks.wait().await
}

/// The parts, each of which runs to the end: if one stops earlier all do, and the service is started again.
struct Tasks {
    all: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.all.spawn(async move {
            part.await;
            name
        });
    }

    async fn wait(mut self) -> Result<()> {
        let mut broken = None;
        while let Some(ended) = self.all.join_next().await {
            if !self.stop.is_cancelled() {
                self.stop.cancel();
                broken = Some(match ended {
                    Ok(name) => crate::Error::failed(format!("the controller's part {name} ended")),
                    Err(e) => crate::Error::failed("a part of the controller failed").because(e),
                });
            }
        }
        match broken {
            None => {
                tracing::info!("the controller ends");
                Ok(())
            }
            Some(error) => Err(error),
        }
    }
}

/// Cancelled by the signals with which services are ended.
fn on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let doing = || "can't listen for signals".to_owned();
    let mut terminate = signal(SignalKind::terminate()).context(doing)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(doing)?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
