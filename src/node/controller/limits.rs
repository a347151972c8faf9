//! How often one address may ask: a bucket of tokens each, for a bounded number of addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many requests an address may send at once.
const BURST: f64 = 20.0;

/// How many it may send a second after that.
const RATE: f64 = 2.0;

/// How many addresses are told apart; more than a VPC's machines that ask at the same time.
const MOST: usize = 10_000;

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
