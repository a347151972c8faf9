//! Members of etcd as processes on loopback, seeded, replaced, backed up and restored by what machines run. Tier: real etcd and
//! etcdutl; a machine is a directory, its kubelet a few lines that start etcd as its manifest says.

mod machine;
mod site;

use std::time::Duration;

use kspot::node::etcd::restore::{Content, Restore};
use kspot::node::etcd::volume::BEFORE;
use kspot::state::Precondition;
use serde_json::json;

use machine::Machine;
use site::{Site, get, own, put};

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How far a restore lets the revision jump, at least.
const JUMP: u64 = 1_000_000_000;

async fn in_time(case: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, case).await.expect("the case takes too long");
}

/// Three machines whose members are a majority.
async fn three(site: &Site) -> [Machine; 3] {
    let machines = [site.booted("a", "vol-a").await, site.booted("b", "vol-b").await, site.booted("c", "vol-c").await];
    for (machine, member) in machines.iter().zip(["a", "b", "c"]) {
        site.ready(machine, member).await;
    }
    machines
}

/// Every machine is lost and replaced in turn: what was written stays, and the new machine is one of the majority, with the
/// volume of the old one as it was.
#[tokio::test]
async fn machines_are_replaced_and_nothing_is_lost() {
    in_time(async {
        let site = Site::new(&["a", "b", "c"]).await;
        let mut machines = three(&site).await.map(Some);
        put(&site.client(machines[0].as_ref().unwrap(), "a"), "first", "1").await;
        let members = ["a", "b", "c"];
        for (n, member) in members.into_iter().enumerate() {
            machines[n] = None;
            let other = (n + 1) % 3;
            let client = site.ready(machines[other].as_ref().unwrap(), members[other]).await;
            put(&client, member, "written by two").await;
            let new = site.booted(member, &format!("vol-{member}")).await;
            assert!(!new.ran().iter().any(|line| line.starts_with("mkfs")), "{member}");
            let client = site.ready(&new, member).await;
            assert_eq!(get(&client, "first").await.as_deref(), Some("1"), "{member}");
            assert_eq!(own(&client, member).await.as_deref(), Some("written by two"));
            machines[n] = Some(new);
        }
    })
    .await;
}

/// A blank volume in place of a member's is neither formatted nor joined to the others, who go on.
#[tokio::test]
async fn a_member_whose_volume_is_lost_is_not_seeded_again() {
    in_time(async {
        let site = Site::new(&["a", "b", "c"]).await;
        let [a, b, c] = three(&site).await;
        drop(c);
        let new = site.machine("vol-new");
        let refused = site.boot(&new, "c", "vol-new").await.unwrap_err().chain();
        assert!(refused.contains("it was seeded on") && refused.contains("its volume here is blank"), "{refused}");
        assert!(!site.disk("vol-new").join("fs").exists() && new.etcd().is_none());
        assert!(!new.ran().iter().any(|line| line.starts_with("mkfs") || line.starts_with("mount")));
        put(&site.ready(&a, "a").await, "first", "1").await;
        assert_eq!(get(&site.ready(&b, "b").await, "first").await.as_deref(), Some("1"));
    })
    .await;
}

