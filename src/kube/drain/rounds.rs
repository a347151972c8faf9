//! Looking at the node and asking its pods to go, again and again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use kube::core::Status;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledger;
use super::node::Subject;
use super::pods::{Victim, victim};
use super::refusal::{Refusal, read};
use super::{End, News, Report, words};
use crate::error::{Error, Result, innermost};
use crate::kube::error;

/// How many evictions are under way at once.
const AT_ONCE: usize = 8;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(2);

/// How long before the deadline the last look is.
const LAST: Duration = Duration::from_millis(500);

/// What ends a drain before the node is empty.
pub(super) enum Halt {
    /// Somebody wants it to end.
    Stopped,
    /// The time is up.
    Late,
    /// The API says no.
    Refused(Error),
}

/// Why a call came to nothing.
pub(super) enum Miss {
    /// The API said no.
    Refused(Error),
    /// Nobody knows whether the API did it: it did not answer, or was not waited for.
    Unknown(Error),
}

impl From<Miss> for Error {
    fn from(miss: Miss) -> Error {
        match miss {
            Miss::Refused(error) | Miss::Unknown(error) => error,
        }
    }
}

/// What is known of the node and its pods.
pub(super) struct State {
    /// The node as it was before the drain.
    pub(super) before: Subject,
    /// The pods.
    pub(super) ledger: Ledger,
    /// Why the kubelet ends no pods, if it says nothing.
    pub(super) silent: Option<String>,
    /// Whether the last look that succeeded found no pod that has to go.
    pub(super) was_empty: bool,
    /// Why the last look at the node failed, if it did.
    pub(super) trouble: Option<kube::Error>,
}

impl State {
    pub(super) fn new(before: Subject) -> Self {
        let silent = before.silent.clone();
        State { silent, before, ledger: Ledger::default(), was_empty: false, trouble: None }
    }
}

/// One drain under way.
pub(super) struct Rounds<'a> {
    pub(super) client: &'a Client,
    pub(super) node: &'a str,
    pub(super) stop: &'a CancellationToken,
    pub(super) report: Report<'a>,
    pub(super) start: Instant,
    pub(super) deadline: Instant,
}

