//! A cluster with one control plane and its controller, and machines that ask it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_ec2::types::{IamInstanceProfileSpecification, InstanceType, ResourceType, Tag, TagSpecification};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use kspot::cloud::aws::identity::token;
use kspot::digest::sha256;
use kspot::node::boot::{Boot, Reference};
use kspot::node::configuration::{Api, Cloud, Configuration, ControlPlane, Host, Network};
use kspot::node::join::{Grant, Request};
use kspot::node::worker::{Controllers, Unsuccessful, ask};
use kspot::pki::Name;
use kspot::pki::issue::{Pair, authority, request};
use kspot::resource::NodeConfig;
use kspot::spec::rolling_update::UpdatePolicy;
use kspot::state::directory::Directory;
use kspot::state::{ClusterStore, Precondition, Store};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::bed::{Bed, Kspot, REGION};

/// The cluster.
pub(crate) const CLUSTER: &str = "c.example.com";

/// The instance profile that a group brings, with a role of another name.
pub(crate) const GIVEN: &str = "team-nodes";

/// How long the controller may take to come up, or to do something.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster and its controllers. They end with this value.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) authority: Pair,
    pub(crate) store: ClusterStore,
    /// The key of the workers' configuration.
    pub(crate) configuration: String,
    kspot: Kspot,
    directory: TempDir,
    ec2: aws_sdk_ec2::Client,
    subnet: String,
    api_port: Option<u16>,
}

