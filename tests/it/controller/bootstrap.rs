//! Workers that join, and workers that may not.

use std::net::IpAddr;
use std::sync::Arc;

use aws_credential_types::Credentials;
use jiff::Timestamp;
use kspot::cloud::aws::identity::token;
use kspot::node::join::{Grant, Request};
use kspot::node::worker::{Controllers, Unsuccessful, ask};
use kspot::pki::certificate::read;
use kspot::pki::issue::request;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::stage::{GIVEN, Stage, Worker, signing_with, trusting};
use crate::bed::{Bed, REGION};

/// A worker that proves who it is gets its configuration and two certificates in its own name, though the API server is
/// away; as a server it is known by all its names.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_joins() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let controller = stage.start().await;
    let (key, csr) = request().unwrap();
    let asked = Request { server: csr, ..stage.request(&worker) };
    let grant = stage.ask_for(&controller, &worker, &asked).await;
    let grant = grant.unwrap_or_else(|e| panic!("{e:?}\n{}", controller.log()));
    assert!(grant.configuration.contains("NodeConfiguration"));
    assert_eq!(grant.authorities, stage.authority.public);
    for certificate in [&grant.client, &grant.server] {
        let said = read(certificate).unwrap();
        assert_eq!(said.common_name, format!("system:node:{}", worker.id));
        assert_eq!(said.organizations, ["system:nodes"]);
    }
    for name in [worker.id.as_str(), &worker.address.to_string()] {
        assert!(is_known_by(&stage, &grant.server, &key, name).await, "{name}");
    }
    assert!(!is_known_by(&stage, &grant.server, &key, "i-0123456789abcdef0").await);
    assert!(
        controller.log().contains(&format!("granted instance={} group=workers", worker.id)),
        "{}",
        controller.log()
    );
    assert_eq!(controller.end(), Some(0));
}

/// Whether who connects to a kubelet with this certificate takes it for one of this name.
async fn is_known_by(stage: &Stage, certificate: &str, key: &str, name: &str) -> bool {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (here, there) = tokio::io::duplex(64 << 10);
    let accepting = tokio::spawn(TlsAcceptor::from(Arc::new(server)).accept(there));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(trusting(&stage.authority.public)).connect(name, here).await;
    // The server's side fails when the client's does.
    let _ = accepting.await.unwrap();
    connected.is_ok()
}

/// Who is not what it says is refused, with the reason in the answer and in the log; what a machine of the cluster's is
/// refused for is its status, too.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let other = stage.worker().await;
    let controller = stage.start().await;
    controller_sees(&stage, &controller, &worker).await;
    let refused = async |worker: &Worker, request: &Request| refusal(stage.ask_for(&controller, worker, request).await);
    let own = |worker: &Worker| stage.request(worker);

    // Credentials of another instance, of another role, of a person, of another account.
    let with = |credentials: Credentials| Worker { credentials, ..worker.clone() };
    let (status, why) = refused(&with(other.credentials.clone()), &own(&worker)).await;
    assert!(status == 403 && why.contains(&format!("the credentials are {}'s", other.id)), "{why}");
    let masters = stage.credentials("masters.c.example.com", &worker.id).await;
    let (_, why) = refused(&with(masters), &own(&worker)).await;
    assert!(why.contains("role masters.c.example.com, which is not in the instance's profile"), "{why}");
    let person = Credentials::new(format!("AKIA{}TEST", stage.bed.account()), "bed", None, None, "bed");
    let (_, why) = refused(&with(person), &own(&worker)).await;
    assert!(why.contains("no instance's"), "{why}");
    let elsewhere = Credentials::new(format!("AKIA{}TEST", Bed::new().account()), "bed", None, None, "bed");
    let (_, why) = refused(&with(elsewhere), &own(&worker)).await;
    assert!(why.contains("the credentials are of account"), "{why}");

    // Asked from elsewhere, for another group's or cluster's, with keys that nobody holds.
    let (_, why) = refused(&Worker { address: other.address, ..worker.clone() }, &own(&worker)).await;
    assert!(why.contains(&format!("asked from {}", other.address)), "{why}");
    let theirs = stage.store.keys().node(&stage.config("node", "others", None).await.name());
    let (_, why) = refused(&worker, &Request { configuration: theirs, ..own(&worker) }).await;
    assert!(why.contains("not one of group workers's"), "{why}");
    let gone = stage.configuration.replace(".yaml", "0.yaml");
    let (status, why) = refused(&worker, &Request { configuration: gone, ..own(&worker) }).await;
    assert!(status == 404 && why.contains("has no configuration"), "{why}");
    let (_, why) = refused(&worker, &Request { cluster: "d.example.com".into(), ..own(&worker) }).await;
    assert!(why.contains("for cluster d.example.com"), "{why}");
    let (status, why) = refused(&worker, &Request { client: "x".into(), ..own(&worker) }).await;
    assert!(status == 400 && why.contains("the client's key's request"), "{why}");
    let status = stage.status(&worker.id).await.unwrap();
    assert_eq!(status.phase, kspot::node::join::PHASE);
    assert!(status.error.is_some_and(|e| e.contains("d.example.com")), "the first reason");

    // Machines that may not: somebody else's, the control plane's, one that is gone.
    let foreign = stage.foreign().await;
    let (_, why) = refused(&foreign, &own(&foreign)).await;
    assert!(why.contains("is not the cluster's"), "{why}");
    assert_eq!(stage.status(&foreign.id).await, None);
    let tags = [("kspot.io/instancegroup", "workers"), ("k8s.io/role/control-plane", "1")];
    let control_plane = stage.machine("nodes.c.example.com", &tags).await;
    let (_, why) = refused(&control_plane, &own(&control_plane)).await;
    assert!(why.contains("is the control plane's"), "{why}");
    let odd = stage.machine("masters.c.example.com", &[("kspot.io/instancegroup", "workers")]).await;
    let (_, why) = refused(&odd, &own(&odd)).await;
    assert!(why.contains("which is no worker's of this cluster"), "{why}");
    stage.terminate(&other).await;
    let ended = std::time::Instant::now();
    // Until the next look at all machines it is one of them.
    let why = loop {
        match stage.ask(&controller, &other).await {
            Ok(_) => assert!(ended.elapsed() < super::stage::PATIENCE, "{}", controller.log()),
            answer => break refusal(answer).1,
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    };
    assert!(why.contains("is terminated"), "{why}");
    let nobody = Worker { id: "i-0123456789abcdef0".into(), ..worker.clone() };
    let credentials = stage.credentials("nodes.c.example.com", &nobody.id).await;
    let (_, why) = refused(&Worker { credentials, ..nobody.clone() }, &own(&nobody)).await;
    assert!(why.contains("EC2 has no instance"), "{why}");
    assert!(stage.ask(&controller, &worker).await.is_ok(), "the true one still may: {}", controller.log());
}

