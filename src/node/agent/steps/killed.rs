//! A boot of a control-plane machine, killed anywhere and begun again. All steps that need no EC2, in their order, on a machine
//! in memory whose programs have their effects there; downloads come from an HTTP server on loopback, into real files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::downloads::Downloads;
use super::etcd::EtcdPods;
use super::kernel::Kernel;
use super::keys::Keys;
use super::kubeadm::{ClusterParts, ControlPlanePods};
use super::kubelet::Kubelet;
use super::packages::Packages;
use super::runtime::{Runtime, SOCKET};
use super::services::Service;
use super::volumes::{MemberVolume, Volumes};
use crate::cloud::aws::metadata::Metadata;
use crate::context::Context;
use crate::digest::sha256;
use crate::error::Result;
use crate::node::agent::step::Step;
use crate::node::agent::step::tests::quiet;
use crate::node::configuration::{Asset, Checksum, Configuration};
use crate::node::host::fake::{Fake, failed, ok};
use crate::node::host::machine::Machine;
use crate::node::host::{Command, Host, Output};
use crate::node::keep;
use crate::pki::issue::{Leaf, Usage, authority, leaf};
use crate::pki::{Name, certificate};
use crate::spec::rolling_update::UpdatePolicy;
use crate::state::memory::Memory;
use crate::state::{ClusterStore, Precondition, Store};

const PKI: &str = "/etc/kubernetes/pki";
const INTERRUPTED: &str = "/var/lib/dpkg/updates/0001";
const INSTALLED: &str = "/var/lib/dpkg/installed";
const RUNNING: &str = "/running";
const KUBEADM: &str = "/etc/kubernetes/kubeadm.yaml";

/// What a running service has read: when one of these changed, it has to be told.
const READ: [(&str, &[&str]); 5] = [
    ("chrony", &["/etc/chrony/sources.d/kspot.sources"]),
    ("containerd", &["/etc/systemd/system/containerd.service", "/etc/containerd/config.toml"]),
    (
        "kubelet",
        &["/etc/systemd/system/kubelet.service", "/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf"],
    ),
    ("kspot-keep", &["/etc/systemd/system/kspot-keep.service"]),
    ("kspot-controller", &["/etc/systemd/system/kspot-controller.service"]),
];

/// Serves one small program under every path.
async fn mirror() -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\nprogram";
            // The client may be gone already.
            let _ = writer.write_all(answer).await;
        }
    });
    url
}

/// The machine: files below `real` are real ones, everything else is in memory.
struct Half<'a> {
    fake: &'a Fake,
    real: &'a Path,
}

#[async_trait]
impl Host for Half<'_> {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.fake.read(path).await
    }

    async fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        // Also what is real counts as an action, which may be the last one.
        self.fake.replace(path, content, mode).await?;
        if path.starts_with(self.real) { Machine.replace(path, content, mode).await } else { Ok(()) }
    }

    async fn fill(&self, path: &Path, content: Box<dyn Read + Send>, mode: u32) -> Result<()> {
        self.fake.fill(path, content, mode).await
    }

    async fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.fake.rewrite(path, content).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.fake.remove(path).await
    }

    async fn directory(&self, path: &Path, mode: u32) -> Result<()> {
        self.fake.directory(path, mode).await
    }

    async fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.fake.list(path).await
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        self.fake.exists(path).await
    }

    async fn output(&self, command: &Command) -> Result<Output> {
        self.fake.output(command).await
    }
}

struct Attached;

#[async_trait]
impl Volumes for Attached {
    async fn attached(&self, etcd: &str, _: &str) -> Result<String> {
        Ok(format!("vol-{etcd}"))
    }
}

/// A certificate that kubeadm could have made at this time.
fn made_by_kubeadm(now: Timestamp) -> String {
    let ca = authority(Name::KubernetesCa, "c", now).unwrap();
    let wanted = Leaf {
        common_name: "kube-apiserver".into(),
        organizations: Vec::new(),
        names: Vec::new(),
        usage: Usage::Server,
        life: super::keys::LIFE,
    };
    leaf(&ca, &wanted, now).unwrap().public
}

