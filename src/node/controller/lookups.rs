//! Machines that no look at all of them has shown yet, looked up one by one; each once between two looks, however often it
//! asks, and not more than a bounded number of them: anybody can name machines.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use super::addresses::EVERY;
use crate::error::{Error, Result};
use crate::node::identity::Machine;

/// What EC2 said; an error is kept as well, for it is not to be asked again and again while it fails.
type Said = OnceCell<Result<Option<Machine>, String>>;

/// What was looked up lately.
#[derive(Debug)]
pub struct Lookups {
    most: usize,
    said: Mutex<HashMap<String, (Instant, Arc<Said>)>>,
}

impl Lookups {
    /// Up to this many between two looks at all machines.
    pub fn new(most: usize) -> Self {
        Lookups { most, said: Mutex::default() }
    }

    /// What EC2 says of a machine; `ask` asks it, unless that was done lately.
    pub async fn find(
        &self,
        id: &str,
        now: Instant,
        ask: impl Future<Output = Result<Option<Machine>>>,
    ) -> Result<Option<Machine>> {
        let cell = self.cell(id, now).ok_or_else(|| {
            Error::failed(format!("more than {} unknown machines are asked about: {id} has to wait", self.most))
        })?;
        // Who asks for the same machine meanwhile waits for the same answer.
        let said = cell.get_or_init(|| async { ask.await.map_err(|e| e.chain()) }).await;
        said.clone().map_err(Error::failed)
    }

    fn cell(&self, id: &str, now: Instant) -> Option<Arc<Said>> {
        // Every statement leaves the map whole: a panic elsewhere can't have left it half changed.
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, (since, _)| now.saturating_duration_since(*since) < EVERY);
        if said.len() >= self.most && !said.contains_key(id) {
            return None;
        }
        Some(Arc::clone(&said.entry(id.to_owned()).or_insert_with(|| (now, Arc::default())).1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// EC2 is asked once for a machine until the next look, whatever it said, and for so many machines only.
    #[tokio::test]
    async fn machines_are_looked_up_once() {
        let (lookups, now, calls) = (Lookups::new(2), Instant::now(), AtomicUsize::new(0));
        let find = |id: &'static str, now| {
            let calls = &calls;
            let ask = async move {
                calls.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                match id {
                    "i-1" => Ok(Some(Machine { id: id.into(), ..Machine::default() })),
                    _ => Err(Error::failed("EC2 is busy")),
                }
            };
            lookups.find(id, now, ask)
        };
        let (one, other) = tokio::join!(find("i-1", now), find("i-1", now));
        assert!(one.unwrap().is_some() && other.unwrap().is_some());
        assert!(find("i-2", now).await.is_err());
        assert_eq!(find("i-2", now).await.unwrap_err().message(), "EC2 is busy");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert!(find("i-3", now).await.unwrap_err().message().contains("has to wait"));
        assert!(find("i-1", now).await.is_ok(), "what is known is told");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert!(find("i-1", now + EVERY).await.is_ok());
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}
