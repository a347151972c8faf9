//! Empties a node before its machine ends: no new pods, no traffic from outside, then every pod evicted as its budgets
//! allow.
//!
//! * `node`: what a drain does to the node itself, and how to undo it.
//! * `pods`: which pods have to go.
//! * `refusal`: what the answer to an eviction means.
//! * `ledger`: what is known of each pod.
//! * `rounds`: looking and asking again, until the node is empty or the time is up.
//! * `words`: what is said meanwhile, and in the end if it failed.

mod ledger;
mod node;
mod pods;
mod refusal;
mod rounds;
mod words;

use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
pub use node::EXCLUDE;
use node::Subject;
use rounds::{Halt, Rounds, State};

/// How long an API that does not answer is waited for as long as nothing was done.
const CONTACT: Duration = Duration::from_secs(30);

/// How a drain is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// When it gives up, counted from its start.
    pub timeout: Duration,
    /// Ends it early.
    pub stop: CancellationToken,
}

/// How a drain ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The node has no pods left that have to go.
    Empty,
    /// The node went away in the middle, and its pods with it.
    Vanished,
    /// There was no such node.
    Absent,
}

/// What a drain did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How it ended.
    pub end: End,
    /// The pods that went, as `NAMESPACE/NAME`.
    pub gone: Vec<String>,
}

/// What happens while a drain runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The node takes no pods and no traffic any more; this many pods have to go.
    Cordoned(usize),
    /// The API took a pod's eviction.
    Evicted(String),
    /// A pod is gone.
    Gone(String),
    /// A pod has to wait.
    Blocked {
        /// The pod.
        pod: String,
        /// What it waits for, in words.
        by: String,
    },
    /// The API fails or does not answer; what happened.
    Trouble(String),
}

/// Who hears what happens.
pub type Report<'a> = &'a (dyn Fn(&News) + Sync);

/// Cordons a node, takes it out of load balancers and evicts its pods, until none is left that has to go. What a
/// DaemonSet runs stays, and mirrors of static pods, and pods that ended.
///
/// A drain that fails leaves the node cordoned; its error says so, and how to undo it.
pub async fn drain(client: &Client, node: &str, options: &Options, report: Report<'_>) -> Result<Drained> {
    let start = Instant::now();
    let rounds = Rounds { client, node, stop: &options.stop, report, start, deadline: start + options.timeout };
    let contact = rounds.deadline.min(start + CONTACT);
    let subject = rounds.insist(contact, &format!("read node {node}"), || Subject::look(client, node)).await?;
    let Some(subject) = subject else {
        return Ok(Drained { end: End::Absent, gone: Vec::new() });
    };
    // Who may not list pods cordons nothing either.
    rounds.insist(contact, &format!("list the pods of node {node}"), || rounds.victims()).await?;
    let there = rounds.insist(contact, &format!("cordon node {node}"), || subject.cordon(client)).await;
    let there = there.map_err(|miss| words::perhaps_cordoned(miss, &subject))?;
    let mut state = State::new(subject);
    let end = if there { rounds.run(&mut state).await } else { Ok(End::Vanished) };
    match end {
        Ok(end) => Ok(Drained { end, gone: state.ledger.gone }),
        Err(Halt::Late) if state.was_empty => Ok(Drained { end: End::Empty, gone: state.ledger.gone }),
        Err(halt) => Err(words::given_up(halt, state, start.elapsed())),
    }
}