fn read(host: &Fake, service: &str) -> String {
    let files = READ.iter().find(|(name, _)| *name == service).unwrap().1;
    files.iter().map(|file| host.get(file).unwrap_or_default()).collect()
}

/// Lets the machine's programs have their effects.
fn teach(host: &Fake, now: Timestamp) {
    host.program("modprobe", |host, command| {
        match command.args[0].as_str() {
            "overlay" => host.put("/proc/filesystems", "nodev overlay\n"),
            _ => host.put("/proc/sys/net/bridge/bridge-nf-call-iptables", "0"),
        }
        ok("")
    });
    host.program("swapoff", |host, _| {
        host.put("/proc/swaps", "Filename\n");
        ok("")
    });
    host.program("dpkg-query", |host, command| {
        let package = command.args.last().unwrap();
        if host.get(format!("{INSTALLED}/{package}")).is_some() {
            ok("installed")
        } else {
            failed(1, "no packages found")
        }
    });
    host.program("dpkg", |host, command| {
        assert_eq!(command.args, ["--configure", "-a"].map(str::to_owned).as_slice());
        host.take(INTERRUPTED);
        ok("")
    });
    host.program("apt-get", |host, command| {
        let Some(place) = command.args.iter().position(|arg| arg == "install") else { return ok("") };
        if host.get(INTERRUPTED).is_some() {
            return failed(100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'");
        }
        for package in command.args[place..].iter().filter(|arg| !arg.starts_with('-')) {
            host.put(format!("{INSTALLED}/{package}"), "");
            host.put(format!("/usr/sbin/{package}"), "");
        }
        ok("")
    });
    host.half("apt-get", |host, command| {
        if command.args.contains(&"install".to_owned()) {
            host.put(INTERRUPTED, "");
        }
        ok("")
    });
    host.program("systemctl", |host, command| {
        let (verb, service) = (command.args[0].as_str(), command.args.last().unwrap().trim_end_matches(".service"));
        let running = format!("{RUNNING}/{service}");
        match verb {
            "is-active" if host.get(&running).is_none() => return failed(3, ""),
            "is-active" | "daemon-reload" => {}
            "enable" => host.put(format!("/enabled/{service}"), ""),
            "try-restart" if host.get(&running).is_none() => {}
            "restart" | "try-restart" => {
                host.put(running, read(host, service));
                if service == "containerd" {
                    host.put(SOCKET, "");
                }
            }
            other => panic!("systemctl {other}"),
        }
        ok("")
    });
    let formatted = |device: &str| format!("/disks/{}", device.rsplit('_').next().unwrap());
    host.program("blkid", move |host, command| match host.get(formatted(&command.args[1])) {
        Some(_) => ok("TYPE=ext4"),
        None => failed(2, ""),
    });
    host.program("mkfs.ext4", move |host, command| {
        let disk = formatted(command.args.last().unwrap());
        assert_eq!(host.get(&disk), None, "formatted twice");
        host.put(disk, "");
        ok("")
    });
    host.program("mount", |host, command| {
        let [device, point] = command.args.last_chunk().unwrap();
        let mounts = host.get("/proc/self/mounts").unwrap_or_default();
        host.put("/proc/self/mounts", format!("{mounts}{device} {point} ext4 rw 0 0\n"));
        ok("")
    });
    kubeadm(host, now);
}

/// kubeadm makes what is not there, and keeps what is.
fn kubeadm(host: &Fake, now: Timestamp) {
    let (pem, made) = (made_by_kubeadm(now), AtomicU64::new(0));
    host.program("kubeadm", move |host, command| {
        let at = |path: String| format!("/etc/kubernetes/{path}");
        let make = |path: String, content: String| {
            let path = at(path);
            if host.get(&path).is_none() {
                host.put(path, content);
            }
        };
        let config = || sha256(host.get(KUBEADM).unwrap().as_bytes());
        match (command.args[2].as_str(), command.args[3].as_str()) {
            ("certs", name) => {
                make(format!("pki/{name}.key"), format!("the key under {}", config()));
                make(format!("pki/{name}.crt"), format!("{pem}under {}", config()));
            }
            // Each has a key of its own.
            ("kubeconfig", name) => {
                make(format!("{name}.conf"), format!("{now} {}", made.fetch_add(1, Ordering::Relaxed)))
            }
            ("control-plane", "all") => {
                for pod in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
                    let patch = host.get(at(format!("patches/{pod}+strategic.json"))).unwrap();
                    host.put(at(format!("manifests/{pod}.yaml")), format!("{patch} under {}", config()));
                }
            }
            ("kubeadm" | "coredns" | "kube-proxy", _) => {
                host.put(format!("/cluster/{}", command.args[2..4].join(" ")), config());
            }
            ("upload-config" | "addon", part) => host.put(format!("/cluster/{part}"), config()),
            other => panic!("kubeadm {other:?}"),
        }
        ok("")
    });
}

