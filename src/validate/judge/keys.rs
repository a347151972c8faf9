//! What ends or grows old by itself: the authorities' certificates, the snapshots of etcd.

use jiff::SignedDuration;

use super::{Case, Kind, Severity, Subject};

/// From then on before its end a key is worth a warning.
pub const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

/// A snapshot is taken every 15 minutes; this many of them may fail in a row.
const OLD: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn check(case: &mut Case<'_>) {
    let view = case.view;
    for key in &view.keys {
        let left = key.expires.duration_since(view.now);
        let (severity, message) = if left <= SignedDuration::ZERO {
            (Severity::Blocks, "has expired")
        } else if left < SOON {
            (Severity::Warning, "expires soon: rotate it with create, promote and distrust keypair")
        } else {
            continue;
        };
        case.say(severity, Subject::new(Kind::Key, &key.name).since(Some(key.expires)), message);
    }
    let Some(snapshots) = view.snapshots else { return };
    let newest = snapshots.newest.unwrap_or(snapshots.since);
    if case.age(newest) > OLD {
        let message = match snapshots.newest {
            Some(_) => "the newest is older than an hour",
            None => "there is none, and etcd was seeded more than an hour ago",
        };
        case.say(Severity::Warning, Subject::new(Kind::Snapshots, "etcd").since(Some(newest)), message);
    }
}
