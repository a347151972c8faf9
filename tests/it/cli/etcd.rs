//! etcd as an operator sees it: what machines told, orders that go by way of the store. The machines' half is played by what
//! the test writes into the store. Tier: the emulator, whole commands.

use kspot::context::Context;
use kspot::state::ClusterStore;
use kspot::state::etcd::{EtcdWork, Wanted};
use serde_json::json;

use super::Desk;

/// The cluster's part of the store, as its machines see it.
async fn store(desk: &Desk) -> ClusterStore {
    let location = desk.store.parse().unwrap();
    let sdk = desk.bed.sdk_config().await;
    let store = kspot::state::open(&location, &Context::system(), async { Ok(sdk) }).await.unwrap();
    ClusterStore::new(store, super::CLUSTER).unwrap()
}

fn told(leads: bool, order: Option<&str>) -> String {
    let order =
        order.map(|id| json!({"id": id, "done": "20261121T220000Z-a.db.gz can be restored: 7 keys at revision 42"}));
    json!({
        "etcd": "main", "member": "a", "instance": "i-1", "when": jiff::Timestamp::now(), "order": order,
        "status": {"version": "3.6.12", "size": 1 << 21, "inUse": 1 << 20, "revision": 4711, "leads": leads},
    })
    .to_string()
}

/// Members, snapshots and orders; what is not there is said.
#[tokio::test]
async fn an_operator_looks_after_etcd() {
    let desk = Desk::new().small();
    assert!(desk.ok("etcd status").stdout.contains("never seeded"));
    assert!(desk.fails(1, "etcd backup").contains("was never seeded"));
    assert!(desk.fails(2, "etcd list --etcd mian").contains("did you mean main?"));
    let store = store(&desk).await;
    let put = async |key: &str, text: &str| {
        let key = format!("{}/{key}", super::CLUSTER);
        store.store().put(&key, text.as_bytes(), kspot::state::Precondition::None).await.unwrap();
    };
    put("etcd/created", &json!({"when": "2026-11-21T09:00:00Z", "token": "t", "members": {"main": ["a"]}}).to_string())
        .await;
    put("backups/etcd/main/20261121T220000Z-a.db.gz", "snapshot").await;
    put("backups/etcd/main/20261121T221500Z-a.db.gz", "snapshot").await;
    assert!(desk.ok("etcd list").stdout.contains("20261121T221500Z-a.db.gz"));
    assert!(desk.fails(2, "etcd restore 20261121T22 --drill").contains("2 snapshots begin with"));
    assert!(desk.fails(1, "etcd restore 2027 --drill").contains("there is no snapshot 2027"));
    // Nobody answers; the order stands.
    assert!(desk.fails(1, "etcd restore 20261121T220000Z --drill --wait 1s").contains("0 of 1 members have done it"));
    let order = store.etcd_order("main", Wanted::Once).await.unwrap().unwrap();
    put("status/etcd/main/a.json", &told(true, Some(&order.id))).await;
    let members = EtcdWork::Drill { snapshot: "20261121T220000Z-a.db.gz".into() };
    assert_eq!((order.what, order.who.as_str().split('@').next().unwrap()), (members, "ann"));
    assert!(desk.ok("etcd status -o json").stdout.contains("can be restored: 7 keys"));
    // Without a terminal, and without --yes, nothing is restored.
    assert!(!desk.fails(2, "etcd restore 20261121T220000Z").is_empty());
    assert_eq!(store.etcd_order("main", Wanted::Once).await.unwrap().unwrap().id, order.id);
}

/// A restore waits for every member, and outlasts what else is ordered; a spec that leaves etcd to the default has it, too.
#[tokio::test]
async fn a_restore_stands() {
    let desk = Desk::new().small();
    desk.ok("unset cluster spec.etcdClusters");
    let store = store(&desk).await;
    let put = async |key: &str, text: &str| {
        let key = format!("{}/{key}", super::CLUSTER);
        store.store().put(&key, text.as_bytes(), kspot::state::Precondition::None).await.unwrap();
    };
    let members = json!({"main": ["control-plane"], "events": ["control-plane"]});
    put("etcd/created", &json!({"when": "2026-11-21T09:00:00Z", "token": "t", "members": members}).to_string()).await;
    put("backups/etcd/events/20261121T220000Z-a.db.gz", "snapshot").await;
    assert!(desk.ok("etcd list --etcd events").stdout.contains("20261121T220000Z-a.db.gz"));
    let said = desk.fails(1, "etcd restore 2026 --etcd events --yes --wait 1s");
    assert!(said.contains("0 of 1 members have done it") && said.contains("the order stands"), "{said}");
    let order = store.etcd_order("events", Wanted::Restore).await.unwrap().unwrap();
    assert!(desk.fails(1, "etcd backup --etcd events --wait 1s").contains("0 of 1 members have done it"));
    assert_eq!(store.etcd_order("events", Wanted::Restore).await.unwrap(), Some(order.clone()));
    assert_eq!(store.etcd_order("main", Wanted::Restore).await.unwrap(), None);
    // A member that could not is told of, and waited for.
    let report = json!({
        "etcd": "events", "member": "control-plane", "instance": "i-1", "when": jiff::Timestamp::now(),
        "restore": {"id": order.id, "error": "no space left on device"},
    });
    put("status/etcd/events/control-plane.json", &report.to_string()).await;
    let said = desk.ok("etcd status").stdout;
    assert!(said.contains("not restored: no space left on device"), "{said}");
}

/// An update puts the agent that its machines fetch into the store, once.
#[tokio::test]
async fn the_agent_is_put_into_the_store() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let store = store(&desk).await;
    let prefix = format!("{}/bin/", super::CLUSTER);
    let there = store.store().list(&prefix, None).await.unwrap();
    let agent = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/agent/kspot-linux-amd64")).unwrap();
    let name = format!("{prefix}kspot-linux-amd64-{}", kspot::digest::sha256(&agent));
    assert_eq!(there.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), [name.as_str()], "only what a group runs on");
    assert_eq!(store.store().get(&name).await.unwrap().unwrap().bytes, agent);
    desk.ok("update cluster --yes");
    assert_eq!(store.store().list(&prefix, None).await.unwrap(), there);
}
