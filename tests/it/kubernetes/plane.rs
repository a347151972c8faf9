//! Starts etcd, kube-apiserver and, if asked, kube-controller-manager, and stops them.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ServiceAccount;
use kspot::kube::connect;
use kspot::pki::Name;
use kspot::pki::issue::{Leaf, Pair, Usage, authority, leaf};
use kspot::pki::kubeconfig::{Entry, merge};
use kube::{Api, Client};
use tempfile::TempDir;

/// A running control plane of one API server. It ends with this value.
pub(crate) struct Plane {
    cluster: String,
    authority: Pair,
    port: u16,
    directory: TempDir,
    _controllers: Option<Process>,
    _api_server: Process,
    _etcd: Process,
}

/// A child that ends when its standard input does: with this value, or with the test process however that ends.
pub(crate) struct Process(Child);

impl Process {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long a control plane may take to come up.
const PATIENCE: Duration = Duration::from_secs(120);

impl Plane {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start() -> Plane {
        let (cluster, now) = ("c.example.com", Timestamp::now());
        Plane::of(cluster, |name| authority(name, cluster, now).unwrap()).await
    }

    /// Starts one for a cluster that has its keys already.
    pub(crate) async fn of(cluster: &str, keys: impl Fn(Name) -> Pair) -> Plane {
        let directory = TempDir::new().unwrap();
        let keys = Keys::make(directory.path(), cluster, keys);
        let (etcd, peer, port) = (free_port(), free_port(), free_port());
        let etcd_url = format!("https://127.0.0.1:{etcd}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let program = Program::find();
        let flag = |name: &str, file: &str| format!("--{name}={}", directory.path().join(file).display());
        let etcd = program.start(
            "etcd",
            directory.path(),
            &[
                flag("data-dir", "etcd"),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                flag("trusted-ca-file", "etcd-ca.crt"),
                flag("cert-file", "etcd.crt"),
                flag("key-file", "etcd.key"),
                "--client-cert-auth=true".to_owned(),
                "--unsafe-no-fsync=true".to_owned(),
                "--log-level=error".to_owned(),
            ],
        );
        let api_server = program.start(
            "kube-apiserver",
            directory.path(),
            &[
                format!("--etcd-servers={etcd_url}"),
                flag("etcd-cafile", "etcd-ca.crt"),
                flag("etcd-certfile", "etcd-client.crt"),
                flag("etcd-keyfile", "etcd-client.key"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                flag("tls-cert-file", "apiserver.crt"),
                flag("tls-private-key-file", "apiserver.key"),
                flag("client-ca-file", "kubernetes-ca.crt"),
                flag("requestheader-client-ca-file", "front-proxy-ca.crt"),
                flag("proxy-client-cert-file", "front-proxy.crt"),
                flag("proxy-client-key-file", "front-proxy.key"),
                flag("service-account-key-file", "service-account.crt"),
                flag("service-account-signing-key-file", "service-account.key"),
                format!("--service-account-issuer=https://api.internal.{cluster}"),
                "--authorization-mode=Node,RBAC".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
                "--allow-privileged=true".to_owned(),
                "--service-cluster-ip-range=100.64.0.0/13".to_owned(),
            ],
        );
        let mut plane = Plane {
            cluster: cluster.to_owned(),
            authority: keys.kubernetes,
            port,
            directory,
            _controllers: None,
            _etcd: etcd,
            _api_server: api_server,
        };
        plane.wait().await;
        plane
    }

    /// Starts one with Kubernetes' controllers, and waits until they work: budgets are counted, namespaces get their
    /// service accounts, nodes that say nothing are marked, objects whose owners went are removed.
    pub(crate) async fn with_controllers() -> Plane {
        let mut plane = Plane::start().await;
        let name = "system:kube-controller-manager";
        let entry = plane.entry(plane.certificate(name, &[], SignedDuration::from_hours(24)));
        let directory = plane.directory.path();
        let kubeconfig = merge("", std::slice::from_ref(&entry), Some(&entry.name)).unwrap();
        std::fs::write(directory.join("controllers.kubeconfig"), kubeconfig).unwrap();
        let flag = |name: &str, file: &str| format!("--{name}={}", directory.join(file).display());
        let controllers = Program::find().start(
            "kube-controller-manager",
            directory,
            &[
                flag("kubeconfig", "controllers.kubeconfig"),
                flag("tls-cert-file", "apiserver.crt"),
                flag("tls-private-key-file", "apiserver.key"),
                flag("root-ca-file", "kubernetes-ca.crt"),
                flag("service-account-private-key-file", "service-account.key"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={}", free_port()),
                "--leader-elect=false".to_owned(),
                "--use-service-account-credentials=true".to_owned(),
            ],
        );
        plane._controllers = Some(controllers);
        plane.wait_for_controllers().await;
        plane
    }

    /// Polls for what they make first of all: the default namespace's service account.
    async fn wait_for_controllers(&mut self) {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin().await, "default");
        let start = Instant::now();
        while accounts.get_opt("default").await.unwrap().is_none() {
            let ended = self._controllers.as_mut().unwrap().0.try_wait().unwrap();
            let log = || self.log("kube-controller-manager");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "kube-controller-manager: {ended:?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the API server, for a test of what happens then.
    pub(crate) fn end_api_server(&mut self) {
        self._api_server.0.kill().unwrap();
        self._api_server.0.wait().unwrap();
    }

    /// Polls readiness: the API server has no way to tell that it came up.
    async fn wait(&mut self) {
        let client = self.admin().await;
        let start = Instant::now();
        loop {
            let ready = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(ready).await.is_ok_and(|text| text == "ok") {
                return;
            }
            let ended = self._api_server.0.try_wait().unwrap();
            let log = || self.log("kube-apiserver");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "kube-apiserver: {ended:?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The end of a program's log.
    fn log(&self, program: &str) -> String {
        let log = std::fs::read_to_string(self.directory.path().join(format!("{program}.log"))).unwrap_or_default();
        log.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Where its API is.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A kubeconfig entry for a user with this certificate.
    pub(crate) fn entry(&self, client: Pair) -> Entry {
        Entry {
            name: self.cluster.clone(),
            server: self.url(),
            tls_server_name: Some(format!("api.internal.{}", self.cluster)),
            authority: self.authority.public.clone(),
            client: Some(client),
        }
    }

    /// A certificate of the cluster's authority.
    pub(crate) fn certificate(&self, name: &str, groups: &[&str], life: SignedDuration) -> Pair {
        let wanted = Leaf {
            common_name: name.into(),
            organizations: groups.iter().map(|g| (*g).to_owned()).collect(),
            names: Vec::new(),
            usage: Usage::Client,
            life,
        };
        leaf(&self.authority, &wanted, Timestamp::now()).unwrap()
    }

    /// An administrator's entry.
    pub(crate) fn admin_entry(&self) -> Entry {
        self.entry(self.certificate("kspot:test", &["system:masters"], SignedDuration::from_hours(1)))
    }

    /// An administrator's client.
    pub(crate) async fn admin(&self) -> Client {
        connect(&self.admin_entry()).await.unwrap()
    }
}

/// The authorities that tests go on using.
struct Keys {
    kubernetes: Pair,
}

impl Keys {
    /// Writes every key into the directory, and makes the certificates of the servers and their clients.
    fn make(directory: &Path, cluster: &str, authority: impl Fn(Name) -> Pair) -> Keys {
        let now = Timestamp::now();
        let write = |name: &str, pair: &Pair| {
            std::fs::write(directory.join(format!("{name}.crt")), &pair.public).unwrap();
            std::fs::write(directory.join(format!("{name}.key")), &pair.private).unwrap();
        };
        let make = |name: Name| {
            let pair = authority(name);
            write(name.as_str(), &pair);
            pair
        };
        let (kubernetes, etcd, proxy) = (make(Name::KubernetesCa), make(Name::EtcdCa), make(Name::FrontProxyCa));
        make(Name::ServiceAccount);
        let issue = |authority: &Pair, file: &str, name: &str, usage: Usage| {
            let names = match usage {
                Usage::Client => Vec::new(),
                _ => vec!["127.0.0.1".to_owned(), "localhost".to_owned(), format!("api.internal.{cluster}")],
            };
            let life = SignedDuration::from_hours(24);
            let wanted = Leaf { common_name: name.into(), organizations: Vec::new(), names, usage, life };
            write(file, &leaf(authority, &wanted, now).unwrap());
        };
        issue(&kubernetes, "apiserver", "kube-apiserver", Usage::Server);
        issue(&etcd, "etcd", "etcd", Usage::Peer);
        issue(&etcd, "etcd-client", "kube-apiserver", Usage::Client);
        issue(&proxy, "front-proxy", "front-proxy-client", Usage::Client);
        Keys { kubernetes }
    }
}

/// Where the programs are.
pub(crate) enum Program {
    /// A directory of programs, as the ecosystem's other tests name it.
    Assets(PathBuf),
    /// The one program of `tests/kubernetes/`.
    One(PathBuf),
}

impl Program {
    pub(crate) fn find() -> Program {
        if let Some(directory) = std::env::var_os("KUBEBUILDER_ASSETS") {
            return Program::Assets(directory.into());
        }
        Program::One(Program::one())
    }

    fn one() -> PathBuf {
        let one = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kubernetes/kubernetes");
        assert!(
            one.is_file(),
            "there is no Kubernetes to test with: run scripts/kubernetes, or set KUBEBUILDER_ASSETS"
        );
        one
    }

    /// The command that runs one of the programs.
    pub(crate) fn command(&self, name: &str) -> Command {
        match self {
            Program::Assets(programs) if programs.join(name).is_file() => Command::new(programs.join(name)),
            // The ecosystem's directories have no etcdutl.
            Program::Assets(_) => one(&Program::one(), name),
            Program::One(program) => one(program, name),
        }
    }

    /// Starts a server in a directory, which gets its log.
    pub(crate) fn start(&self, name: &str, directory: &Path, flags: &[String]) -> Process {
        let mut command = self.command(name);
        let log = File::create(directory.join(format!("{name}.log"))).unwrap();
        command.args(flags).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().unwrap_or_else(|e| panic!("starting {name}: {e}")))
    }
}

fn one(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(name);
    command
}

/// kubectl, with nothing of this machine's environment.
pub(crate) fn kubectl(home: &Path) -> Command {
    let mut command = Program::find().command("kubectl");
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

/// A port that was free a moment ago: the programs take a number, not "any".
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