/// A machine as EC2 makes it: Debian's image, two volumes.
fn image(now: Timestamp) -> Fake {
    let host = Fake::default();
    for program in ["mkfs.ext4", "ethtool", "iptables", "modprobe", "nft", "blkid", "chronyd"] {
        host.put(format!("/usr/sbin/{program}"), "");
    }
    host.put("/usr/bin/mount", "");
    host.put("/proc/swaps", "Filename\n/swapfile\n");
    host.put(format!("{RUNNING}/chrony"), "");
    for volume in ["volmain", "volevents"] {
        host.put(format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume}"), "");
    }
    teach(&host, now);
    host
}

/// A cluster on which machines boot.
struct Site {
    mirror: String,
    pki: Vec<(String, Vec<u8>)>,
}

impl Site {
    async fn new() -> Site {
        let objects: Arc<dyn Store> = Arc::new(Memory::default());
        let store = ClusterStore::new(Arc::clone(&objects), "ha.example.com").unwrap();
        crate::pki::keep::ensure(&store, start(), None).await.unwrap();
        let mut pki = Vec::new();
        for entry in objects.list("", None).await.unwrap() {
            let bytes = objects.get(&entry.key).await.unwrap().unwrap().bytes;
            pki.push((entry.key, bytes));
        }
        Site { mirror: mirror().await, pki }
    }

    /// A cluster that has its keys and nothing else.
    async fn store(&self) -> ClusterStore {
        let objects: Arc<dyn Store> = Arc::new(Memory::default());
        for (key, bytes) in &self.pki {
            objects.put(key, bytes, Precondition::None).await.unwrap();
        }
        ClusterStore::new(objects, "ha.example.com").unwrap()
    }

    /// The steps of a boot at this time, in their order.
    fn steps(&self, store: &ClusterStore, root: &Path, now: Timestamp) -> Vec<Box<dyn Step>> {
        let text = include_str!("../../../../tests/fixtures/node/control-plane.yaml");
        let configuration: Configuration = serde_yaml::from_str(text).unwrap();
        let cp = configuration.control_plane.clone().unwrap();
        let metadata = Metadata {
            instance: "i-0123456789abcdef0".into(),
            zone: "us-east-1a".into(),
            address: "172.20.0.10".parse().unwrap(),
            lifecycle: "spot".into(),
            instance_type: "m5.large".into(),
        };
        let context = Context::fixed(now, "root", "i-1").with_ids(uuid::Uuid::new_v4);
        let asset = |name: &str| Asset {
            name: name.into(),
            url: format!("{}/{name}", self.mirror),
            checksum: Checksum::Sha256(sha256(b"program")),
        };
        let members: BTreeMap<String, Vec<String>> =
            cp.etcd.iter().map(|e| (e.name.clone(), e.members.iter().map(|m| m.name.clone()).collect())).collect();
        let volume = |etcd: &crate::node::configuration::Etcd| -> Box<dyn Step> {
            Box::new(MemberVolume {
                store: store.clone(),
                volumes: Arc::new(Attached),
                context: context.clone(),
                etcd: etcd.name.clone(),
                member: etcd.member.clone(),
                members: members.clone(),
            })
        };
        let service = |name: &'static str| -> Box<dyn Step> {
            Box::new(Service { name, about: "Keeps", args: "node".into(), program: "/usr/local/bin/kspot".into() })
        };
        let mut steps: Vec<Box<dyn Step>> = vec![
            Box::new(Kernel { sysctls: vec!["vm.swappiness=1".into()], ipv6: false }),
            Box::new(Packages { extra: vec!["nfs-common".into()], manage_time: true, updates: UpdatePolicy::External }),
            Box::new(Downloads { assets: ["kubelet", "kubeadm"].map(asset).into(), root: root.into() }),
            Box::new(Runtime { settings: configuration.container_runtime.clone() }),
        ];
        steps.extend(cp.etcd.iter().map(volume));
        steps.push(Box::new(Keys {
            store: store.clone(),
            data_keys: None,
            context: context.clone(),
            etcd: cp.etcd.clone(),
            address: metadata.address,
            instance: metadata.instance.clone(),
        }));
        steps.extend([service("kspot-keep"), service("kspot-controller")]);
        steps.push(Box::new(EtcdPods { store: store.clone(), etcd: cp.etcd.clone(), address: metadata.address }));
        steps.push(Box::new(ControlPlanePods {
            control_plane: cp,
            endpoint: keep::endpoint(&configuration.api.internal_name),
            configuration: configuration.clone(),
            metadata: metadata.clone(),
            balancer: Some("api.elb.example.com".into()),
            time: context,
        }));
        steps.push(Box::new(Kubelet { configuration, metadata, server: keep::server() }));
        steps.push(Box::new(ClusterParts { proxy: true }));
        steps
    }
}