/// Where a group brings its instance profile, IAM says which role is in it.
#[tokio::test(flavor = "multi_thread")]
async fn given_profiles_are_looked_up() {
    let stage = Stage::new().await;
    let machine = stage.machine(GIVEN, &[("kspot.io/instancegroup", "workers")]).await;
    let controller = stage.start().await;
    let with = async |role: &str| {
        let worker = Worker { credentials: stage.credentials(role, &machine.id).await, ..machine.clone() };
        stage.ask(&controller, &worker).await
    };
    for role in [GIVEN, "nodes.c.example.com"] {
        let (_, why) = refusal(with(role).await);
        assert!(why.contains("which is not in the instance's profile"), "{why}");
    }
    assert!(with("team-role").await.is_ok(), "{}", controller.log());
    assert!(with("team-role").await.is_ok(), "{}", controller.log());
}

/// What somebody saw on its way gets him nothing: the same signed request, again from elsewhere, or for something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_used_by_one_for_one_thing() {
    let stage = Stage::new().await;
    let (worker, thief) = (stage.worker().await, stage.worker().await);
    let controller = stage.start().await;
    let request = stage.request(&worker);
    let body = serde_json::to_vec(&request).unwrap();
    let seen = token(&signing_with(&worker.credentials), REGION, &body, Timestamp::now()).await.unwrap();
    let ask_from = async |from: IpAddr, request: &Request| {
        let controllers = Controllers { from: Some(from), ..stage.controllers(&controller, &worker) };
        ask(&controllers, request, |_| async { Ok(seen.clone()) }).await
    };
    assert!(ask_from(worker.address, &request).await.is_ok());
    assert!(ask_from(worker.address, &request).await.is_ok(), "its first answer may be lost");
    let (_, why) = refusal(ask_from(thief.address, &request).await);
    assert!(why.contains("has used the same signed request already"), "{why}");
    let (_, why) = refusal(ask_from(worker.address, &stage.request(&worker)).await);
    assert!(why.contains("for another request"), "{why}");
}

/// A controller that knows nobody by this name, or whom nobody vouches for, is not asked; nobody there is no refusal.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_cluster_s_controller_is_asked() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let controller = stage.start().await;
    let try_with = async |controllers: Controllers| {
        let signing = &signing_with(&worker.credentials);
        let sign = |body: Vec<u8>| async move { token(signing, REGION, &body, Timestamp::now()).await };
        match ask(&controllers, &stage.request(&worker), sign).await {
            Err(Unsuccessful::Nobody(e)) => e.details().join("\n"),
            Err(Unsuccessful::Refused { why, .. }) => panic!("{why}"),
            Ok(_) => panic!("granted"),
        }
    };
    let right = stage.controllers(&controller, &worker);
    let other = kspot::pki::issue::authority(kspot::pki::Name::KubernetesCa, "c", Timestamp::now()).unwrap();
    let said = try_with(Controllers { authorities: other.public, ..right.clone() }).await;
    assert!(said.contains("its certificate is not taken"), "{said}");
    let said = try_with(Controllers { name: "other.internal".into(), ..right.clone() }).await;
    assert!(said.contains("its certificate is not taken"), "{said}");
    let said = try_with(Controllers { port: 1, ..right.clone() }).await;
    assert!(said.contains("can't connect"), "{said}");
    let said = try_with(Controllers { addresses: Vec::new(), ..right }).await;
    assert!(said.contains("no machine of the control plane is known"), "{said}");
}

/// Waits until the controller has looked at EC2 since the machine came: then a refusal is kept as its status.
async fn controller_sees(stage: &Stage, controller: &super::stage::Controller, worker: &Worker) {
    let start = std::time::Instant::now();
    while stage.status(&worker.id).await.is_none() {
        assert!(start.elapsed() < super::stage::PATIENCE, "{}", controller.log());
        let theirs = Request { cluster: "d.example.com".into(), ..stage.request(worker) };
        refusal(stage.ask_for(controller, worker, &theirs).await);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

fn refusal(answer: Result<Grant, Unsuccessful>) -> (u16, String) {
    match answer {
        Err(Unsuccessful::Refused { status, why }) => (status, why),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was granted"),
    }
}
