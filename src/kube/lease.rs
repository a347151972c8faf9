//! That one of several controllers does something: a Lease of Kubernetes, held by writing to it again and again.
//!
//! Nobody's clock is compared with anybody else's: who does not hold it waits for as long as the lease lasts since it saw
//! the last change of it; who holds it gives up earlier than that, counted from before it wrote.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::error;
use crate::error::Result;

/// A contender for a lease.
#[derive(Debug)]
pub struct Lease {
    name: String,
    holder: String,
    life: Duration,
    /// The version that was seen last, and when it was seen first.
    seen: Option<(String, Instant)>,
}

/// Where leases are.
const NAMESPACE: &str = "kube-system";

impl Lease {
    /// The lease of this name in `kube-system`, for a contender of this name. It is free once nobody has written to it for
    /// `life`.
    pub fn new(name: &str, holder: &str, life: Duration) -> Self {
        Lease { name: name.to_owned(), holder: holder.to_owned(), life, seen: None }
    }

    /// How long a success lasts: less than others wait, since a clock may run a little faster than another.
    fn term(&self) -> Duration {
        self.life * 2 / 3
    }

    /// Tries to hold it, or to go on holding it. Gives until when it is held; none if somebody else holds it.
    pub async fn hold(&mut self, client: &Client) -> Result<Option<Instant>> {
        let started = Instant::now();
        let api = Api::<Object>::namespaced(client.clone(), NAMESPACE);
        let doing = format!("hold the lease {}", self.name);
        let there = api.get_opt(&self.name).await.map_err(|e| error::of(&doing, e))?;
        let taken = match there {
            None => {
                let object = Object { metadata: self.metadata(), spec: Some(self.spec(None)) };
                api.create(&PostParams::default(), &object).await
            }
            Some(there) => {
                if !self.may_take(&there, started) {
                    return Ok(None);
                }
                // With the version that was read: who wrote in between was first.
                let spec = Some(self.spec(there.spec.as_ref()));
                api.replace(&self.name, &PostParams::default(), &Object { metadata: there.metadata, spec }).await
            }
        };
        match taken {
            Ok(_) => Ok(Some(started + self.term())),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(e) => Err(error::of(&doing, e)),
        }
    }

    /// Gives it up, so that nobody has to wait.
    pub async fn release(&mut self, client: &Client) -> Result<()> {
        let api = Api::<Object>::namespaced(client.clone(), NAMESPACE);
        let doing = format!("release the lease {}", self.name);
        let Some(there) = api.get_opt(&self.name).await.map_err(|e| error::of(&doing, e))? else { return Ok(()) };
        if holder(&there) != Some(self.holder.as_str()) {
            return Ok(());
        }
        let spec = there.spec.map(|spec| LeaseSpec { holder_identity: None, ..spec });
        match api.replace(&self.name, &PostParams::default(), &Object { metadata: there.metadata, spec }).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(e) => Err(error::of(&doing, e)),
        }
    }

    /// Whether it is ours already, nobody's, or somebody's who has not written for too long.
    fn may_take(&mut self, there: &Object, now: Instant) -> bool {
        if holder(there).is_none_or(|holder| holder == self.holder) {
            return true;
        }
        let version = there.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => now.saturating_duration_since(*since) >= self.life,
            _ => {
                self.seen = Some((version, now));
                false
            }
        }
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta { name: Some(self.name.clone()), namespace: Some(NAMESPACE.to_owned()), ..ObjectMeta::default() }
    }

    /// As it is written, after what was there before.
    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let again = before.is_some_and(|b| b.holder_identity.as_deref() == Some(self.holder.as_str()));
        let changes = before.and_then(|b| b.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(i32::try_from(self.life.as_secs().max(1)).unwrap_or(i32::MAX)),
            acquire_time: if again { before.and_then(|b| b.acquire_time.clone()) } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if again { changes } else { changes + 1 }),
            ..LeaseSpec::default()
        }
    }
}

fn holder(there: &Object) -> Option<&str> {
    there.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(by: &str, version: &str) -> Object {
        let spec = LeaseSpec { holder_identity: Some(by.to_owned()), ..LeaseSpec::default() };
        let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
        Object { metadata, spec: Some(spec) }
    }

    /// Somebody else's lease is free when nothing has been written to it for its life, seen by one's own clock; each new
    /// version starts anew.
    #[test]
    fn a_lease_ends_when_nobody_writes() {
        let life = Duration::from_secs(15);
        let (mut lease, start) = (Lease::new("l", "me", life), Instant::now());
        assert!(lease.may_take(&held("me", "1"), start) && lease.may_take(&held("", "1"), start));
        assert!(!lease.may_take(&held("you", "2"), start));
        assert!(!lease.may_take(&held("you", "2"), start + Duration::from_secs(14)));
        assert!(!lease.may_take(&held("you", "3"), start + Duration::from_secs(16)));
        assert!(!lease.may_take(&held("you", "3"), start + Duration::from_secs(30)));
        assert!(lease.may_take(&held("you", "3"), start + Duration::from_secs(31)));
        assert!(lease.term() < life);
    }
}