fn start() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// A boot, up to its first error.
async fn boot(host: &dyn Host, steps: &[Box<dyn Step>]) -> Result<()> {
    for step in steps {
        if !step.is_done(host).await? {
            step.act(host, &quiet()).await?;
        }
    }
    Ok(())
}

/// The machine's files without what is different in every boot, after a look at that: keys belong to their certificates, the
/// store knows the tokens, and what runs has read what is there.
async fn outcome(host: &Fake, store: &ClusterStore, root: &Path) -> BTreeMap<PathBuf, (String, u32)> {
    let created = store.etcd_created().await.unwrap().unwrap();
    let mut tokens = vec![(created.token, "TOKEN-OF-THE-CLUSTER")];
    for etcd in ["main", "events"] {
        tokens.push((store.etcd_member(etcd, "a").await.unwrap().unwrap().token, "TOKEN-OF-THE-MEMBER"));
    }
    let own: BTreeSet<String> = ["etcd/main", "etcd/events", "apiserver-etcd-client"]
        .map(|name| format!("{PKI}/{name}"))
        .into_iter()
        .chain(["kubelet-client", "kubelet"].map(|name| format!("/var/lib/kubelet/pki/{name}")))
        .collect();
    for place in &own {
        let key = host.get(format!("{place}.key")).unwrap();
        let certificate = host.get(format!("{place}.crt")).unwrap();
        assert!(fits(&certificate, &key), "{place}");
    }
    for name in ["controller-manager", "scheduler"] {
        let pod = host.get(format!("/etc/kubernetes/manifests/kube-{name}.yaml")).unwrap();
        let kubeconfig = sha256(host.get(format!("/etc/kubernetes/{name}.conf")).unwrap().as_bytes());
        assert!(pod.contains(&kubeconfig), "{name} is not told of its kubeconfig");
        tokens.push((kubeconfig, "SUM-OF-THE-KUBECONFIG"));
    }
    for (service, _) in READ {
        assert_eq!(
            host.get(format!("{RUNNING}/{service}")),
            Some(read(host, service)),
            "{service} has not read its files"
        );
    }
    let is_own = |path: &Path| own.contains(path.with_extension("").to_str().unwrap());
    let kubeconfigs =
        ["controller-manager", "scheduler", "super-admin"].map(|name| format!("/etc/kubernetes/{name}.conf"));
    let mut all = BTreeMap::new();
    for (path, (content, mode)) in host.files() {
        let mut text = String::from_utf8(content).unwrap();
        tokens.iter().for_each(|(token, name)| text = text.replace(token, name));
        if is_own(&path) || kubeconfigs.iter().any(|kubeconfig| path == Path::new(kubeconfig)) {
            text = "its own".to_owned();
        } else if let Some((pem, under)) = text.split_once("under ") {
            let until = certificate::read(pem).map(|said| said.not_after.to_string());
            text = format!("{} under {under}", until.unwrap_or_else(|_| pem.to_owned()));
        }
        let path = path.strip_prefix(root).map_or(path.clone(), |inside| Path::new("/real").join(inside));
        all.insert(path, (text, mode));
    }
    all
}