impl Rounds<'_> {
    /// Waits for something, but no longer than this, and not if the drain shall end.
    async fn within<T>(&self, until: Instant, future: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Halt::Stopped),
            done = future => Ok(done),
            () = tokio::time::sleep_until(until) => Err(Halt::Late),
        }
    }

    /// Makes a call again and again while the API does not answer.
    pub(super) async fn insist<T, F>(&self, until: Instant, doing: &str, call: impl Fn() -> F) -> Result<T, Miss>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut pauses = pauses();
        let mut last = None;
        loop {
            let halt = match self.within(until, call()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(e)) if error::passes(&e) => {
                    last = Some(e);
                    self.within(until, tokio::time::sleep(pauses.next().unwrap_or(LONGEST))).await.err()
                }
                Ok(Err(e)) => return Err(Miss::Refused(error::of(doing, e))),
                Err(halt) => Some(halt),
            };
            let error = match (halt, last.take()) {
                (None, before) => {
                    last = before;
                    continue;
                }
                (Some(Halt::Late), Some(e)) => error::of(doing, e),
                (Some(Halt::Late), None) => words::silence(doing, self.start.elapsed()),
                (Some(Halt::Refused(e)), _) => e,
                (Some(Halt::Stopped), _) => words::stopped_before(self.node),
            };
            return Err(Miss::Unknown(error));
        }
    }

    /// The pods that have to go.
    pub(super) async fn victims(&self) -> kube::Result<Vec<Victim>> {
        let here = ListParams::default().fields(&format!("spec.nodeName={}", self.node));
        let pods = Api::<Pod>::all(self.client.clone()).list(&here).await?;
        Ok(pods.items.iter().filter_map(victim).collect())
    }

    /// Goes on until nothing is left. Each round looks at what is there, and asks what is not ending yet to go.
    pub(super) async fn run(&self, state: &mut State) -> Result<End, Halt> {
        let mut pauses = pauses();
        let mut told = false;
        loop {
            let look = futures::future::try_join(Subject::look(self.client, self.node), self.victims());
            match self.within(self.deadline, look).await? {
                Ok((Some(seen), victims)) if state.before.is(&seen) => {
                    (state.silent, state.trouble) = (seen.silent, None);
                    let went = state.ledger.see(victims, Instant::now().into());
                    if !went.is_empty() {
                        pauses = self::pauses();
                    }
                    if !std::mem::replace(&mut told, true) {
                        (self.report)(&News::Cordoned(state.ledger.len()));
                    }
                    went.iter().for_each(self.report);
                    // A pod that the scheduler bound while the node was cordoned comes a moment later.
                    match (state.ledger.len(), state.was_empty) {
                        (0, true) => return Ok(End::Empty),
                        (0, false) => state.was_empty = true,
                        _ => {
                            state.was_empty = false;
                            self.ask(&mut state.ledger).await?;
                        }
                    }
                }
                Ok(_) => {
                    state.ledger.all_gone();
                    return Ok(End::Vanished);
                }
                Err(e) if error::passes(&e) => {
                    if state.trouble.is_none() {
                        (self.report)(&News::Trouble(innermost(&e)));
                    }
                    state.trouble = Some(e);
                }
                Err(e) => {
                    let doing = format!("see which pods node {} still has", self.node);
                    return Err(Halt::Refused(error::of(&doing, e)));
                }
            }
            // Not long before the time is up there is one more look: what is named then is really still there.
            let left = self.deadline.saturating_duration_since(Instant::now()).checked_sub(LAST);
            let pause = pauses.next().unwrap_or(LONGEST);
            let pause = left.filter(|left| !left.is_zero()).map_or(pause, |left| pause.min(left));
            self.within(self.deadline, tokio::time::sleep(pause)).await?;
        }
    }

    /// Asks every pod to go that is not ending.
    async fn ask(&self, ledger: &mut Ledger) -> Result<(), Halt> {
        let calls: Vec<_> = ledger.to_evict().into_iter().map(|victim| self.evict(victim)).collect();
        let mut answers = futures::stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some((victim, answer)) = self.within(self.deadline, answers.next()).await? {
            let news = match answer {
                Ok(_) => ledger.evicted(&victim, Instant::now().into()),
                Err(refused) => match read(&refused) {
                    // The next look tells that it went.
                    Refusal::Gone => None,
                    Refusal::Later(by) => ledger.blocked(&victim, by),
                    Refusal::Final => {
                        return Err(Halt::Refused(error::of(&format!("evict pod {victim}"), refused)));
                    }
                },
            };
            news.iter().for_each(self.report);
        }
        Ok(())
    }

    /// Asks the API to end this very pod, if its budgets allow.
    async fn evict(&self, victim: Victim) -> (Victim, kube::Result<Status>) {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &victim.namespace);
        // kube has a call for it, which spells the delete options so that the API does not read them.
        let (params, eviction) = (PostParams::default(), eviction(&victim));
        let answer = pods.create_subresource("eviction", &victim.name, &params, &eviction).await;
        (victim, answer)
    }
}

fn eviction(victim: &Victim) -> Eviction {
    let same = Preconditions { uid: Some(victim.uid.clone()), resource_version: None };
    Eviction {
        delete_options: Some(DeleteOptions { preconditions: Some(same), ..DeleteOptions::default() }),
        metadata: ObjectMeta {
            name: Some(victim.name.clone()),
            namespace: Some(victim.namespace.clone()),
            ..ObjectMeta::default()
        },
    }
}

/// The pauses between looks: short at first, and again when something moved.
fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An eviction names the pod by its unique id, where the API reads it: a namesake is never evicted in its place.
    #[test]
    fn an_eviction_is_of_one_pod() {
        let (namespace, name, uid) = ("a".to_owned(), "p".to_owned(), "u".to_owned());
        let sent = eviction(&Victim { namespace, name, uid, grace: 30, ending: false });
        let wanted = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": "a", "name": "p"},
            "deleteOptions": {"preconditions": {"uid": "u"}},
        });
        assert_eq!(serde_json::to_value(sent).unwrap(), wanted);
    }
}
