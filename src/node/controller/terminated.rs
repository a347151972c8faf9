//! Lets go of the pods and volumes of nodes whose machines EC2 has terminated, so that they start elsewhere at once.
//!
//! EC2's word is what makes this safe: a terminated instance runs nothing and never will again. A node that only says
//! nothing, or whose machine is stopped, shutting down or unknown to EC2, is left to Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
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

/// How often EC2 is asked about machines that shut down: the node may go a few seconds after its machine, and what is let
/// go of before that includes its volumes.
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
        let due = known.as_ref().is_none_or(|known| known.iter().any(|id| !fleet.machines.contains_key(id)));
        let mut pause = None;
        // Before the first look at EC2 no machine is missing.
        if due && fleet.asked.is_some() {
            match round(home, &fleet).await {
                Ok(Left::Nothing) => known = Some(fleet.machines.keys().cloned().collect()),
                Ok(Left::Nodes) => {}
                Ok(Left::ShuttingDown) => pause = Some(SOON),
                Err(e) => {
                    tracing::warn!(error = e.line(), "what was on machines that are gone stays for now");
                }
            }
        } else if let Some(known) = &mut known {
            known.extend(fleet.machines.keys().cloned());
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

/// What a round has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing: every node has a machine.
    Nothing,
    /// There are nodes without a machine still.
    Nodes,
    /// A machine shuts down.
    ShuttingDown,
}

async fn round(home: &Home, fleet: &Fleet) -> Result<Left> {
    let client = home.door.client().await?;
    let without = without_machine(nodes::names(&client).await?, fleet);
    if without.is_empty() {
        return Ok(Left::Nothing);
    }
    let states = home.aws.states(&without).await?;
    let (client, now) = (&client, home.context.now());
    let release = |node: String| async move {
        let pods = terminated::release(client, &node, now).await?;
        if pods > 0 {
            tracing::info!(node, pods, "its machine is terminated: its pods are let go of");
        }
        Ok(())
    };
    each(gone(&states), "let go of", release).await?;
    Ok(left(&states))
}

/// The nodes that are called like machines which do not run.
fn without_machine(nodes: Vec<String>, fleet: &Fleet) -> Vec<String> {
    nodes.into_iter().filter(|name| is_id(name) && !fleet.machines.contains_key(name)).collect()
}

/// The machines that EC2 has terminated.
fn gone(states: &BTreeMap<String, String>) -> Vec<String> {
    states.iter().filter(|(_, state)| *state == "terminated").map(|(id, _)| id.clone()).collect()
}

fn left(states: &BTreeMap<String, String>) -> Left {
    if states.values().any(|state| state == "shutting-down") { Left::ShuttingDown } else { Left::Nodes }
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

    /// Nodes of machines that run are none of its business, nor are those that are not called like machines.
    #[test]
    fn nodes_without_machines() {
        let fleet = Fleet::new([Machine { id: RUNS.into(), ..Machine::default() }], Instant::now());
        let nodes = [RUNS, MISSING, "ip-10-0-0-1.ec2.internal", "i-"].map(str::to_owned);
        assert_eq!(without_machine(nodes.into(), &fleet), [MISSING]);
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

    /// It looks again soon while a machine shuts down.
    #[test]
    fn when_it_looks_again() {
        assert_eq!(left(&said(&[(RUNS, "terminated"), (MISSING, "shutting-down")])), Left::ShuttingDown);
        assert_eq!(left(&said(&[(RUNS, "terminated"), (MISSING, "stopped")])), Left::Nodes);
    }
}
