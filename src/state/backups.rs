//! Snapshots of etcd: where they lie, how they are called, and which of them are kept.
//!
//! `<when>-<member>.db.gz` below the place of the etcd cluster; names sort as times do.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::Location;
use super::cluster::ClusterStore;
use super::store::{Precondition, Store};
use crate::context::Context;
use crate::error::{Error, Result};

/// How the time of a snapshot begins its name: `20261121T220000Z`.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// How its name ends.
const ENDING: &str = ".db.gz";

/// How long every snapshot is kept.
const ALL: SignedDuration = SignedDuration::from_hours(24);
/// How long the first one of an hour is kept.
const HOURLY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A snapshot of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Its name, by which it is restored.
    pub name: String,
    /// The etcd cluster.
    pub etcd: String,
    /// When it was taken.
    pub when: Timestamp,
    /// The member that it was taken from.
    pub member: String,
    /// The object's size in bytes.
    pub size: u64,
}

/// The name of a snapshot that is taken now.
pub fn name(when: Timestamp, member: &str) -> String {
    format!("{}-{member}{ENDING}", when.strftime(STAMP))
}

/// What a name says: when, and from which member. None: something else lies there.
fn read(name: &str) -> Option<(Timestamp, &str)> {
    let (stamp, member) = name.strip_suffix(ENDING)?.split_once('-')?;
    let time = DateTime::strptime(STAMP, stamp).ok()?;
    Some((time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(), member))
}

/// Those that need not be kept: all of the last day stay, then the first of each hour for a week, then the first of each
/// day for `days`. The newest one always stays.
pub fn expired(all: &[Snapshot], now: Timestamp, days: u32) -> Vec<&Snapshot> {
    let daily = SignedDuration::from_hours(24 * i64::from(days));
    let (mut hours, mut dates) = (BTreeSet::new(), BTreeSet::new());
    let mut sorted: Vec<&Snapshot> = all.iter().collect();
    sorted.sort_by_key(|s| (s.when, &s.name));
    let newest = sorted.last().copied();
    let expired = sorted.into_iter().filter(|snapshot| {
        let time = snapshot.when.to_zoned(jiff::tz::TimeZone::UTC);
        // Each counts as the first of its hour and day whether it is young or old, so that none is missing later.
        let first_of_hour = hours.insert((time.date(), time.hour()));
        let first_of_day = dates.insert(time.date());
        let age = now.duration_since(snapshot.when);
        !(age <= ALL || (age <= HOURLY && first_of_hour) || (age <= daily && first_of_day))
    });
    expired.filter(|snapshot| Some(*snapshot) != newest).collect()
}

/// Where the snapshots of one etcd cluster lie.
#[derive(Clone, Debug)]
pub struct Backups {
    store: std::sync::Arc<dyn Store>,
    prefix: String,
    etcd: String,
}

impl Backups {
    /// Below the cluster in its own store.
    pub fn of(cluster: &ClusterStore, etcd: &str) -> Self {
        let prefix = format!("{}{etcd}/", cluster.keys().etcd_backups());
        Backups { store: std::sync::Arc::clone(cluster.store()), prefix, etcd: etcd.to_owned() }
    }

    /// In a store for snapshots, which clusters may share.
    pub fn at(store: std::sync::Arc<dyn Store>, cluster: &str, etcd: &str) -> Self {
        Backups { store, prefix: format!("{cluster}/{etcd}/"), etcd: etcd.to_owned() }
    }

    /// Where a spec wants those of an etcd cluster: in a store that it names, or else below the cluster. `sdk` configures
    /// AWS, if that is asked.
    pub async fn open(
        cluster: &ClusterStore,
        etcd: &str,
        place: Option<&str>,
        context: &Context,
        sdk: impl Future<Output = Result<SdkConfig>> + Send,
    ) -> Result<Self> {
        let Some(place) = place else { return Ok(Backups::of(cluster, etcd)) };
        let location: Location = place.parse()?;
        Ok(Backups::at(super::open(&location, context, sdk).await?, cluster.name(), etcd))
    }

