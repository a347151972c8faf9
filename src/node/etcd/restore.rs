//! A member begins again with a snapshot. What it held stays beside it.
//!
//! All members do the same at the same time, each on its own volume, under a new cluster token: a member that still runs
//! on the old data is no longer one of them. The store's revision jumps ahead, so that nobody who watches takes an old
//! object for a new one.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;

use super::manifest::{MANIFESTS, VOLUMES, data, file};
use super::snapshot::is_whole;
use crate::error::{Context, Error, Result};
use crate::node::configuration::Etcd;
use crate::node::host::{Command, Host};
use crate::state::backups::Backups;

/// The file on the volume that holds the id of the last restore.
const DONE: &str = "restored";

/// Where manifests wait while their pods are stopped.
const ASIDE: &str = "/var/lib/kspot/stopped";

/// How long pods may take to stop, in looks of half a second.
const LOOKS: usize = 240;

/// How long etcdutl may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a drill found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// How many keys it holds.
    #[serde(rename = "totalKey")]
    pub keys: u64,
    /// Its revision.
    pub revision: u64,
}

/// The restore of one member.
pub struct Restore<'a> {
    /// The member.
    pub etcd: &'a Etcd,
    /// Where snapshots are.
    pub backups: &'a Backups,
    /// The snapshot.
    pub snapshot: &'a str,
    /// The new token.
    pub id: &'a str,
}

impl Restore<'_> {
    fn volume(&self) -> PathBuf {
        Path::new(VOLUMES).join(&self.etcd.name)
    }

    /// Whether it was done: the volume says so.
    pub async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        host.holds(self.volume().join(DONE), self.id).await
    }

    /// Does it. What was begun and not ended is done again.
    pub async fn run(&self, host: &dyn Host) -> Result<()> {
        let fresh = self.prepared(host).await?;
        self.stop(host).await?;
        let (now, before) = (data(self.etcd), format!("{}.before-{}", data(self.etcd), self.id));
        // Not again, when it was done before and its end was not written down: that would be the restored data.
        if !host.exists(Path::new(&before)).await? {
            host.run(&Command::new("mv", [now.as_str(), before.as_str()])).await?;
        } else {
            host.run(&Command::new("rm", ["-rf", "--one-file-system", now.as_str()])).await?;
        }
        host.run(&Command::new("mv", [fresh.as_str(), now.as_str()])).await?;
        host.replace(&self.volume().join(DONE), self.id.as_bytes(), 0o600).await?;
        self.start(host).await
    }

    /// Restores beside the data and reads that back.
    pub async fn drill(&self, host: &dyn Host) -> Result<Content> {
        let fresh = self.prepared(host).await?;
        let db = format!("{fresh}/member/snap/db");
        let said = self.etcdutl(host, &["snapshot", "status", &db, "--write-out", "json"]).await;
        host.run(&Command::new("rm", ["-rf", "--one-file-system", fresh.as_str()])).await?;
        serde_json::from_str(said?.trim())
            .map_err(|e| Error::failed("what etcdutl says of the snapshot can't be read").because(e))
    }

    /// A directory on the volume with what the member is to begin with.
    async fn prepared(&self, host: &dyn Host) -> Result<String> {
        let packed = self.backups.read(self.snapshot).await?;
        let mut whole = Vec::new();
        let broken = || format!("snapshot {} can't be unpacked", self.snapshot);
        GzDecoder::new(packed.as_slice()).read_to_end(&mut whole).context(broken)?;
        if !is_whole(&whole) {
            return Err(Error::failed(format!("snapshot {} is damaged: it does not end in its sum", self.snapshot))
                .hint("choose another one: kspot etcd list"));
        }
        let file = self.volume().join("snapshot.db");
        host.replace(&file, &whole, 0o600).await?;
        let fresh = self.volume().join("restoring").display().to_string();
        host.run(&Command::new("rm", ["-rf", "--one-file-system", fresh.as_str()])).await?;
        let args = self.arguments(&file.display().to_string(), &fresh);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.etcdutl(host, &args).await?;
        host.remove(&file).await?;
        Ok(fresh)
    }

    fn arguments(&self, file: &str, directory: &str) -> Vec<String> {
        let peer = |name: &str| format!("https://{name}:{}", self.etcd.peer_port);
        let own = self.etcd.members.iter().find(|m| m.name == self.etcd.member);
        let own = own.map_or_else(String::new, |m| peer(&m.peer_name));
        let all: Vec<String> = self.etcd.members.iter().map(|m| format!("{}={}", m.name, peer(&m.peer_name))).collect();
        vec![
            "snapshot".to_owned(),
            "restore".to_owned(),
            file.to_owned(),
            format!("--data-dir={directory}"),
            format!("--name={}", self.etcd.member),
            format!("--initial-cluster={}", all.join(",")),
            format!("--initial-advertise-peer-urls={own}"),
            format!("--initial-cluster-token={}-{}", self.id, self.etcd.name),
            "--bump-revision=1000000000".to_owned(),
            "--mark-compacted".to_owned(),
        ]
    }

    /// Runs etcdutl out of etcd's own image.
    async fn etcdutl(&self, host: &dyn Host, args: &[&str]) -> Result<String> {
        let volume = self.volume().display().to_string();
        let mount = format!("type=bind,src={volume},dst={volume},options=rbind:rw");
        let container = format!("kspot-etcdutl-{}", self.etcd.name);
        let remove =
            |what: &'static str| Command::new("/usr/local/bin/ctr", ["--namespace", "k8s.io", what, "rm", &container]);
        // What a run that was killed left behind.
        for what in ["tasks", "containers"] {
            host.output(&remove(what)).await?;
        }
        let run = ["--namespace", "k8s.io", "run", "--rm", "--mount", &mount, &self.etcd.image, &container, "etcdutl"];
        let command = Command::new("/usr/local/bin/ctr", run.into_iter().chain(args.iter().copied()));
        host.run(&command.within(PATIENCE)).await
    }

    /// The pods that use the member, and the member.
    fn pods(&self) -> [(String, String); 2] {
        let api = format!("{MANIFESTS}/kube-apiserver.yaml");
        let of = |manifest: &str| format!("{ASIDE}/{}", manifest.rsplit('/').next().unwrap_or_default());
        let etcd = file(self.etcd);
        [(of(&api), api), (of(&etcd), etcd)]
    }

    async fn stop(&self, host: &dyn Host) -> Result<()> {
        host.directory(Path::new(ASIDE), 0o700).await?;
        for (aside, manifest) in self.pods() {
            if host.exists(Path::new(&manifest)).await? {
                host.run(&Command::new("mv", [manifest.as_str(), aside.as_str()])).await?;
            }
        }
        for _ in 0..LOOKS {
            if !self.runs(host).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(Error::failed(format!("etcd {} does not stop", self.etcd.name)))
    }

    /// Whether a process has the member's data open.
    async fn runs(&self, host: &dyn Host) -> Result<bool> {
        let pattern = format!(
            "etcd --name={} .*--listen-client-urls=https://127.0.0.1:{}",
            self.etcd.member, self.etcd.client_port
        );
        Ok(host.output(&Command::new("pgrep", ["--full", &pattern])).await?.is_ok())
    }

    async fn start(&self, host: &dyn Host) -> Result<()> {
        for (aside, manifest) in self.pods().into_iter().rev() {
            if host.exists(Path::new(&aside)).await? {
                host.run(&Command::new("mv", [aside.as_str(), manifest.as_str()])).await?;
            }
        }
        Ok(())
    }
}
