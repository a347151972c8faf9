//! What else workers ask a controller for, and what it does not put up with.

use std::time::{Duration, Instant};

use http::Request;
use kspot::digest::sha256;
use kspot::node::worker::{addresses, tell};
use kspot::state::status::BootStatus;
use tokio::io::AsyncReadExt;

use super::stage::{PATIENCE, Stage, connect};

/// Workers get the agent from the store, several at once, and this very program without the store; nothing else of the
/// store can be had.
#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_served() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let controller = stage.start().await;
    let binary = vec![7u8; 3 << 20];
    let sum = sha256(&binary);
    stage.put(&stage.store.keys().binary("linux", "arm64", &sum), &binary).await;
    let get = async |path: String| {
        let request = Request::get(path);
        stage.send(&controller, worker.address, request, Vec::new()).await
    };
    let asked = (0..4).map(|_| get(format!("/bin/kspot-linux-arm64-{sum}")));
    for (status, body) in futures::future::join_all(asked).await {
        assert_eq!((status, body == binary), (200, true));
    }
    assert!(stage.path("root/var/lib/kspot/bin").join(format!("kspot-linux-arm64-{sum}")).is_file());
    let own = std::fs::read(env!("CARGO_BIN_EXE_kspot")).unwrap();
    let (status, body) = get(format!("/bin/kspot-linux-amd64-{}", sha256(&own))).await;
    assert_eq!((status, body.len()), (200, own.len()));
    assert!(body == own);
    let missing = format!("/bin/kspot-linux-amd64-{}", "0".repeat(64));
    for path in [missing.as_str(), "/bin/../pki/keysets", "/bin/%2e%2e/config", "/bin/", "/", "/metrics"] {
        assert_eq!(get(path.to_owned()).await.0, 404, "{path}");
    }
    let damaged = sha256(b"x");
    stage.put(&stage.store.keys().binary("linux", "amd64", &damaged), b"y").await;
    assert_eq!(get(format!("/bin/kspot-linux-amd64-{damaged}")).await.0, 503);
}

/// A machine's status is written under its own name and from its own address only; the control plane's addresses are told
/// to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn machines_tell_how_far_they_got() {
    let stage = Stage::new().await;
    let (worker, other) = (stage.worker().await, stage.worker().await);
    let own = stage.machine("masters.c.example.com", &[("k8s.io/role/control-plane", "1")]).await;
    let controller = stage.start().await;
    let status = |instance: &str, phase: &str| BootStatus {
        instance: instance.to_owned(),
        phase: phase.to_owned(),
        began: None,
        since: None,
        error: Some("no\u{1b}[2J route".to_owned()),
        when: jiff::Timestamp::UNIX_EPOCH,
    };
    let controllers = stage.controllers(&controller, &worker);
    tell(&controllers, &status(&worker.id, "downloading")).await.unwrap();
    let written = stage.status(&worker.id).await.unwrap();
    assert_eq!((written.phase.as_str(), written.error.as_deref()), ("downloading", Some("no [2J route")));
    assert!(written.when > jiff::Timestamp::UNIX_EPOCH, "by the controller's clock");
    let refused = tell(&controllers, &status(&other.id, "downloading")).await.unwrap_err();
    assert!(refused.details()[0].contains("which is no address of instance"), "{refused:?}");
    assert_eq!(stage.status(&other.id).await, None);
    assert!(tell(&controllers, &status("../config", "x")).await.is_err());
    // A word in between comes later, the last one at once.
    tell(&controllers, &status(&worker.id, "verified")).await.unwrap();
    tell(&controllers, &status(&worker.id, "joined")).await.unwrap();
    assert_eq!(stage.status(&worker.id).await.unwrap().phase, "joined");

    let start = Instant::now();
    while addresses(&controllers).await.unwrap() != [own.address] {
        assert!(start.elapsed() < PATIENCE, "{}", controller.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// One address has so many connections at once, whatever it does with them, and another is served meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_connections() {
    let stage = Stage::new().await;
    let (worker, other) = (stage.worker().await, stage.worker().await);
    let controller = stage.start().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(connect(worker.address, controller.port).await);
    }
    // Those above are accepted before this one, which is closed without a word.
    let mut next = connect(worker.address, controller.port).await;
    let read = tokio::time::timeout(Duration::from_secs(5), next.read(&mut [0; 1])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    assert_eq!(stage.send(&controller, other.address, Request::get("/addresses"), Vec::new()).await.0, 200);
    drop(open);
}

/// Nobody sends without end: not a body, not headers, not requests.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sends_without_end() {
    let stage = Stage::new().await;
    let (worker, other) = (stage.worker().await, stage.worker().await);
    let controller = stage.start().await;
    let large = vec![b' '; 65 << 10];
    let (status, _) = stage.send(&controller, worker.address, Request::post("/bootstrap"), large).await;
    assert_eq!(status, 413);
    let header = Request::post("/bootstrap").header("x-kspot-identity", "a".repeat(80 << 10));
    let (status, _) = stage.send(&controller, worker.address, header, Vec::new()).await;
    assert!([400, 431].contains(&status), "{status}");
    let mut seen = Vec::new();
    for _ in 0..30 {
        let (status, _) = stage.send(&controller, worker.address, Request::get("/addresses"), Vec::new()).await;
        seen.push(status);
    }
    assert!(seen.starts_with(&[200; 10]) && seen.contains(&429), "{seen:?}");
    assert_eq!(stage.send(&controller, other.address, Request::get("/addresses"), Vec::new()).await.0, 200);
}