    /// All, oldest first.
    pub async fn list(&self) -> Result<Vec<Snapshot>> {
        let listed = self.store.list(&self.prefix, None).await?;
        let snapshot = |entry: &super::store::Entry| {
            let name = entry.key.strip_prefix(&self.prefix)?;
            let (when, member) = read(name)?;
            let member = member.to_owned();
            Some(Snapshot { name: name.to_owned(), etcd: self.etcd.clone(), when, member, size: entry.size })
        };
        Ok(listed.iter().filter_map(snapshot).collect())
    }

    /// Keeps a snapshot out of a file.
    pub async fn keep(&self, name: &str, file: &std::path::Path, sha256: &str) -> Result<()> {
        self.store.put_file(&format!("{}{name}", self.prefix), file, sha256).await
    }

    /// Reads one into a file.
    pub async fn read(&self, name: &str, file: &mut tokio::fs::File) -> Result<()> {
        if self.store.get_file(&format!("{}{name}", self.prefix), file).await? {
            return Ok(());
        }
        Err(Error::failed(format!("there is no snapshot {name} of etcd {} in {}", self.etcd, self.store.describe()))
            .hint("kspot etcd list"))
    }

    /// Removes one.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let key = format!("{}{name}", self.prefix);
        let gone = self.store.delete(&key, Precondition::None).await;
        gone.map_err(|e| e.or_conflict(|| Error::conflict(format!("{key} was written by somebody else"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot(when: Timestamp) -> Snapshot {
        Snapshot { name: name(when, "a-1"), etcd: "main".into(), when, member: "a-1".into(), size: 1 }
    }

    fn at(minutes: i64) -> Timestamp {
        "2026-11-21T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    /// Names tell when and from which member; what is no snapshot is left alone.
    #[test]
    fn names_are_read_back() {
        assert_eq!(name(at(75), "a-1"), "20261121T011500Z-a-1.db.gz");
        assert_eq!(read(&name(at(75), "a-1")), Some((at(75), "a-1")));
        assert_eq!(["notes", "20261121T011500Z-a", "2026-a.db.gz"].map(read), [None; 3]);
    }

    /// A quarter of a year of snapshots every 15 minutes, thinned out every day.
    #[test]
    fn what_stays_of_a_quarter() {
        let mut kept: Vec<Snapshot> = Vec::new();
        let end = 90 * 24 * 60;
        for minute in (0..end).step_by(15) {
            kept.push(snapshot(at(minute)));
            if minute % (24 * 60) == 0 {
                let gone: Vec<String> = expired(&kept, at(minute), 60).iter().map(|s| s.name.clone()).collect();
                kept.retain(|s| !gone.contains(&s.name));
            }
        }
        let gone: Vec<String> = expired(&kept, at(end), 60).iter().map(|s| s.name.clone()).collect();
        kept.retain(|s| !gone.contains(&s.name));
        let younger = |hours: i64| {
            kept.iter().filter(|s| at(end).duration_since(s.when) <= SignedDuration::from_hours(hours)).count()
        };
        assert_eq!((younger(24), younger(7 * 24)), (96, 96 + 6 * 24));
        assert_eq!(kept.len(), 96 + 6 * 24 + 53);
    }

    proptest! {
        /// The newest stays, whatever there is; thinning out twice is thinning out once.
        #[test]
        fn thinning_out_is_safe(minutes in proptest::collection::btree_set(0i64..200_000, 0..60), now in 0i64..400_000) {
            let all: Vec<Snapshot> = minutes.iter().map(|m| snapshot(at(*m))).collect();
            let gone: BTreeSet<String> = expired(&all, at(now), 30).iter().map(|s| s.name.clone()).collect();
            prop_assert!(all.last().is_none_or(|newest| !gone.contains(&newest.name)));
            let kept: Vec<Snapshot> = all.into_iter().filter(|s| !gone.contains(&s.name)).collect();
            prop_assert!(expired(&kept, at(now), 30).is_empty());
        }
    }
}
