//! That nobody uses a signed request which somebody else has used: whoever saw one on its way gains nothing.
//!
//! The one who made it may send it again, since its first answer may be lost. Each controller remembers what it has seen
//! itself; towards the other controllers of the control plane it is the address that EC2 knows which tells the two apart.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::Denied;

/// How many are remembered at most: far more than workers can be born within the life of one.
const MOST: usize = 20_000;

/// The signed requests that were used, and by whom.
#[derive(Debug, Default)]
pub struct Used(Mutex<HashMap<String, (IpAddr, Timestamp)>>);

impl Used {
    /// Notes a use. An error if somebody else was first.
    pub fn by(&self, peer: IpAddr, signature: &str, ends: Timestamp, now: Timestamp) -> Result<(), Denied> {
        // Every statement leaves the map whole: a panic elsewhere can't have left it half changed.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get(signature) {
            Some((first, _)) if *first != peer => return Err(Denied::Replayed(*first)),
            Some(_) => return Ok(()),
            None => {}
        }
        if used.len() >= MOST {
            used.retain(|_, (_, ends)| *ends > now);
        }
        // To forget one that still counts would let it be used twice.
        if used.len() >= MOST {
            return Err(Denied::TooMany(peer));
        }
        used.insert(signature.to_owned(), (peer, ends));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// The same address may send a request again, another may not; what ended makes room.
    #[test]
    fn a_request_is_used_by_one() {
        let (used, now) = (Used::default(), Timestamp::UNIX_EPOCH);
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let ends = now + SignedDuration::from_mins(5);
        used.by(one, "a", ends, now).unwrap();
        used.by(one, "a", ends, now).unwrap();
        assert_eq!(used.by(two, "a", ends, now), Err(Denied::Replayed(one)));
        for n in 1..MOST {
            used.by(one, &n.to_string(), ends, now).unwrap();
        }
        assert_eq!(used.by(one, "b", ends, now), Err(Denied::TooMany(one)));
        used.by(one, "b", ends, ends).unwrap();
    }
}