/// Members that were restored are one cluster with what the snapshot held, at a revision far ahead; one that was left out is
/// not of it, and is again once it is restored, too.
#[tokio::test]
async fn a_restored_cluster_has_the_snapshot_and_no_member_that_was_left_out() {
    in_time(async {
        let site = Site::new(&["a", "b", "c"]).await;
        let [a, b, c] = three(&site).await;
        let client = site.client(&a, "a");
        put(&client, "first", "1").await;
        let snapshot = site.back_up(&client, "a").await;
        put(&client, "second", "2").await;
        assert_eq!(get(&site.client(&c, "c"), "second").await.as_deref(), Some("2"));
        let before = client.status().await.unwrap().revision;

        for (machine, member) in [(&a, "a"), (&b, "b")] {
            site.restore(machine, member, &snapshot, "again").await.unwrap_or_else(|e| panic!("{}", e.chain()));
        }
        for (machine, member) in [(&a, "a"), (&b, "b")] {
            let client = site.ready(machine, member).await;
            assert_eq!(get(&client, "first").await.as_deref(), Some("1"), "{member}");
            assert_eq!(get(&client, "second").await, None, "{member}");
            assert!(client.status().await.unwrap().revision > before + JUMP / 2, "{member}");
        }
        let left = site.client(&c, "c");
        assert_eq!(own(&left, "second").await.as_deref(), Some("2"), "it runs on what it had");
        assert!(left.has_quorum().await.is_err());
        put(&site.client(&a, "a"), "third", "3").await;
        assert_eq!(own(&left, "third").await, None);

        site.restore(&c, "c", &snapshot, "again").await.unwrap_or_else(|e| panic!("{}", e.chain()));
        let mut hashes = Vec::new();
        let revision = site.ready(&c, "c").await.status().await.unwrap().revision;
        for (machine, member) in [(&a, "a"), (&b, "b"), (&c, "c")] {
            let client = site.ready(machine, member).await;
            assert_eq!(get(&client, "third").await.as_deref(), Some("3"), "{member}");
            let said = client.call("/v3/maintenance/hashkv", &json!({"revision": revision})).await.unwrap();
            hashes.push((said["hash"].clone(), said["header"]["cluster_id"].clone()));
        }
        assert!(hashes[0].0.is_number() && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    })
    .await;
}

/// The names on a member's volume.
fn names(machine: &Machine) -> Vec<String> {
    let all = std::fs::read_dir(machine.at("/var/lib/kspot/etcd/main")).unwrap();
    let mut names: Vec<String> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A drill tells what a snapshot holds while the member goes on; a damaged snapshot is refused, and the member goes on.
#[tokio::test]
async fn snapshots_are_read_back_and_damaged_ones_refused() {
    in_time(async {
        let site = Site::new(&["a"]).await;
        let a = site.booted("a", "vol-a").await;
        let client = site.ready(&a, "a").await;
        put(&client, "first", "1").await;
        put(&client, "second", "2").await;
        let said = client.status().await.unwrap();
        assert!(said.version.starts_with("3.") && said.size > 0 && said.leads && said.errors.is_empty(), "{said:?}");
        let (before, process, on_volume) = (said, a.etcd(), names(&a));
        let snapshot = site.back_up(&client, "a").await;
        let etcd = site.etcd("a");
        let restore = |snapshot| Restore { etcd: &etcd, backups: &site.backups, snapshot, id: "drill" };
        let Content { keys, revision } = restore(&snapshot).drill(&a).await.unwrap_or_else(|e| panic!("{}", e.chain()));
        assert!(keys >= 2 && revision > JUMP, "{keys} {revision}");

        let key = format!("{}main/{snapshot}", site.store.keys().etcd_backups());
        let packed = site.store.store().get(&key).await.unwrap().unwrap().bytes;
        let mut whole = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut whole).unwrap();
        let middle = whole.len() / 2;
        whole[middle] ^= 1;
        let mut flipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut flipped, &whole).unwrap();
        let damaged = [
            ("flipped", flipped.finish().unwrap(), "is damaged"),
            ("cut", packed[..packed.len() / 2].to_vec(), "can't be unpacked"),
        ];
        for (name, bytes, why) in damaged {
            let key = format!("{}main/{name}", site.store.keys().etcd_backups());
            site.store.store().put(&key, &bytes, Precondition::None).await.unwrap_or_else(|_| panic!("{name}"));
            assert!(restore(name).run(&a).await.unwrap_err().chain().contains(why), "{name}");
            assert!(restore(name).drill(&a).await.unwrap_err().chain().contains(why), "{name}");
        }

        let after: Vec<String> = names(&a).into_iter().filter(|name| name != "restore.json").collect();
        assert_eq!((a.etcd(), after), (process, on_volume));
        assert_eq!(client.status().await.unwrap().revision, before.revision);
        assert_eq!(get(&client, "second").await.as_deref(), Some("2"));
    })
    .await;
}

