//! Whether a member of etcd may begin with nothing.
//!
//! A member without data that joins in as if it had never been is how clusters are lost: with one member the cluster is
//! empty, with three it votes on what it has forgotten. So a member is seeded once. That it was is remembered twice: by a
//! note on its volume and by a marker in the state store, each with the same token. What does not fit is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::state::etcd::{EtcdCreated, EtcdMember};

/// The file at the root of a member's volume.
pub const NOTE: &str = "kspot.json";

/// The directory with the member's data, below the root of its volume.
pub const DATA: &str = "data";

/// What a restore calls the data that was there before it, beside it; the restore's id follows.
pub const BEFORE: &str = "data.before-";

/// What the note says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The cluster.
    pub cluster: String,
    /// The etcd cluster: `main`, `events` ...
    pub etcd: String,
    /// The member.
    pub member: String,
    /// The same as in the store's marker.
    pub token: String,
}

/// Which member a machine is.
#[derive(Clone, Debug)]
pub struct Me<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The etcd cluster.
    pub etcd: &'a str,
    /// The member.
    pub member: &'a str,
    /// The members of all etcd clusters, as the configuration has them.
    pub members: &'a BTreeMap<String, Vec<String>>,
}

/// What is on the member's volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volume {
    /// No file system.
    Blank,
    /// A file system without a note.
    Unknown {
        /// What is on it.
        holds: Vec<String>,
    },
    /// One that kspot made.
    Noted {
        /// Its note.
        note: Note,
        /// Whether etcd has written to it; also in the middle of a restore, when what it wrote is put aside.
        data: bool,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on with the data that is there.
    Continue,
    /// Begin with nothing: format if the volume is blank, write the note, then both markers, then start.
    Seed {
        /// The token to write; none: that of the note, which is there.
        note: bool,
    },
}

/// Decides. An error says why the member must not start, and what to do.
pub fn decide(
    me: &Me<'_>,
    volume: &Volume,
    created: Option<&EtcdCreated>,
    marker: Option<&EtcdMember>,
) -> Result<Decision> {
    let note = match volume {
        Volume::Unknown { holds } if !holds.is_empty() => return Err(not_ours(me, holds)),
        Volume::Noted { note, .. }
            if note.cluster != me.cluster || note.etcd != me.etcd || note.member != me.member =>
        {
            return Err(of_another(me, note));
        }
        Volume::Noted { note, data: true } if marker.is_some_and(|m| m.token != note.token) => {
            return Err(older(me));
        }
        Volume::Noted { data: true, .. } => return Ok(Decision::Continue),
        Volume::Noted { note, data: false } => Some(note),
        Volume::Blank | Volume::Unknown { .. } => None,
    };
    match (marker, note) {
        // The machine that began with this very volume did not get to start etcd.
        (Some(marker), Some(note)) if marker.token == note.token => {}
        (Some(marker), _) => return Err(lost(me, marker)),
        (None, _) => {}
    }
    match created {
        Some(created) if created.members.get(me.etcd) != me.members.get(me.etcd) => Err(other_members(me, created)),
        _ => Ok(Decision::Seed { note: note.is_none() }),
    }
}

fn refused(me: &Me<'_>, why: String) -> Error {
    Error::failed(format!("etcd {} member {} is not started: {why}", me.etcd, me.member))
}

fn not_ours(me: &Me<'_>, holds: &[String]) -> Error {
    let some: Vec<&str> = holds.iter().take(3).map(String::as_str).collect();
    refused(me, format!("its volume holds a file system that kspot did not make ({})", some.join(", ")))
        .hint("if it may go, wipe the volume (wipefs --all), or delete it and run kspot update cluster --yes")
}

fn of_another(me: &Me<'_>, note: &Note) -> Error {
    refused(
        me,
        format!("its volume belongs to member {} of etcd {} in cluster {}", note.member, note.etcd, note.cluster),
    )
    .hint("the tags of the volume were changed: put them right")
}

fn older(me: &Me<'_>) -> Error {
    refused(me, "its volume has data of another life of this cluster than the one the state store knows".to_owned())
        .hint("attach the right volume, or bring back a snapshot: kspot etcd restore")
}

fn lost(me: &Me<'_>, marker: &EtcdMember) -> Error {
    let when = marker.when.strftime("%Y-%m-%d %H:%M UTC");
    refused(me, format!("it was seeded on {when}, on volume {}, and its volume here is blank", marker.volume))
        .hint("its data is somewhere else or lost: bring the volume back")
        .hint("or bring back a snapshot: kspot etcd list, kspot etcd restore")
}