/// A running controller.
pub(crate) struct Controller {
    child: Child,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Controller {
    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log has this.
    pub(crate) async fn says(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "it does not say {text:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to end, as systemd does; gives its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

/// A machine that wants to be a node.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) address: IpAddr,
    pub(crate) credentials: Credentials,
}

impl Stage {
    /// A cluster whose API server is nowhere.
    pub(crate) async fn new() -> Stage {
        Stage::of(authority(Name::KubernetesCa, CLUSTER, Timestamp::now()).unwrap(), None).await
    }

    /// A cluster with this authority, whose API server has this port.
    pub(crate) async fn of(authority: Pair, api_port: Option<u16>) -> Stage {
        let bed = Bed::new();
        let sdk = bed.sdk_config().await;
        let ec2 = aws_sdk_ec2::Client::new(&sdk);
        // Machines have addresses that this machine has as well, so that they can be asked from.
        let vpc = ec2.create_vpc().cidr_block("127.0.0.0/16").send().await.unwrap();
        let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
        let subnet = ec2.create_subnet().vpc_id(vpc).cidr_block("127.0.64.0/20").send().await.unwrap();
        let subnet = subnet.subnet().unwrap().subnet_id().unwrap().to_owned();
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("store")).unwrap();
        let store: Arc<dyn Store> = Arc::new(Directory::open(directory.path().join("store")).unwrap());
        let store = ClusterStore::new(store, CLUSTER).unwrap();
        let kspot = Kspot::on(&bed).env("USER", "root");
        let configuration = String::new();
        let mut stage = Stage { bed, authority, store, configuration, kspot, directory, ec2, subnet, api_port };
        for name in ["nodes.c.example.com", "masters.c.example.com"] {
            stage.profile(name, name).await;
        }
        stage.profile(GIVEN, "team-role").await;
        stage.documents().await;
        stage
    }

    /// A role in an instance profile.
    async fn profile(&self, profile: &str, role: &str) {
        let iam = aws_sdk_iam::Client::new(&self.bed.sdk_config().await);
        iam.create_role().role_name(role).assume_role_policy_document("{}").send().await.unwrap();
        iam.create_instance_profile().instance_profile_name(profile).send().await.unwrap();
        iam.add_role_to_instance_profile().instance_profile_name(profile).role_name(role).send().await.unwrap();
    }

    pub(crate) fn cloud(&self) -> Cloud {
        Cloud { account: self.bed.account().to_owned(), partition: "aws".to_owned(), region: REGION.to_owned() }
    }

    /// Writes what machines read: their configurations into the store, the boot document and the authority beside it.
    async fn documents(&mut self) {
        let worker = self.config("node", "workers", None).await;
        self.configuration = self.store.keys().node(&worker.name());
        let profile = |name: &str| format!("arn:aws:iam::{}:instance-profile/{name}", self.bed.account());
        let profiles = BTreeSet::from(["nodes.c.example.com", GIVEN].map(profile));
        let control_plane = self.config("control-plane", "control-plane", Some(control_plane(profiles))).await;
        let boot = Boot {
            api_version: "kspot.io/v1alpha1".into(),
            kind: "Boot".into(),
            cluster: CLUSTER.into(),
            group: "control-plane".into(),
            role: "control-plane".into(),
            region: REGION.into(),
            configuration: Reference {
                key: self.store.keys().node(&control_plane.name()),
                sha256: sha256(control_plane.text.as_bytes()),
            },
            store: Some(format!("file://{}", self.path("store").display())),
            store_region: None,
            controller: None,
        };
        std::fs::write(self.path("boot.yaml"), serde_yaml::to_string(&boot).unwrap()).unwrap();
        std::fs::create_dir(self.path("pki")).unwrap();
        std::fs::write(self.path("pki/ca.crt"), &self.authority.public).unwrap();
        std::fs::write(self.path("pki/ca.key"), &self.authority.private).unwrap();
    }

    /// A configuration in the store.
    pub(crate) async fn config(&self, role: &str, group: &str, control_plane: Option<ControlPlane>) -> NodeConfig {
        let document = Configuration {
            api_version: "kspot.io/v1alpha1".into(),
            kind: "NodeConfiguration".into(),
            cluster: CLUSTER.into(),
            group: group.into(),
            role: role.into(),
            cloud: self.cloud(),
            kubernetes_version: "1.36.3".into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            api: Api {
                internal_name: format!("api.internal.{CLUSTER}"),
                port: 443,
                controller_name: format!("kspot-controller.internal.{CLUSTER}"),
                controller_port: 3988,
            },
            network: Network {
                ipv6: false,
                vpc_cidrs: vec!["127.0.0.0/16".into()],
                pod_cidr: None,
                service_cidr: "100.64.0.0/13".into(),
                dns_address: "100.64.0.10".into(),
                dns_domain: "cluster.local".into(),
                flannel_backend: None,
            },
            kubelet: json!({}),
            container_runtime: json!({}),
            kube_proxy: Default::default(),
            assets: Vec::new(),
            host: Host {
                packages: Vec::new(),
                sysctls: Vec::new(),
                volume_mounts: Vec::new(),
                update_policy: UpdatePolicy::default(),
                manage_time: true,
            },
            control_plane,
        };
        let config = NodeConfig::new(CLUSTER, role, group, serde_yaml::to_string(&document).unwrap());
        self.put(&self.store.keys().node(&config.name()), config.text.as_bytes()).await;
        config
    }

    /// Writes an object of the store.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        self.store.store().put(key, bytes, Precondition::None).await.unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a controller and waits until it listens.
    pub(crate) async fn start(&self) -> Controller {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = self.path(&format!("controller-{port}.log"));
        let listen = format!("127.0.0.1:{port}");
        let api = self.api_port.unwrap_or(1).to_string();
        let path = |p: &Path| p.to_str().unwrap().to_owned();
        let (config, root, pki) = (path(&self.path("boot.yaml")), path(&self.path("root")), path(&self.path("pki")));
        let arguments = ["node", "controller", "--config", &config, "--root", &root, "--pki", &pki];
        let mut command = self.kspot.command(&[&arguments[..], &["--listen", &listen, "--api-port", &api]].concat());
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let controller = Controller { child: command.spawn().unwrap(), log, port };
        controller.says("the controller runs").await;
        controller
    }

    /// A machine of the workers' group.
    pub(crate) async fn worker(&self) -> Worker {
        self.machine("nodes.c.example.com", &[("kspot.io/instancegroup", "workers"), ("k8s.io/role/node", "1")]).await
    }

    /// A machine of another cluster.
    pub(crate) async fn foreign(&self) -> Worker {
        let tags = [("KubernetesCluster", "d.example.com"), ("kspot.io/instancegroup", "workers")];
        self.run("nodes.c.example.com", &tags).await
    }

    /// A machine of the cluster with an instance profile and more tags.
    pub(crate) async fn machine(&self, profile: &str, tags: &[(&str, &str)]) -> Worker {
        let own = [("KubernetesCluster", CLUSTER), ("kspot.io/cluster", CLUSTER)];
        self.run(profile, &[&own[..], tags].concat()).await
    }

    async fn run(&self, profile: &str, tags: &[(&str, &str)]) -> Worker {
        let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
        let tags = tags.iter().map(tag).collect();
        let made = self
            .ec2
            .run_instances()
            .image_id("ami-0a1b2c3d4e5f60001")
            .instance_type(InstanceType::M5Large)
            .min_count(1)
            .max_count(1)
            .subnet_id(&self.subnet)
            .iam_instance_profile(IamInstanceProfileSpecification::builder().name(profile).build())
            .tag_specifications(
                TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags)).build(),
            )
            .send()
            .await
            .unwrap();
        let instance = made.instances().first().unwrap();
        let id = instance.instance_id().unwrap().to_owned();
        let address = instance.private_ip_address().unwrap().parse().unwrap();
        let credentials = self.credentials(profile, &id).await;
        Worker { id, address, credentials }
    }

    /// What the metadata service of an instance gives.
    pub(crate) async fn credentials(&self, role: &str, session: &str) -> Credentials {
        let sts = aws_sdk_sts::Client::new(&self.bed.sdk_config().await);
        let arn = format!("arn:aws:iam::{}:role/{role}", self.bed.account());
        let made = sts.assume_role().role_arn(arn).role_session_name(session).send().await.unwrap();
        let c = made.credentials().unwrap();
        let token = Some(c.session_token().to_owned());
        Credentials::new(c.access_key_id(), c.secret_access_key(), token, None, "bed")
    }

    /// Ends a machine.
    pub(crate) async fn terminate(&self, worker: &Worker) {
        self.ec2.terminate_instances().instance_ids(&worker.id).send().await.unwrap();
    }

    /// Stops a machine.
    pub(crate) async fn stop(&self, worker: &Worker) {
        self.ec2.stop_instances().instance_ids(&worker.id).send().await.unwrap();
    }

    /// How a worker reaches a controller.
    pub(crate) fn controllers(&self, controller: &Controller, worker: &Worker) -> Controllers {
        Controllers {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            port: controller.port,
            name: format!("kspot-controller.internal.{CLUSTER}"),
            authorities: self.authority.public.clone(),
            from: Some(worker.address),
        }
    }

    /// What a worker asks for.
    pub(crate) fn request(&self, worker: &Worker) -> Request {
        let csr = || request().unwrap().1;
        Request {
            cluster: CLUSTER.into(),
            instance: worker.id.clone(),
            configuration: self.configuration.clone(),
            client: csr(),
            server: csr(),
        }
    }

    /// Sends the controllers' STS requests elsewhere.
    pub(crate) fn asking(mut self, sts: &str) -> Stage {
        self.kspot = self.kspot.env("AWS_ENDPOINT_URL_STS", sts);
        self
    }

    /// One request to a controller, from an address of this machine: status and body.
    pub(crate) async fn send(
        &self,
        controller: &Controller,
        from: IpAddr,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let name = format!("kspot-controller.internal.{CLUSTER}");
        let stream = connect(from, controller.port).await;
        let server = rustls::pki_types::ServerName::try_from(name.clone()).unwrap();
        let stream = TlsConnector::from(trusting(&self.authority.public)).connect(server, stream).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = request.header("host", name).body(Full::new(hyper::body::Bytes::from(body))).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// A worker asks.
    pub(crate) async fn ask(&self, controller: &Controller, worker: &Worker) -> Result<Grant, Unsuccessful> {
        self.ask_for(controller, worker, &self.request(worker)).await
    }

    /// A worker asks for this.
    pub(crate) async fn ask_for(
        &self,
        controller: &Controller,
        worker: &Worker,
        request: &Request,
    ) -> Result<Grant, Unsuccessful> {
        let sdk = &signing_with(&worker.credentials);
        let sign = |body: Vec<u8>| async move { token(sdk, REGION, &body, Timestamp::now()).await };
        ask(&self.controllers(controller, worker), request, sign).await
    }

    /// What the store has as a machine's status.
    pub(crate) async fn status(&self, instance: &str) -> Option<kspot::state::status::BootStatus> {
        self.store.boots(&[instance.to_owned()]).await.unwrap().pop()
    }
}

/// A connection to a controller, from an address of this machine.
pub(crate) async fn connect(from: IpAddr, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap()
}

/// Trusts this authority alone.
pub(crate) fn trusting(authority: &str) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A configuration with nothing but these credentials.
pub(crate) fn signing_with(credentials: &Credentials) -> SdkConfig {
    let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials.clone());
    SdkConfig::builder().credentials_provider(provider).build()
}

fn control_plane(worker_profiles: BTreeSet<String>) -> ControlPlane {
    ControlPlane {
        etcd: Vec::new(),
        certificate_names: BTreeSet::new(),
        load_balancer: None,
        published_name: None,
        published_zone: None,
        worker_profiles,
        api_server: Default::default(),
        service_accounts: None,
        controller_manager: Default::default(),
        scheduler: Default::default(),
        key_store_kms_key: None,
    }
}
