//! A member begins again with a snapshot. What it held stays beside it.
//!
//! All members do the same at the same time, each on its own volume, under a new cluster token: a member that still runs
//! on the old data is no longer one of them. The store's revision jumps ahead, so that nobody who watches takes an old
//! object for a new one.
//!
//! A journal on the volume says how far it is. Data is only ever moved, never removed, and moved once: whatever ends in
//! the middle goes on where it was, on this machine or on the next one that the volume is attached to.

use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::manifest::{MANIFESTS, data, file};
use super::snapshot::Whole;
use super::volume;
use crate::error::{Context, Error, Result};
use crate::node::agent::steps::runtime::REGISTRIES;
use crate::node::configuration::Etcd;
use crate::node::host::{Command, Host};
use crate::state::backups::Backups;

/// The file on the volume that tells how far the last restore is.
const JOURNAL: &str = "restore.json";

/// The directory on the volume that a restore makes, and then puts in the data's place.
pub(super) const FRESH: &str = "restoring";

/// The directory on the volume that a drill makes.
const DRILL: &str = "drill";

/// Where manifests wait while their pods are stopped.
const ASIDE: &str = "/var/lib/kspot/stopped";

/// Where a snapshot is before it is unpacked: a disk, where `/tmp` may be memory.
const SCRATCH: &str = "/var/tmp";

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

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The new data is being made.
    Preparing,
    /// The new data is whole; it is not in its place yet, or that is not written down.
    Prepared,
    /// The new data is in its place.
    Done,
}

/// What the journal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    /// The restore's id, its token.
    pub id: String,
    /// The snapshot.
    pub snapshot: String,
    /// How far it is.
    pub stage: Stage,
}

