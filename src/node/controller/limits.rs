//! How often one address may ask: a bucket of tokens each, for a bounded number of addresses. And how many connections it
//! may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How many requests an address may send at once.
const BURST: f64 = 20.0;

/// How many it may send a second after that.
const RATE: f64 = 2.0;

/// How many addresses are told apart; more than a VPC's machines that ask at the same time.
const MOST: usize = 10_000;

/// How many connections an address may have at once. A machine's agent has one or two.
const CONNECTIONS: usize = 16;

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place, for as long as this lives.
#[derive(Debug)]
pub struct Place {
    of: Connections,
    peer: IpAddr,
}

impl Connections {
    /// A place for one more of an address; none if it has as many as it may.
    pub fn enter(&self, peer: IpAddr) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(peer).or_default();
        if *count >= CONNECTIONS {
            return None;
        }
        *count += 1;
        Some(Place { of: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.peer);
            }
        }
    }
}

/// The buckets.
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    since: Instant,
}

impl Bucket {
    fn filled(self, now: Instant) -> f64 {
        (self.tokens + RATE * now.saturating_duration_since(self.since).as_secs_f64()).min(BURST)
    }
}

impl Limits {
    /// Whether an address may ask now; counts it.
    pub fn allows(&self, peer: IpAddr, now: Instant) -> bool {
        // Every statement leaves the map whole: a panic elsewhere can't have left it half changed.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&peer) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| bucket.filled(now) < BURST);
            if buckets.len() >= MOST {
                return false;
            }
        }
        let bucket = buckets.entry(peer).or_insert(Bucket { tokens: BURST, since: now });
        let tokens = bucket.filled(now);
        let allowed = tokens >= 1.0;
        *bucket = Bucket { tokens: if allowed { tokens - 1.0 } else { tokens }, since: now };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    /// One address can't ask without end, and does not keep another from asking; after a while it may again.
    #[test]
    fn nobody_asks_without_end() {
        let (limits, now) = (Limits::default(), Instant::now());
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        let allowed = (0..100).filter(|_| limits.allows(address(1), now)).count();
        assert_eq!(allowed, 20);
        assert!(limits.allows(address(2), now));
        assert!(limits.allows(address(1), now + Duration::from_secs(1)));
    }

    /// One address has so many connections and not more; another has its own, and what ends makes room and leaves nothing.
    #[test]
    fn nobody_takes_all_connections() {
        let connections = Connections::default();
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        let mut places: Vec<Place> = (0..100).filter_map(|_| connections.enter(address(1))).collect();
        assert_eq!(places.len(), CONNECTIONS);
        let other = connections.enter(address(2));
        assert!(other.is_some() && connections.enter(address(1)).is_none());
        places.pop();
        assert!(connections.enter(address(1)).is_some());
        drop((places, other));
        assert!(connections.0.lock().unwrap().is_empty());
    }

    /// The number of addresses is bounded; those that went quiet make room.
    #[test]
    fn quiet_addresses_are_forgotten() {
        let (limits, now) = (Limits::default(), Instant::now());
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap()));
        assert!((0..MOST).all(|n| limits.allows(address(n), now)));
        assert!(!limits.allows(address(MOST), now));
        assert!(limits.allows(address(MOST), now + Duration::from_secs(60)));
    }
}
