//! What etcd's members complain of, and how old its snapshots are.

use super::{Case, Kind, Severity, Subject};

/// So many snapshots may fail in a row.
const MISSED: i32 = 4;

/// Full is what the quota says: writes are refused until there is room again, and everything seems well meanwhile.
const FULL: &str = "NOSPACE";

pub(super) fn check(case: &mut Case<'_>) {
    let view = case.view;
    for alarm in &view.alarms {
        let mut message = format!("raises an alarm: {}", alarm.what);
        if alarm.what.contains(FULL) {
            message.push_str(": its database is full, and nothing can be written: delete what is not needed, compact, defragment and disarm");
        }
        case.say(Severity::Blocks, Subject::new(Kind::Etcd, &alarm.member), message);
    }
    for snapshots in &view.snapshots {
        let newest = match &snapshots.newest {
            Ok(newest) => newest.unwrap_or(snapshots.since),
            Err(why) => {
                case.say(Severity::Warning, Subject::new(Kind::Snapshots, &snapshots.etcd), why.clone());
                continue;
            }
        };
        let patience = snapshots.interval * MISSED;
        if case.age(newest) <= patience {
            continue;
        }
        let message = match snapshots.newest {
            Ok(Some(_)) => format!("the newest is older than {patience:#}"),
            _ => format!("there is none, and etcd was seeded more than {patience:#} ago"),
        };
        case.say(Severity::Warning, Subject::new(Kind::Snapshots, &snapshots.etcd).since(Some(newest)), message);
    }
}
