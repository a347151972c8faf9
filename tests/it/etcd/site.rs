//! A cluster of etcd on loopback: what its machines share, and the boots of its machines.

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kspot::context::Context;
use kspot::digest::sha256_of;
use kspot::error::Result;
use kspot::node::agent::report::Reporter;
use kspot::node::agent::step::Step;
use kspot::node::agent::steps::etcd::EtcdPods;
use kspot::node::agent::steps::keys::{Keys, PKI};
use kspot::node::agent::steps::volumes::{MemberVolume, Volumes};
use kspot::node::configuration::{Backups as Schedule, Etcd, Member};
use kspot::node::etcd::client::Client;
use kspot::node::etcd::restore::Restore;
use kspot::node::etcd::{manifest, snapshot};
use kspot::node::https::Trust;
use kspot::pki::keep;
use kspot::state::backups::{self, Backups};
use kspot::state::memory::Memory;
use kspot::state::{ClusterStore, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::machine::Machine;

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster.
pub(crate) struct Site {
    pub(crate) store: ClusterStore,
    pub(crate) backups: Backups,
    scratch: TempDir,
    context: Context,
    members: Vec<Member>,
    ports: Vec<u16>,
    peer_port: u16,
    machines: AtomicU16,
}

/// A volume that is attached already.
struct Attached(String);

#[async_trait]
impl Volumes for Attached {
    async fn attached(&self, _: &str, _: &str) -> Result<String> {
        Ok(self.0.clone())
    }
}

impl Site {
    /// A cluster of these members that no machine has begun yet.
    pub(crate) async fn new(members: &[&str]) -> Site {
        let objects: Arc<dyn Store> = Arc::new(Memory::default());
        let store = ClusterStore::new(objects, "c.example.com").unwrap();
        let context = Context::system();
        keep::ensure(&store, context.now(), None).await.unwrap();
        let addresses = (2..).map(|n| format!("127.0.0.{n}"));
        let members: Vec<Member> = members
            .iter()
            .zip(addresses)
            .map(|(name, peer_name)| Member { name: (*name).to_owned(), peer_name })
            .collect();
        let peers: Vec<IpAddr> = members.iter().map(|m| m.peer_name.parse().unwrap()).collect();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        Site {
            backups: Backups::of(&store, "main"),
            store,
            scratch: TempDir::new().unwrap(),
            context,
            // Metrics have the port a hundred above.
            ports: members.iter().map(|_| free_port(&[(loopback, 0), (loopback, 100)])).collect(),
            peer_port: free_port(&peers.into_iter().map(|peer| (peer, 0)).collect::<Vec<_>>()),
            members,
            machines: AtomicU16::new(0),
        }
    }

    /// The member, as a machine's configuration has it.
    pub(crate) fn etcd(&self, member: &str) -> Etcd {
        let place = self.members.iter().position(|m| m.name == member).unwrap();
        Etcd {
            name: "main".to_owned(),
            member: member.to_owned(),
            members: self.members.clone(),
            image: "registry.k8s.io/etcd:3.6.12-0".to_owned(),
            client_port: self.ports[place],
            peer_port: self.peer_port,
            cpu_request: "200m".to_owned(),
            memory_request: "100Mi".to_owned(),
            backups: Schedule { store: None, interval: "15m0s".to_owned(), retention_days: 90 },
        }
    }

    /// Where a volume's content is, whichever machine has it.
    pub(crate) fn disk(&self, volume: &str) -> PathBuf {
        self.scratch.path().join("volumes").join(volume)
    }

    /// A machine that EC2 has just made, with this volume.
    pub(crate) fn machine(&self, volume: &str) -> Machine {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        Machine::new(self.scratch.path().join(format!("machine-{number}")), volume, &self.disk(volume))
    }

    /// The steps of a machine's boot that etcd needs, once.
    pub(crate) async fn boot(&self, machine: &Machine, member: &str, volume: &str) -> Result<()> {
        let etcd = self.etcd(member);
        let address = self.members.iter().find(|m| m.name == member).unwrap().peer_name.parse().unwrap();
        let names = self.members.iter().map(|m| m.name.clone()).collect();
        let volume = MemberVolume {
            store: self.store.clone(),
            volumes: Arc::new(Attached(volume.to_owned())),
            context: self.context.clone(),
            etcd: etcd.name.clone(),
            member: member.to_owned(),
            members: [(etcd.name.clone(), names)].into(),
        };
        let keys = Keys {
            store: self.store.clone(),
            data_keys: None,
            context: self.context.clone(),
            etcd: vec![etcd.clone()],
            address,
            instance: format!("i-{member}"),
        };
        let pods = EtcdPods { store: self.store.clone(), etcd: vec![etcd], address };
        let report = Reporter::new(self.context.clone(), "i-1", |_| {});
        let steps: [&dyn Step; 3] = [&volume, &keys, &pods];
        for step in steps {
            step.act(machine, &report).await?;
        }
        Ok(())
    }

    /// A machine that has booted.
    pub(crate) async fn booted(&self, member: &str, volume: &str) -> Machine {
        let machine = self.machine(volume);
        self.boot(&machine, member, volume).await.unwrap_or_else(|e| panic!("{member}: {}", e.chain()));
        machine
    }

    /// The member on a machine, asked with the API server's certificate.
    pub(crate) fn client(&self, machine: &Machine, member: &str) -> Client {
        let text = |path: String| std::fs::read_to_string(machine.at(path)).unwrap();
        let own = (text(format!("{PKI}/apiserver-etcd-client.crt")), text(format!("{PKI}/apiserver-etcd-client.key")));
        let authorities = text(format!("{}/ca.crt", manifest::PKI));
        Client::new(&self.etcd(member), Trust::new(&authorities, Some((&own.0, &own.1))).unwrap())
    }

    /// The member, once it is one of a majority.
    pub(crate) async fn ready(&self, machine: &Machine, member: &str) -> Client {
        let client = self.client(machine, member);
        let start = Instant::now();
        while let Err(error) = client.has_quorum().await {
            assert!(start.elapsed() < PATIENCE, "{member}: {}\n{}", error.chain(), machine.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        client
    }

    /// Keeps a snapshot of a member; its name.
    pub(crate) async fn back_up(&self, client: &Client, member: &str) -> String {
        let file = self.scratch.path().join("snapshot");
        snapshot::take(client, &file).await.unwrap();
        let name = backups::name(self.context.now(), member);
        self.backups.keep(&name, &file, &sha256_of(&file).unwrap()).await.unwrap();
        name
    }

    /// Restores a member.
    pub(crate) async fn restore(&self, machine: &Machine, member: &str, snapshot: &str, id: &str) -> Result<()> {
        let etcd = self.etcd(member);
        Restore { etcd: &etcd, backups: &self.backups, snapshot, id }.run(machine).await
    }
}

/// Writes a key.
pub(crate) async fn put(client: &Client, key: &str, value: &str) {
    let pair = json!({"key": BASE64.encode(key), "value": BASE64.encode(value)});
    call(client, "/v3/kv/put", &pair).await;
}

/// What a majority says of a key.
pub(crate) async fn get(client: &Client, key: &str) -> Option<String> {
    read(client, json!({"key": BASE64.encode(key)})).await
}

/// What the member itself has of a key, whatever the others say.
pub(crate) async fn own(client: &Client, key: &str) -> Option<String> {
    read(client, json!({"key": BASE64.encode(key), "serializable": true})).await
}

async fn read(client: &Client, request: Value) -> Option<String> {
    let said = call(client, "/v3/kv/range", &request).await;
    let value = said.get("kvs")?.get(0)?.get("value")?.as_str()?.to_owned();
    Some(String::from_utf8(BASE64.decode(value).unwrap()).unwrap())
}

/// Asks until there is an answer: members may elect another leader at any time.
async fn call(client: &Client, path: &str, body: &Value) -> Value {
    let start = Instant::now();
    loop {
        match client.call(path, body).await {
            Ok(answer) => return answer,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{}", error.chain()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A port that is free at all of these addresses, each so many above it. It is below those that the kernel gives out, and
/// given to one cluster only: nobody takes it while its member is down.
fn free_port(at: &[(IpAddr, u16)]) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    let mut candidates = std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let is_free = |port: &u16| at.iter().all(|(address, above)| TcpListener::bind((*address, port + above)).is_ok());
    candidates.find(is_free).unwrap()
}