/// Whether a key is the certificate's own.
fn fits(certificate: &str, key: &str) -> bool {
    use rcgen::PublicKeyData;
    let key = rcgen::KeyPair::from_pem(key).unwrap();
    let (_, block) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap();
    block.parse_x509().unwrap().public_key().raw == key.subject_public_key_info()
}

/// Boots a machine of an image, killed in the middle of each of its actions in turn; `prepared` is the machine before.
async fn kill_everywhere(site: &Site, now: Timestamp, prepared: impl AsyncFn(&ClusterStore, &Path) -> Fake) {
    let mut wanted = None;
    for kill in std::iter::once(usize::MAX).chain(0..) {
        let (store, root) = (site.store().await, tempfile::tempdir().unwrap());
        let fake = prepared(&store, root.path()).await;
        let host = Half { fake: &fake, real: root.path() };
        let steps = site.steps(&store, root.path(), now);
        fake.cut_after(kill);
        let ended = boot(&host, &steps).await;
        let killed = fake.revive();
        assert_eq!(ended.is_err(), killed, "{kill}: {:?}", ended.map_err(|e| e.chain()));
        if killed {
            boot(&host, &steps).await.unwrap_or_else(|e| panic!("{kill}: {}", e.chain()));
        }
        let now_there = outcome(&fake, &store, root.path()).await;
        let undisturbed = wanted.get_or_insert_with(|| now_there.clone());
        let paths: BTreeSet<&PathBuf> = undisturbed.keys().chain(now_there.keys()).collect();
        for path in paths {
            assert_eq!(now_there.get(path), undisturbed.get(path), "{kill}: {}", path.display());
        }
        if !killed && kill != usize::MAX {
            assert!(kill > 20, "only {kill} actions were cut");
            return;
        }
    }
}

/// A disk that is full wherever a boot writes is named with the file; once there is room the boot comes to its end.
#[tokio::test]
async fn a_full_disk_is_named_and_outlived() {
    let site = Site::new().await;
    for full in
        ["/etc/sysctl.d", "/etc/containerd", "/var/lib/kspot", "/etc/kubernetes", "/var/lib/kubelet", "/etc/systemd"]
    {
        let (store, root) = (site.store().await, tempfile::tempdir().unwrap());
        let fake = image(start());
        let host = Half { fake: &fake, real: root.path() };
        let steps = site.steps(&store, root.path(), start());
        fake.fail(Some(full));
        let why = boot(&host, &steps).await.unwrap_err().chain();
        assert!(why.contains(&format!("can't write {full}")) && why.contains("no space left on device"), "{why}");
        fake.fail(None);
        boot(&host, &steps).await.unwrap_or_else(|e| panic!("{full}: {}", e.chain()));
        outcome(&fake, &store, root.path()).await;
    }
}

/// Killed in the middle of any of its actions and begun again, the first boot of a machine ends as if it had never been killed.
#[tokio::test]
async fn a_first_boot_that_is_killed_anywhere_is_finished_by_the_next() {
    let site = Site::new().await;
    kill_everywhere(&site, start(), async |_, _| image(start())).await;
}

/// The same for the boot that makes certificates anew, months later.
#[tokio::test]
async fn a_renewing_boot_that_is_killed_anywhere_is_finished_by_the_next() {
    let site = Site::new().await;
    let later = start() + SignedDuration::from_hours(300 * 24);
    let booted = async |store: &ClusterStore, root: &Path| {
        let fake = image(start());
        let host = Half { fake: &fake, real: root };
        boot(&host, &site.steps(store, root, start())).await.unwrap();
        teach(&fake, later);
        fake
    };
    kill_everywhere(&site, later, booted).await;
}
