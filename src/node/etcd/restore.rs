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
use super::seed::BEFORE;
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

    /// Whether it was done, to its end: the volume says so, and the pods are back.
    pub async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        for (aside, _) in self.pods() {
            if host.exists(Path::new(&aside)).await? {
                return Ok(false);
            }
        }
        self.has_begun_again(host).await
    }

    async fn has_begun_again(&self, host: &dyn Host) -> Result<bool> {
        host.holds(self.volume().join(DONE), self.id).await
    }

    /// Does it. What was begun and not ended is done again; but data is put in place once only.
    pub async fn run(&self, host: &dyn Host) -> Result<()> {
        if self.has_begun_again(host).await? {
            return self.start(host).await;
        }
        let fresh = self.prepared(host).await?;
        self.stop(host).await?;
        let before = self.volume().join(format!("{BEFORE}{}", self.id)).display().to_string();
        let now = data(self.etcd);
        // Not again, when it was done before and its end was not written down: that would be the restored data.
        if host.exists(Path::new(&before)).await? {
            host.run(&Command::new("rm", ["-rf", "--one-file-system", now.as_str()])).await?;
        // Another restore, which did not get to its end, may have put it aside already.
        } else if host.exists(Path::new(&now)).await? {
            host.run(&Command::new("mv", [now.as_str(), before.as_str()])).await?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::node::configuration::Configuration;
    use crate::node::host::Output;
    use crate::node::host::fake::{Fake, failed, ok};
    use crate::state::memory::Memory;
    use crate::state::{Precondition, Store};

    const NAME: &str = "20261121T220000Z-a.db.gz";

    fn etcd() -> Etcd {
        let text = include_str!("../../../tests/fixtures/node/control-plane.yaml");
        let configuration: Configuration = serde_yaml::from_str(text).unwrap();
        configuration.control_plane.unwrap().etcd.remove(0)
    }

    async fn backups(content: &[u8]) -> Backups {
        let whole = [content, Sha256::digest(content).as_slice()].concat();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&whole).unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        store.put(NAME, &packed.finish().unwrap(), Precondition::None).await.unwrap();
        Backups::at(store, "main")
    }

    /// A machine whose member holds "old"; its `fails`-th program fails, as if the machine lost power there.
    fn machine(etcd: &Etcd, fails: usize) -> Fake {
        let host = Fake::default();
        host.put(format!("{}/member/db", data(etcd)), "old");
        host.put(file(etcd), "etcd's pod");
        host.put(format!("{MANIFESTS}/kube-apiserver.yaml"), "the API server's pod");
        let counter = Arc::new(AtomicUsize::new(0));
        let program = |name: &str, does: fn(&Fake, &Command) -> Output| {
            let counter = Arc::clone(&counter);
            host.program(name, move |host, command| {
                if counter.fetch_add(1, Ordering::SeqCst) == fails { failed(1, "power") } else { does(host, command) }
            });
        };
        program("mv", |host, command| {
            let moved = host.rename(&command.args[0], &command.args[1]);
            if moved { ok("") } else { failed(1, "No such file or directory") }
        });
        program("rm", |host, command| {
            host.rename(command.args.last().unwrap(), "/gone");
            ok("")
        });
        program("ctr", |host, command| match command.args.iter().find_map(|a| a.strip_prefix("--data-dir=")) {
            Some(directory) => {
                host.put(format!("{directory}/member/db"), "restored");
                ok("")
            }
            None => ok("{\"totalKey\": 7, \"revision\": 42}"),
        });
        program("pgrep", |_, _| failed(1, ""));
        host
    }

    /// Whichever of its programs fails, the next try ends as if none had: the snapshot is in place, what was before is
    /// beside it, and the pods run.
    #[tokio::test]
    async fn a_restore_survives_a_power_cut_anywhere() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        let mut cuts = 0;
        for fails in 0..40 {
            let host = machine(&etcd, fails);
            if restore.run(&host).await.is_err() {
                cuts += 1;
                assert!(!restore.is_done(&host).await.unwrap());
                restore.run(&host).await.unwrap();
            }
            assert!(restore.is_done(&host).await.unwrap());
            assert_eq!(host.get(format!("{}/member/db", data(&etcd))).as_deref(), Some("restored"), "{fails}");
            assert_eq!(host.get(format!("{}.before-new/member/db", data(&etcd))).as_deref(), Some("old"), "{fails}");
            assert_eq!(host.get(file(&etcd)).as_deref(), Some("etcd's pod"), "{fails}");
            assert_eq!(host.get(format!("{MANIFESTS}/kube-apiserver.yaml")).as_deref(), Some("the API server's pod"));
        }
        assert!(cuts > 5, "{cuts}");
    }

    /// Whichever of its programs fails, another restore takes its place and ends.
    #[tokio::test]
    async fn another_restore_takes_the_place_of_one_that_failed() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let restore = |id| Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id };
        let mut cuts = 0;
        for fails in 0..40 {
            let host = machine(&etcd, fails);
            if restore("new").run(&host).await.is_ok() {
                continue;
            }
            cuts += 1;
            restore("newer").run(&host).await.unwrap_or_else(|e| panic!("{fails}: {}", e.chain()));
            assert!(restore("newer").is_done(&host).await.unwrap());
            assert_eq!(host.get(format!("{}/member/db", data(&etcd))).as_deref(), Some("restored"), "{fails}");
            let asides = ["new", "newer"].map(|id| host.get(format!("{}.before-{id}/member/db", data(&etcd))));
            assert!(asides.contains(&Some("old".to_owned())), "{fails}: what was there before is kept");
        }
        assert!(cuts > 5, "{cuts}");
    }

    /// A drill reads the snapshot back and leaves everything as it was.
    #[tokio::test]
    async fn a_drill_changes_nothing() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let host = machine(&etcd, 99);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "drill" };
        assert_eq!(restore.drill(&host).await.unwrap(), Content { keys: 7, revision: 42 });
        assert_eq!(host.get(format!("{}/member/db", data(&etcd))).as_deref(), Some("old"));
        assert!(!restore.is_done(&host).await.unwrap() && host.get(file(&etcd)).is_some());
        let all = host.ran().join("\n");
        assert!(
            all.contains("--initial-cluster-token=drill-main --bump-revision=1000000000 --mark-compacted"),
            "{all}"
        );
    }

    /// A damaged snapshot is refused before anything is stopped.
    #[tokio::test]
    async fn a_damaged_snapshot_stops_nothing() {
        let etcd = etcd();
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(b"not a database").unwrap();
        store.put(NAME, &packed.finish().unwrap(), Precondition::None).await.unwrap();
        let backups = Backups::at(store, "main");
        let host = machine(&etcd, 99);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        assert!(restore.run(&host).await.unwrap_err().chain().contains("is damaged"));
        assert_eq!(host.ran(), [""; 0]);
    }
}
