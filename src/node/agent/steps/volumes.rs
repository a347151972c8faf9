//! The volume of an etcd member: found by its tags, attached, formatted only when it is blank and the member was never
//! seeded, mounted by its id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::etcd::seed::{DATA, Decision, Me, NOTE, Note, Volume, decide};
use crate::node::etcd::volume;
use crate::node::host::{Command, Host};
use crate::state::ClusterStore;
use crate::state::etcd::{EtcdCreated, EtcdMember};

/// How long a device may take to show once it is attached, in looks of half a second.
const LOOKS: usize = 120;

/// Volumes, as EC2 has them.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// The volume of a member in this machine's zone, attached to this machine; its id.
    async fn attached(&self, etcd: &str, member: &str) -> Result<String>;
}

/// The volume of one member.
pub struct MemberVolume {
    /// The cluster's part of the store, with the markers.
    pub store: ClusterStore,
    /// EC2.
    pub volumes: Arc<dyn Volumes>,
    /// Time and ids.
    pub context: Context,
    /// The etcd cluster.
    pub etcd: String,
    /// The member.
    pub member: String,
    /// The members of all etcd clusters.
    pub members: BTreeMap<String, Vec<String>>,
}

impl MemberVolume {
    fn mount_point(&self) -> PathBuf {
        volume::mount_point(&self.etcd)
    }

    fn data(&self) -> PathBuf {
        self.mount_point().join(DATA)
    }

    async fn is_mounted(&self, host: &dyn Host) -> Result<bool> {
        let point = self.mount_point();
        let mounts = host.text("/proc/self/mounts").await?.unwrap_or_default();
        Ok(mounts.lines().any(|line| line.split(' ').nth(1) == point.to_str()))
    }