/// Interrupts a restore in the middle of each of its actions in turn; `revive` is what happens until it is tried again, `next`
/// the id that it is tried again under.
async fn interrupt_everywhere(site: &Site, a: &Machine, revive: impl AsyncFn(), next: fn(&str) -> String) {
    const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    std::fs::write(a.at(API_SERVER), "the API server's pod").unwrap();
    let client = site.ready(a, "a").await;
    put(&client, "first", "1").await;
    let snapshot = site.back_up(&client, "a").await;
    let on_volume = [names(a), vec!["restore.json".to_owned()]].concat();
    for cut in 0.. {
        put(&site.ready(a, "a").await, "second", "2").await;
        let id = format!("try-{cut:03}");
        a.cut_after(cut);
        let ended = site.restore(a, "a", &snapshot, &id).await;
        let was_cut = a.again();
        assert_eq!(ended.is_err(), was_cut, "{cut}");
        if was_cut {
            revive().await;
            if a.etcd().is_some() {
                let client = site.ready(a, "a").await;
                assert_eq!(get(&client, "first").await.as_deref(), Some("1"), "{cut}: a member that runs has its data");
            }
            site.restore(a, "a", &snapshot, &next(&id)).await.unwrap_or_else(|e| panic!("{cut}: {}", e.chain()));
        }
        let client = site.ready(a, "a").await;
        assert_eq!(get(&client, "first").await.as_deref(), Some("1"), "{cut}");
        assert_eq!(get(&client, "second").await, None, "{cut}");
        assert_eq!(std::fs::read_to_string(a.at(API_SERVER)).unwrap(), "the API server's pod", "{cut}");
        let (aside, others): (Vec<_>, Vec<_>) = names(a).into_iter().partition(|name| name.starts_with(BEFORE));
        assert!(aside.iter().any(|name| name.starts_with(&format!("{BEFORE}{id}"))), "{cut}: {aside:?}");
        assert_eq!(others, on_volume, "{cut}");
        if !was_cut {
            assert!(cut > 8, "only {cut} actions were cut");
            return;
        }
    }
}

/// The machine loses power and boots.
async fn boot_again(site: &Site, a: &Machine) {
    a.reboot();
    // A boot lets the member wait for a restore that is only to be put in place; it is tried until that has ended.
    if let Err(e) = site.boot(a, "a", "vol-a").await {
        assert!(e.chain().contains("etcd main is being restored"), "{}", e.chain());
    }
}

/// Killed in the middle of any of its actions and begun again, a restore ends as if it had never been interrupted.
#[tokio::test]
async fn a_restore_that_is_killed_anywhere_is_finished_by_the_next() {
    in_time(async {
        let site = Site::new(&["a"]).await;
        let a = site.booted("a", "vol-a").await;
        interrupt_everywhere(&site, &a, async || {}, str::to_owned).await;
    })
    .await;
}

/// The same when the machine lost power and boots before the restore is begun again: it never lets the member begin with nothing.
#[tokio::test]
async fn a_restore_that_a_power_cut_ends_anywhere_is_finished_by_the_next() {
    in_time(async {
        let site = Site::new(&["a"]).await;
        let a = site.booted("a", "vol-a").await;
        interrupt_everywhere(&site, &a, async || boot_again(&site, &a).await, str::to_owned).await;
    })
    .await;
}

/// The same when the machine boots and another restore is asked for: it takes the place of the one that has not ended.
#[tokio::test]
async fn a_restore_that_was_interrupted_anywhere_gives_way_to_another() {
    in_time(async {
        let site = Site::new(&["a"]).await;
        let a = site.booted("a", "vol-a").await;
        interrupt_everywhere(&site, &a, async || boot_again(&site, &a).await, |id| format!("{id}-other")).await;
    })
    .await;
}