fn other_members(me: &Me<'_>, created: &EtcdCreated) -> Error {
    let list = |all: Option<&Vec<String>>| all.map_or_else(|| "none".to_owned(), |all| all.join(", "));
    refused(
        me,
        format!(
            "the cluster was seeded with the members {}, the spec names {}",
            list(created.members.get(me.etcd)),
            list(me.members.get(me.etcd))
        ),
    )
    .hint("members can't be added to a cluster that runs: bring the spec back with kspot rollback")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members() -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([("main".into(), vec!["a".into(), "b".into(), "c".into()])])
    }

    fn created(members: BTreeMap<String, Vec<String>>) -> EtcdCreated {
        EtcdCreated { when: "2026-11-21T09:00:00Z".parse().unwrap(), token: "t".into(), members }
    }

    fn marker(token: &str) -> EtcdMember {
        EtcdMember { when: "2026-11-21T09:00:00Z".parse().unwrap(), volume: "vol-1".into(), token: token.into() }
    }

    fn noted(member: &str, token: &str, data: bool) -> Volume {
        let note = Note { cluster: "c".into(), etcd: "main".into(), member: member.into(), token: token.into() };
        Volume::Noted { note, data }
    }

    fn decided(
        volume: &Volume,
        created: Option<&EtcdCreated>,
        marker: Option<&EtcdMember>,
    ) -> Result<Decision, String> {
        let members = members();
        let me = Me { cluster: "c", etcd: "main", member: "a", members: &members };
        decide(&me, volume, created, marker).map_err(|e| e.chain())
    }

    /// A new cluster, its members in any order; a boot that ended in the middle; a machine that was replaced.
    #[test]
    fn what_may_start() {
        let (seed, again) = (Ok(Decision::Seed { note: true }), Ok(Decision::Seed { note: false }));
        let created = created(members());
        assert_eq!(decided(&Volume::Blank, None, None), seed);
        assert_eq!(decided(&Volume::Unknown { holds: vec![] }, None, None), seed, "formatted, then killed");
        assert_eq!(decided(&Volume::Blank, Some(&created), None), seed, "the last member of a new cluster");
        assert_eq!(decided(&noted("a", "x", false), None, None), again);
        assert_eq!(decided(&noted("a", "x", false), Some(&created), Some(&marker("x"))), again);
        assert_eq!(decided(&noted("a", "x", true), Some(&created), Some(&marker("x"))), Ok(Decision::Continue));
        assert_eq!(decided(&noted("a", "x", true), None, None), Ok(Decision::Continue), "the store was lost");
    }

    /// What would lose data or split the cluster is refused, and it says why.
    #[test]
    fn what_must_not_start() {
        let now = created(members());
        let refused = |volume: &Volume, marker: Option<&EtcdMember>, why: &str| {
            let said = decided(volume, Some(&now), marker).unwrap_err();
            assert!(said.contains(why), "{said}");
        };
        refused(&Volume::Blank, Some(&marker("x")), "its volume here is blank");
        refused(&noted("a", "y", false), Some(&marker("x")), "its volume here is blank");
        refused(&noted("a", "y", true), Some(&marker("x")), "another life");
        refused(&noted("b", "x", true), Some(&marker("x")), "belongs to member b");
        refused(&Volume::Unknown { holds: vec!["home".into()] }, None, "did not make (home)");
        let before = created(BTreeMap::from([("main".into(), vec!["a".into()])]));
        assert!(decided(&Volume::Blank, Some(&before), None).unwrap_err().contains("seeded with the members a,"));
    }

    proptest! {
        /// Whatever is where: a member that was seeded never begins with nothing, unless it never got to write.
        #[test]
        fn nothing_is_seeded_twice(
            volume in prop_oneof![
                Just(Volume::Blank),
                Just(Volume::Unknown { holds: vec![] }),
                ("[ab]", "[xy]", any::<bool>()).prop_map(|(m, t, d)| noted(&m, &t, d)),
            ],
            is_created in any::<bool>(),
            token in proptest::option::of("[xy]"),
        ) {
            let created = created(members());
            let marker = token.map(|t| marker(&t));
            let decided = decided(&volume, is_created.then_some(&created), marker.as_ref());
            if let Ok(Decision::Seed { .. }) = decided {
                let never_wrote = match (&marker, &volume) {
                    (None, Volume::Noted { data, .. }) => !data,
                    (None, _) => true,
                    (Some(marker), Volume::Noted { note, data: false }) => note.token == marker.token,
                    (Some(_), _) => false,
                };
                prop_assert!(never_wrote);
            }
        }
    }
}