    /// Writes the note and the markers that say that this member was seeded.
    async fn mark(&self, host: &dyn Host, id: &str, new_note: bool) -> Result<()> {
        let token = match volume::note(host, &self.etcd).await? {
            Some(note) if !new_note => note.token,
            _ => self.context.id().simple().to_string(),
        };
        let note = Note {
            cluster: self.store.name().to_owned(),
            etcd: self.etcd.clone(),
            member: self.member.clone(),
            token: token.clone(),
        };
        let text =
            serde_json::to_string(&note).map_err(|e| Error::failed("can't write the note of a volume").because(e))?;
        host.ensure(self.mount_point().join(NOTE), &text, 0o600).await?;
        let when = self.context.now();
        let created =
            EtcdCreated { when, token: self.context.id().simple().to_string(), members: self.members.clone() };
        let counts = self.store.mark_etcd_created(&created).await?;
        if counts.members.get(&self.etcd) != self.members.get(&self.etcd) {
            return Err(Error::failed(format!("etcd {} was seeded with other members meanwhile", self.etcd)));
        }
        let own = EtcdMember { when, volume: id.to_owned(), token: token.clone() };
        let counts = self.store.mark_etcd_member(&self.etcd, &self.member, &own).await?;
        if counts.token != token {
            return Err(Error::failed(format!(
                "etcd {} member {} was seeded elsewhere meanwhile",
                self.etcd, self.member
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Step for MemberVolume {
    fn phase(&self) -> &'static str {
        "volume-attached"
    }

    async fn is_done(&self, _host: &dyn Host) -> Result<bool> {
        // Also a mounted volume is judged: a boot may have ended between two of the notes.
        Ok(false)
    }

    async fn act(&self, host: &dyn Host, report: &Reporter) -> Result<()> {
        report.detail(&format!("{}/{}", self.etcd, self.member)).await;
        let id = self.volumes.attached(&self.etcd, &self.member).await?;
        let device = device(host, &id).await?;
        let blank = !self.is_mounted(host).await? && is_blank(host, &device).await?;
        if !blank {
            self.mount(host, &device).await?;
        }
        let found = if blank { Volume::Blank } else { volume::content(host, &self.etcd).await? };
        let me = Me { cluster: self.store.name(), etcd: &self.etcd, member: &self.member, members: &self.members };
        let (created, marker) =
            futures::try_join!(self.store.etcd_created(), self.store.etcd_member(&self.etcd, &self.member))?;
        match decide(&me, &found, created.as_ref(), marker.as_ref())? {
            // The store has lost its markers, or this machine was cut off between the two.
            Decision::Continue if created.is_none() || marker.is_none() => self.mark(host, &id, false).await,
            Decision::Continue => Ok(()),
            Decision::Seed { note } => {
                if blank {
                    host.run(&Command::new("mkfs.ext4", ["-q", "-L", "kspot-etcd", &device])).await?;
                    self.mount(host, &device).await?;
                }
                self.mark(host, &id, note).await?;
                host.directory(&self.data(), 0o700).await
            }
        }
    }
}

impl MemberVolume {
    async fn mount(&self, host: &dyn Host, device: &str) -> Result<()> {
        if self.is_mounted(host).await? {
            return Ok(());
        }
        let point = self.mount_point();
        host.directory(&point, 0o700).await?;
        let point = point.display().to_string();
        host.run(&Command::new("mount", ["-t", "ext4", "-o", "noatime", device, &point])).await.map(|_| ())
    }
}

/// Whether a device holds nothing that is known: no file system, no partitions.
async fn is_blank(host: &dyn Host, device: &str) -> Result<bool> {
    let probed = host.output(&Command::new("blkid", ["--probe", device])).await?;
    match probed.code {
        Some(0) => Ok(false),
        // "Nothing found", as its manual has it.
        Some(2) if probed.stdout.trim().is_empty() => Ok(true),
        _ => Err(Error::failed(format!("blkid can't tell what is on {device}")).detail(probed.stderr.trim())),
    }
}

/// The device of a volume: by its id, which Nitro machines show as a serial number.
async fn device(host: &dyn Host, volume: &str) -> Result<String> {
    let path = format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}", volume.replace('-', ""));
    for _ in 0..LOOKS {
        if host.exists(Path::new(&path)).await? {
            return Ok(path);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(Error::failed(format!("volume {volume} is attached, but no device shows it"))
        .hint(format!("expected {path}: instance types before Nitro are not supported for the control plane")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::step::tests::act;
    use crate::node::host::fake::{Fake, failed, ok};
    use crate::state::memory::Memory;

    struct Attached(&'static str);

    #[async_trait]
    impl Volumes for Attached {
        async fn attached(&self, _: &str, _: &str) -> Result<String> {
            Ok(self.0.to_owned())
        }
    }

    /// A machine with a volume, whose files are its own: `disk` of the fake host outlives nothing, so a test copies it.
    fn machine(volume: &str, formatted: bool) -> Fake {
        let host = Fake::default();
        host.put(format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}", volume.replace('-', "")), "");
        if formatted {
            host.put("/disk/formatted", "");
        }
        host.program(
            "blkid",
            |host, _| if host.get("/disk/formatted").is_some() { ok("TYPE=ext4") } else { failed(2, "") },
        );
        host.program("mkfs.ext4", |host, _| {
            host.put("/disk/formatted", "");
            ok("")
        });
        host.program("mount", |host, command| {
            host.put("/proc/self/mounts", format!("/dev/x {} ext4 rw 0 0\n", command.args.last().unwrap()));
            ok("")
        });
        host
    }

    fn step(store: &ClusterStore, volume: &'static str, member: &str) -> MemberVolume {
        MemberVolume {
            store: store.clone(),
            volumes: Arc::new(Attached(volume)),
            context: Context::fixed("2026-11-21T12:00:00Z".parse().unwrap(), "root", "i-1")
                .with_ids(uuid::Uuid::new_v4),
            etcd: "main".into(),
            member: member.into(),
            members: BTreeMap::from([("main".into(), vec!["a".into(), "b".into()])]),
        }
    }

    fn store() -> ClusterStore {
        ClusterStore::new(Arc::new(Memory::default()), "c.example.com").unwrap()
    }

    /// A blank volume of a new member is formatted, noted and marked, and only once.
    #[tokio::test]
    async fn a_new_member_is_seeded_once() {
        let (store, host) = (store(), machine("vol-1", false));
        act(&step(&store, "vol-1", "a"), &host).await.unwrap();
        assert_eq!(host.ran().iter().filter(|line| line.starts_with("mkfs")).count(), 1);
        let marker = store.etcd_member("main", "a").await.unwrap().unwrap();
        let note: Note = serde_json::from_str(&host.get("/var/lib/kspot/etcd/main/kspot.json").unwrap()).unwrap();
        assert_eq!((marker.volume.as_str(), &marker.token), ("vol-1", &note.token));
        act(&step(&store, "vol-1", "a"), &host).await.unwrap();
        assert!(!host.ran().iter().any(|line| line.starts_with("mkfs")));
        assert_eq!(store.etcd_member("main", "a").await.unwrap(), Some(marker));
        // The other member comes later, to a cluster that is marked.
        act(&step(&store, "vol-2", "b"), &machine("vol-2", false)).await.unwrap();
        assert!(store.etcd_member("main", "b").await.unwrap().is_some());
    }

    /// A blank volume in place of one with data is not formatted.
    #[tokio::test]
    async fn a_lost_volume_is_not_seeded() {
        let store = store();
        act(&step(&store, "vol-1", "a"), &machine("vol-1", false)).await.unwrap();
        let host = machine("vol-9", false);
        let refused = act(&step(&store, "vol-9", "a"), &host).await.unwrap_err();
        assert!(refused.chain().contains("on volume vol-1, and its volume here is blank"), "{}", refused.chain());
        assert!(!host.ran().iter().any(|line| line.starts_with("mkfs")));
    }

    /// A file system of somebody else is neither formatted nor used.
    #[tokio::test]
    async fn a_foreign_volume_is_left_alone() {
        let host = machine("vol-1", true);
        host.put("/var/lib/kspot/etcd/main/important", "");
        let refused = act(&step(&store(), "vol-1", "a"), &host).await.unwrap_err();
        assert!(refused.chain().contains("did not make (important)"), "{}", refused.chain());
        assert!(!host.ran().iter().any(|line| line.starts_with("mkfs")));
    }

    /// A machine that boots in the middle of a restore, when the data is put aside, leaves the volume as it is: the member
    /// waits until the restore goes on.
    #[tokio::test]
    async fn a_boot_in_the_middle_of_a_restore_makes_no_data() {
        let (store, host) = (store(), machine("vol-1", false));
        act(&step(&store, "vol-1", "a"), &host).await.unwrap();
        host.put("/var/lib/kspot/etcd/main/data/member/db", "old");
        host.rename("/var/lib/kspot/etcd/main/data", "/var/lib/kspot/etcd/main/data.before-new");
        act(&step(&store, "vol-1", "a"), &host).await.unwrap();
        assert!(!host.exists(Path::new("/var/lib/kspot/etcd/main/data")).await.unwrap());
    }
}
