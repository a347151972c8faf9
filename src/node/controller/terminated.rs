//! Lets go of nodes whose machines EC2 has terminated, of their pods and of their volumes, so that all of it starts elsewhere
//! at once.
//!
//! EC2's word is what makes this safe: a terminated instance runs nothing and never will again. A node that only says
//! nothing, or whose machine is stopped, shutting down or unknown to EC2, is left to Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::addresses::{Fleet, Seen};
use super::each::each;
use super::home::Home;
use super::leader;
use crate::error::Result;
use crate::kube::{nodes, terminated};
use crate::node::identity::machine::is_id;

/// How soon is looked again for what comes in a moment: the end of a machine that shuts down, or of a volume's attachment.
const SOON: Duration = Duration::from_secs(2);

/// Lets go of what was on machines that are gone until it is stopped.
pub async fn follow(home: Arc<Home>, seen: Seen, leading: watch::Receiver<bool>, stop: CancellationToken) {
    leader::while_leading(leading, stop, || keep(&home, seen.clone())).await;
}

/// Looks whenever the machines were looked at, if there is reason to: at the beginning, when some are missing, and as long
/// as there are nodes without.
async fn keep(home: &Home, mut seen: Seen) {
    let mut known: Option<BTreeSet<String>> = None;
    loop {
        let fleet = Arc::clone(&seen.borrow_and_update());
        let mut pause = None;
        // Before the first look at EC2 no machine is missing.
        if fleet.asked.is_some() {
            match look(home, &fleet, known.as_ref()).await {
                Ok(Look { waits_for, soon }) => {
                    known = Some(fleet.machines.keys().cloned().chain(waits_for).collect());
                    pause = soon.then_some(SOON);
                }
                Err(e) => tracing::warn!(error = e.line(), "what was on machines that are gone stays for now"),
            }
        }
        let pause = pause.map_or(std::future::pending().left_future(), |p| tokio::time::sleep(p).right_future());
        tokio::select! {
            changed = seen.changed() => {
                // Without a sender the process is about to end; whoever waits is stopped by its own token.
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            () = pause => {}
        }
    }
}

/// What a look has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Look {
    /// Machines that do not run and may have something still.
    waits_for: BTreeSet<String>,
    /// Whether that will be over in a moment.
    soon: bool,
}

/// Looks for machines that were known and do not run, and at the beginning for nodes without a machine.
async fn look(home: &Home, fleet: &Fleet, known: Option<&BTreeSet<String>>) -> Result<Look> {
    let client = home.door.client().await?;
    let names: BTreeSet<String> = match known {
        Some(known) => known.clone(),
        None => nodes::names(&client).await?.into_iter().collect(),
    };
    let missing = missing(names, fleet);
    if missing.is_empty() {
        return Ok(Look::default());
    }
    let states = home.aws.states(&missing).await?;
    let (client, now) = (&client, home.context.now());
    let more = Mutex::new(BTreeSet::new());
    let release = |node: String| {
        let more = &more;
        async move {
            let released = terminated::release(client, &node, now).await?;
            if released.pods > 0 {
                tracing::info!(node, pods = released.pods, "its machine is terminated: what was on it is let go of");
            }
            if !released.over {
                more.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
            }
            Ok(())
        }
    };
    each(gone(&states), "let go of", release).await?;
    Ok(found(&states, more.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// The machines that do not run.
fn missing(names: impl IntoIterator<Item = String>, fleet: &Fleet) -> Vec<String> {
    names.into_iter().filter(|name| is_id(name) && !fleet.machines.contains_key(name)).collect()
}

/// The machines that EC2 has terminated.
fn gone(states: &BTreeMap<String, String>) -> Vec<String> {
    states.iter().filter(|(_, state)| *state == "terminated").map(|(id, _)| id.clone()).collect()
}

/// What is left of machines that EC2 says this of, some of which have more to let go of.
fn found(states: &BTreeMap<String, String>, more: BTreeSet<String>) -> Look {
    let soon = !more.is_empty() || states.values().any(|state| state == "shutting-down");
    let not_yet = states.iter().filter(|(_, state)| *state != "terminated").map(|(id, _)| id.clone());
    Look { waits_for: not_yet.chain(more).collect(), soon }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::node::identity::Machine;

    const RUNS: &str = "i-00000000000000001";
    const MISSING: &str = "i-00000000000000002";

    fn said(states: &[(&str, &str)]) -> BTreeMap<String, String> {
        states.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
    }

    /// Machines that run are none of its business, nor are nodes that are not called like machines.
    #[test]
    fn machines_that_do_not_run() {
        let fleet = Fleet::new([Machine { id: RUNS.into(), ..Machine::default() }], Instant::now());
        let nodes = [RUNS, MISSING, "ip-10-0-0-1.ec2.internal", "i-"].map(str::to_owned);
        assert_eq!(missing(nodes, &fleet), [MISSING]);
    }

    /// Only what EC2 has terminated is let go of; nothing follows from what it does not know.
    #[test]
    fn only_what_is_terminated() {
        for state in ["pending", "running", "shutting-down", "stopping", "stopped"] {
            assert!(gone(&said(&[(MISSING, state)])).is_empty(), "{state}");
        }
        assert_eq!(gone(&said(&[(RUNS, "stopped"), (MISSING, "terminated")])), [MISSING]);
        assert!(gone(&said(&[])).is_empty());
    }

    /// It looks again soon while a machine shuts down or has more to let go of; what EC2 does not know any more is forgotten.
    #[test]
    fn when_it_looks_again() {
        let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        for (states, attached, waits_for, soon) in [
            (&[(RUNS, "terminated"), (MISSING, "shutting-down")][..], &[][..], &[MISSING][..], true),
            (&[(RUNS, "terminated"), (MISSING, "stopped")], &[], &[MISSING], false),
            (&[(RUNS, "terminated")], &[RUNS], &[RUNS], true),
            (&[(RUNS, "terminated")], &[], &[], false),
            (&[], &[], &[], false),
        ] {
            assert_eq!(found(&said(states), ids(attached)), Look { waits_for: ids(waits_for), soon }, "{states:?}");
        }
    }
}
