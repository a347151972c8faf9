//! `POST /status`: how far a worker's boot got. Workers can't write to the state store; what they tell is written for them,
//! each machine's at most every few seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::addresses::Fleet;
use super::bootstrap::{Failure, machine};
use crate::node::identity::Denied;
use crate::node::identity::machine::is_id;
use crate::state::ClusterStore;
pub use crate::state::status::{BootStatus, JOINED};

/// How often a machine's status is written at most.
const EVERY: Duration = Duration::from_secs(3);

/// The longest phase, in characters: a step, and the address that it is at.
const PHASE: usize = 400;

/// The longest error, in characters: what a person reads.
const ERROR: usize = 2000;

/// The phases after which nothing more comes.
const FINAL: [&str; 2] = ["registered", JOINED];

/// What machines told, until it is written.
#[derive(Debug)]
pub struct Book {
    store: ClusterStore,
    pages: Mutex<BTreeMap<String, Page>>,
}

/// One machine's.
#[derive(Debug)]
struct Page {
    last: BootStatus,
    written: Option<(BootStatus, Instant)>,
}

impl Page {
    /// Whether there is something to write that may be written now.
    fn is_due(&self, now: Instant) -> bool {
        match &self.written {
            None => true,
            Some((written, _)) if same(written, &self.last) => false,
            Some((_, at)) => is_final(&self.last) || now.saturating_duration_since(*at) >= EVERY,
        }
    }
}

/// Apart from the time: a machine that says the same again has said nothing.
fn same(a: &BootStatus, b: &BootStatus) -> bool {
    (&a.phase, &a.error) == (&b.phase, &b.error)
}

fn is_final(status: &BootStatus) -> bool {
    FINAL.contains(&status.phase.as_str())
}

impl Book {
    /// For the machines of a cluster.
    pub fn new(store: ClusterStore) -> Self {
        Book { store, pages: Mutex::default() }
    }

    /// Takes in what a machine tells; writes it now if it may.
    pub async fn tell(&self, mut status: BootStatus) {
        let instance = status.instance.clone();
        {
            let mut pages = self.pages.lock().await;
            // Who does not say since when it is there is there since it came.
            let before = pages.get(&instance).map(|page| &page.last).filter(|last| last.phase == status.phase);
            status.since = status.since.or_else(|| before.map_or(Some(status.when), |last| last.since));
            match pages.get_mut(&instance) {
                Some(page) => page.last = status,
                None => drop(pages.insert(instance.clone(), Page { last: status, written: None })),
            }
        }
        self.write(&instance).await;
    }

    /// Writes what waits, and forgets the machines that are gone.
    pub async fn flush(&self, fleet: &Fleet) {
        let names: Vec<String> = {
            let mut pages = self.pages.lock().await;
            // Before the first look at EC2 nobody is known to be gone.
            if !fleet.machines.is_empty() {
                pages.retain(|instance, _| fleet.machines.contains_key(instance));
            }
            pages.keys().cloned().collect()
        };
        for name in names {
            self.write(&name).await;
        }
    }

    async fn write(&self, instance: &str) {
        let now = Instant::now();
        let due = {
            let mut pages = self.pages.lock().await;
            let Some(page) = pages.get_mut(instance).filter(|page| page.is_due(now)) else { return };
            // Noted before it is done, so that two who come at once do not both write.
            page.written = Some((page.last.clone(), now));
            page.last.clone()
        };
        if let Err(e) = self.store.keep_boot(&due).await {
            tracing::warn!(instance, error = e.line(), "a status is not written");
            if let Some(page) = self.pages.lock().await.get_mut(instance) {
                page.written = None;
            }
        }
    }
}

/// Writes what waits, until it is stopped; then once more.
pub async fn flush(parts: Arc<Parts>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            _ = tick.tick() => false,
        };
        let fleet = parts.seen.borrow().clone();
        parts.book.flush(&fleet).await;
        if stopped {
            return;
        }
    }
}

/// Takes in what a worker sends, if it is the machine that it names.
pub async fn take(parts: &Parts, peer: IpAddr, body: &[u8]) -> Result<(), Failure> {
    let mut status: BootStatus = serde_json::from_slice(body).map_err(|e| Denied::Unreadable(e.to_string()))?;
    if !is_id(&status.instance) {
        return Err(Denied::NoId(status.instance).into());
    }
    let machine = machine(parts, &parts.named, &status.instance).await?;
    if !machine.is_of(&parts.home.cluster) {
        return Err(Denied::ForeignMachine(status.instance).into());
    }
    if !machine.is_alive() {
        return Err(Denied::NotRunning { id: status.instance, state: machine.state.clone() }.into());
    }
    if !machine.addresses.contains(&peer) {
        let known = machine.addresses.clone();
        return Err(Denied::OtherAddress { is: peer, id: status.instance, known }.into());
    }
    // Its clock may be wrong, and it may talk a lot.
    let now = parts.home.context.now();
    let wrong = now.duration_since(status.when);
    let right = |when: Timestamp| when.checked_add(wrong).ok();
    status.began = status.began.and_then(right);
    status.since = status.since.and_then(right);
    status.when = now;
    status.phase = plain(&status.phase, PHASE);
    status.error = status.error.map(|error| plain(&error, ERROR));
    parts.book.tell(status).await;
    Ok(())
}

/// Text of a bounded length without control characters: somebody shows it on a terminal.
fn plain(text: &str, longest: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::Memory;

    fn status(phase: &str) -> BootStatus {
        BootStatus {
            instance: "i-0123456789".into(),
            phase: phase.into(),
            began: None,
            since: None,
            error: None,
            when: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// The first word and the last one are written at once, what comes in between when its time has come.
    #[tokio::test]
    async fn a_talkative_machine_is_written_now_and_then() {
        let store = ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap();
        let book = Book::new(store.clone());
        let written = async || store.boots(&["i-0123456789".into()]).await.unwrap()[0].phase.clone();
        book.tell(status("downloading")).await;
        assert_eq!(written().await, "downloading");
        book.tell(status("verified")).await;
        book.flush(&Fleet::default()).await;
        assert_eq!(written().await, "downloading");
        let long_ago = Instant::now().checked_sub(EVERY).unwrap();
        book.pages.lock().await.get_mut("i-0123456789").unwrap().written.as_mut().unwrap().1 = long_ago;
        book.flush(&Fleet::default()).await;
        assert_eq!(written().await, "verified");
        book.tell(status("joined")).await;
        assert_eq!(written().await, "joined");
    }

    /// Nothing that a machine says moves anybody's cursor.
    #[test]
    fn texts_are_plain() {
        assert_eq!(plain("a\u{1b}[2Jb\n", 5), "a [2J");
    }
}