/// The journal of the last restore of an etcd cluster's member on this machine; none if there never was one.
pub async fn journal(host: &dyn Host, etcd: &str) -> Result<Option<Journal>> {
    let path = volume::mount_point(etcd).join(JOURNAL);
    let Some(text) = host.text(&path).await? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).context(|| format!("{} can't be understood", path.display()))
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
        volume::mount_point(&self.etcd.name)
    }

    /// Whether it was done, to its end: the volume says so, and the pods are back.
    pub async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        for (aside, _) in self.pods() {
            if host.exists(Path::new(&aside)).await? {
                return Ok(false);
            }
        }
        Ok(self.stage(host).await? == Some(Stage::Done))
    }

    /// How far this one is; none if the last one was another.
    async fn stage(&self, host: &dyn Host) -> Result<Option<Stage>> {
        let journal = journal(host, &self.etcd.name).await?;
        Ok(journal.filter(|journal| journal.id == self.id).map(|journal| journal.stage))
    }

    async fn note(&self, host: &dyn Host, stage: Stage) -> Result<()> {
        // Before the journal says so it is on the disk.
        host.run(&Command::new("sync", ["--file-system", &self.volume().display().to_string()])).await?;
        let journal = Journal { id: self.id.to_owned(), snapshot: self.snapshot.to_owned(), stage };
        let text = serde_json::to_vec(&journal).context(|| "can't write the journal of a restore".to_owned())?;
        host.replace(&self.volume().join(JOURNAL), &text, 0o600).await
    }

    /// Does it, from where it is.
    pub async fn run(&self, host: &dyn Host) -> Result<()> {
        let (now, fresh) = (data(self.etcd), self.volume().join(FRESH).display().to_string());
        let before = format!("{now}.before-{}", self.id);
        let there = async |path: &str| host.exists(Path::new(path)).await;
        let mut stage = self.stage(host).await?;
        // Both moves were made, and only that was not written down.
        let moved = there(&now).await? && there(&before).await? && !there(&fresh).await?;
        if stage == Some(Stage::Prepared) && moved {
            self.note(host, Stage::Done).await?;
            stage = Some(Stage::Done);
        }
        if stage == Some(Stage::Done) {
            return self.start(host).await;
        }
        if stage != Some(Stage::Prepared) || !there(&fresh).await? {
            self.note(host, Stage::Preparing).await?;
            self.prepare(host, &fresh).await?;
            self.note(host, Stage::Prepared).await?;
        }
        if let Err(error) = self.stop(host).await {
            // Nothing has been moved: the member goes on with what it has.
            return Err(match self.start(host).await {
                Ok(()) => error,
                Err(and) => error.detail(and.chain()),
            });
        }
        if there(&now).await? {
            if there(&before).await? {
                return Err(Error::failed(format!("{now} is there again, though it was moved to {before}"))
                    .hint(format!("compare them: if a member has begun with nothing in {now}, move that away")));
            }
            host.run(&Command::new("mv", ["--no-target-directory", &now, &before])).await?;
        }
        host.run(&Command::new("mv", ["--no-target-directory", &fresh, &now])).await?;
        self.note(host, Stage::Done).await?;
        self.start(host).await
    }

    /// Restores beside the data and reads that back.
    pub async fn drill(&self, host: &dyn Host) -> Result<Content> {
        let fresh = self.volume().join(DRILL).display().to_string();
        let said = self.tried(host, &fresh).await;
        remove(host, &fresh).await?;
        serde_json::from_str(said?.trim())
            .map_err(|e| Error::failed("what etcdutl says of the snapshot can't be read").because(e))
    }

    async fn tried(&self, host: &dyn Host, directory: &str) -> Result<String> {
        self.prepare(host, directory).await?;
        let db = format!("{directory}/member/snap/db");
        self.etcdutl(host, &["snapshot", "status", &db, "--write-out", "json"]).await
    }

    /// Fills a directory on the volume with what the member is to begin with.
    async fn prepare(&self, host: &dyn Host, directory: &str) -> Result<()> {
        let failed = || format!("can't keep snapshot {} in {SCRATCH}", self.snapshot);
        let mut packed = tokio::fs::File::from_std(tempfile::tempfile_in(SCRATCH).context(failed)?);
        self.backups.read(self.snapshot, &mut packed).await?;
        let mut packed = packed.into_std().await;
        packed.seek(SeekFrom::Start(0)).context(failed)?;
        let file = self.volume().join("snapshot.db");
        let whole = Whole::new(GzDecoder::new(std::io::BufReader::new(packed)));
        host.fill(&file, Box::new(whole), 0o600).await.map_err(|e| {
            e.context(format!("snapshot {} can't be unpacked", self.snapshot))
                .hint("if it is damaged, choose another one: kspot etcd list")
        })?;
        remove(host, directory).await?;
        let args = self.arguments(&file.display().to_string(), directory);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let made = self.etcdutl(host, &args).await;
        host.remove(&file).await?;
        made.map(|_| ())
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
        self.image(host).await?;
        // What a run that was killed left behind: it may still be writing.
        for gone in [&["tasks", "rm", "--force", &container][..], &["containers", "rm", &container]] {
            host.output(&ctr(gone)).await?;
        }
        let run = ["run", "--rm", "--mount", &mount, &self.etcd.image, &container, "etcdutl"];
        let all: Vec<&str> = run.into_iter().chain(args.iter().copied()).collect();
        host.run(&ctr(&all).within(PATIENCE)).await
    }

    /// The image is here: on a machine that has just come the kubelet has not pulled it yet.
    async fn image(&self, host: &dyn Host) -> Result<()> {
        let image = &self.etcd.image;
        let there = host.run(&ctr(&["images", "list", "--quiet", &format!("name=={image}")])).await?;
        if there.trim().is_empty() {
            host.run(&ctr(&["images", "pull", "--hosts-dir", REGISTRIES, image]).within(PATIENCE)).await?;
        }
        Ok(())
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
        let looked = host.output(&Command::new("pgrep", ["--full", &pattern])).await?;
        match looked.code {
            Some(0) => Ok(true),
            // "No processes matched", as its manual has it.
            Some(1) => Ok(false),
            _ => Err(Error::failed(format!("pgrep can't tell whether etcd {} runs", self.etcd.name))
                .detail(looked.stderr.trim())),
        }
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

/// containerd's own client, where the kubelet's images and containers are.
fn ctr(args: &[&str]) -> Command {
    Command::new("/usr/local/bin/ctr", ["--namespace", "k8s.io"].into_iter().chain(args.iter().copied()))
}

/// Removes a directory that only we made.
async fn remove(host: &dyn Host, directory: &str) -> Result<()> {
    host.run(&Command::new("rm", ["-rf", "--one-file-system", directory])).await.map(|_| ())
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
    use crate::node::etcd::seed::{Data, NOTE, Note, Volume};
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

    /// The store of snapshots that holds this, packed.
    async fn store(content: &[u8]) -> Backups {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(content).unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let key = format!("c.example.com/main/{NAME}");
        store.put(&key, &packed.finish().unwrap(), Precondition::None).await.unwrap();
        Backups::at(store, "c.example.com", "main")
    }

    async fn backups(content: &[u8]) -> Backups {
        store(&[content, Sha256::digest(content).as_slice()].concat()).await
    }

    /// When a machine loses power: at its n-th program, before or after that has done anything.
    #[derive(Clone, Copy)]
    struct Cut(usize, bool);

    const NEVER: Cut = Cut(usize::MAX, false);

    /// A machine whose member holds "old".
    fn machine(etcd: &Etcd, Cut(at, after): Cut) -> Fake {
        let host = Fake::default();
        host.put(format!("{}/member/db", data(etcd)), "old");
        host.put(file(etcd), "etcd's pod");
        host.put(format!("{MANIFESTS}/kube-apiserver.yaml"), "the API server's pod");
        let counter = Arc::new(AtomicUsize::new(0));
        let program = |name: &str, does: fn(&Fake, &Command) -> Output| {
            let counter = Arc::clone(&counter);
            host.program(name, move |host, command| {
                let cut = counter.fetch_add(1, Ordering::SeqCst) == at;
                let done = if cut && !after { None } else { Some(does(host, command)) };
                if cut { failed(101, "power") } else { done.unwrap() }
            });
        };
        program("mv", |host, command| {
            let [.., from, to] = command.args.as_slice() else { panic!("{}", command.line()) };
            host.rename(from, to);
            ok("")
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
        program("sync", |_, _| ok(""));
        program("pgrep", |_, _| failed(1, ""));
        host
    }

    fn holds(host: &Fake, etcd: &Etcd) -> (Option<String>, Option<String>) {
        let of = |directory: String| host.get(format!("{directory}/member/db"));
        (of(data(etcd)), of(format!("{}.before-new", data(etcd))))
    }

    /// Wherever it loses power, the next try ends as if it had not: the snapshot is in place, what was before is beside
    /// it, and the pods run. No look at the machine in between finds a member that may begin with nothing.
    #[tokio::test]
    async fn a_restore_survives_a_power_cut_anywhere() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        let mut cuts = 0;
        for cut in (0..40).flat_map(|at| [Cut(at, false), Cut(at, true)]) {
            let host = machine(&etcd, cut);
            let note = Note { cluster: "c".into(), etcd: "main".into(), member: "a".into(), token: "t".into() };
            host.put(volume::mount_point("main").join(NOTE), serde_json::to_string(&note).unwrap());
            if restore.run(&host).await.is_err() {
                cuts += 1;
                let found = volume::content(&host, "main").await.unwrap();
                assert!(matches!(found, Volume::Noted { data: Data::There | Data::Aside, .. }), "{} {found:?}", cut.0);
                restore.run(&host).await.unwrap();
            }
            assert!(restore.is_done(&host).await.unwrap());
            assert_eq!(holds(&host, &etcd), (Some("restored".into()), Some("old".into())), "{}", cut.0);
            assert_eq!(host.get(file(&etcd)).as_deref(), Some("etcd's pod"), "{}", cut.0);
            assert_eq!(host.get(format!("{MANIFESTS}/kube-apiserver.yaml")).as_deref(), Some("the API server's pod"));
        }
        assert!(cuts > 20, "{cuts}");
    }

    /// A restore that is over never touches what the member has written since.
    #[tokio::test]
    async fn a_restore_is_done_once() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let host = machine(&etcd, NEVER);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        restore.run(&host).await.unwrap();
        host.put(format!("{}/member/db", data(&etcd)), "written since");
        restore.run(&host).await.unwrap();
        assert_eq!(holds(&host, &etcd), (Some("written since".into()), Some("old".into())));
    }

    /// A second restore takes over from one that was cut off; what was there at first stays beside it.
    #[tokio::test]
    async fn a_restore_takes_over() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let mut cuts = 0;
        for at in 0..40 {
            let host = machine(&etcd, Cut(at, true));
            let first = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
            if first.run(&host).await.is_ok() {
                continue;
            }
            cuts += 1;
            let second = Restore { id: "newer", ..first };
            second.run(&host).await.unwrap();
            assert!(second.is_done(&host).await.unwrap());
            assert_eq!(host.get(format!("{}/member/db", data(&etcd))).as_deref(), Some("restored"), "{at}");
            let older = holds(&host, &etcd).1.or(host.get(format!("{}.before-newer/member/db", data(&etcd))));
            assert_eq!(older.as_deref(), Some("old"), "{at}");
        }
        assert!(cuts > 10, "{cuts}");
    }

    /// An etcd that does not stop, or of which nobody can tell, keeps its data and runs on.
    #[tokio::test]
    async fn what_runs_is_not_moved() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let host = machine(&etcd, NEVER);
        host.program("pgrep", |_, _| failed(2, "invalid pattern"));
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        let said = restore.run(&host).await.unwrap_err().chain();
        assert!(said.contains("pgrep can't tell whether etcd main runs"), "{said}");
        assert_eq!(holds(&host, &etcd), (Some("old".into()), None));
        assert!(host.get(file(&etcd)).is_some(), "its pod is back");
    }

    /// A member that has begun with nothing meanwhile is not thrown away.
    #[tokio::test]
    async fn two_lives_are_not_mixed() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        let host = machine(&etcd, NEVER);
        restore.prepare(&host, &volume::mount_point("main").join(FRESH).display().to_string()).await.unwrap();
        restore.note(&host, Stage::Prepared).await.unwrap();
        host.rename(&data(&etcd), &format!("{}.before-new", data(&etcd)));
        host.put(format!("{}/member/db", data(&etcd)), "blank");
        let said = restore.run(&host).await.unwrap_err().chain();
        assert!(said.contains("is there again"), "{said}");
        assert_eq!(holds(&host, &etcd), (Some("blank".into()), Some("old".into())));
    }

    /// A drill reads the snapshot back and leaves everything as it was.
    #[tokio::test]
    async fn a_drill_changes_nothing() {
        let (etcd, backups) = (etcd(), backups(b"database").await);
        let host = machine(&etcd, NEVER);
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
        let (etcd, backups) = (etcd(), store(b"not a database, and much longer than its sum would be").await);
        let host = machine(&etcd, NEVER);
        let restore = Restore { etcd: &etcd, backups: &backups, snapshot: NAME, id: "new" };
        assert!(restore.run(&host).await.unwrap_err().chain().contains("is damaged"));
        assert!(host.ran().iter().all(|line| line.starts_with("sync")));
        assert_eq!(holds(&host, &etcd), (Some("old".into()), None));
    }
}
