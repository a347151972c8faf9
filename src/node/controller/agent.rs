//! `GET /bin/<name>`: the agent's binary, for workers that have nothing yet. It is public, and who fetches it checks its
//! sha256: no proof is asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::stream;
use hyper::body::{Bytes, Frame};
use tokio::io::AsyncReadExt;
use tokio::sync::{Mutex, OnceCell};

use crate::digest::{sha256, sha256_of};
use crate::error::{Context as _, Error, Result};
use crate::state::ClusterStore;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// How many binaries are kept: two releases for two architectures.
const KEPT: usize = 4;

/// For how long the store is not asked again for a binary that it did not have.
const ABSENT: Duration = Duration::from_secs(10);

/// How many such binaries are known.
const ABSENTEES: usize = 1000;

/// This very program.
const OWN: &str = "/proc/self/exe";

/// A binary's name: `kspot-linux-<arch>-<sha256>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    arch: String,
    sha256: String,
}

impl Name {
    /// Reads a name; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (arch, sha256) = text.strip_prefix("kspot-linux-")?.split_once('-')?;
        let is_hex = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let known = ["amd64", "arm64"].contains(&arch);
        (known && is_hex).then(|| Name { arch: arch.to_owned(), sha256: sha256.to_owned() })
    }

    fn file(&self) -> String {
        format!("kspot-linux-{}-{}", self.arch, self.sha256)
    }
}

/// The binaries that can be had.
#[derive(Debug)]
pub struct Binaries {
    store: ClusterStore,
    directory: PathBuf,
    /// The sha256 of this program.
    own: OnceCell<String>,
    /// One is fetched at a time: the second who wants it finds it on the disk.
    fetching: Arc<Mutex<()>>,
    /// The files that the store did not have, and when it said so: anybody can ask for any.
    absent: std::sync::Mutex<HashMap<String, Instant>>,
}

impl Binaries {
    /// Those of the store, kept in this directory.
    pub fn new(store: ClusterStore, directory: PathBuf) -> Self {
        Binaries { store, directory, own: OnceCell::new(), fetching: Arc::default(), absent: Default::default() }
    }

    /// A binary's file, and its size; none if there is no such binary.
    pub async fn open(&self, name: &Name) -> Result<Option<(tokio::fs::File, u64)>> {
        let own = self.own.get_or_try_init(|| hash(Path::new(OWN).to_owned())).await?;
        if *own == name.sha256 {
            return open(Path::new(OWN)).await.map(Some);
        }
        let path = self.directory.join(name.file());
        // A file that is there is whole: it is moved into place once its hash is right.
        if let Ok(found) = open(&path).await {
            return Ok(Some(found));
        }
        if self.is_absent(name) {
            return Ok(None);
        }
        let _one = self.fetching.lock().await;
        // Somebody may have fetched it meanwhile, or in vain.
        if let Ok(found) = open(&path).await {
            return Ok(Some(found));
        }
        if self.is_absent(name) {
            return Ok(None);
        }
        let key = self.store.keys().binary("linux", &name.arch, &name.sha256);
        let Some(blob) = self.store.store().get(&key).await? else {
            self.note_absent(name);
            return Ok(None);
        };
        if sha256(&blob.bytes) != name.sha256 {
            return Err(Error::failed(format!("{key} in {} is not what its name says", self.store.store().describe())));
        }
        let (directory, kept) = (self.directory.clone(), path.clone());
        let saved = tokio::task::spawn_blocking(move || save(&directory, &kept, &blob.bytes)).await;
        saved.map_err(|e| Error::failed("saving a binary was given up").because(e))??;
        open(&path).await.map(Some)
    }

    /// Whether the store did not have a binary a moment ago.
    fn is_absent(&self, name: &Name) -> bool {
        let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.get(&name.file()).is_some_and(|since| since.elapsed() < ABSENT)
    }

    fn note_absent(&self, name: &Name) {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.retain(|_, since| since.elapsed() < ABSENT);
        if absent.len() < ABSENTEES {
            absent.insert(name.file(), Instant::now());
        }
    }
}

async fn open(path: &Path) -> Result<(tokio::fs::File, u64)> {
    let doing = || format!("can't read {}", path.display());
    let file = tokio::fs::File::open(path).await.context(doing)?;
    let size = file.metadata().await.context(doing)?.len();
    Ok((file, size))
}

/// Writes a file in one step, and removes the oldest if there are too many. One that is being sent stays readable.
fn save(directory: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("can't write {}", path.display());
    std::fs::create_dir_all(directory).context(doing)?;
    let file = tempfile::NamedTempFile::new_in(directory).context(doing)?;
    std::fs::write(file.path(), bytes).context(doing)?;
    file.persist(path).context(doing)?;
    let mut all: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(directory)
        .context(doing)?
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(_, other)| other != path)
        .collect();
    all.sort();
    let superfluous = (all.len() + 1).saturating_sub(KEPT);
    for (_, old) in all.into_iter().take(superfluous) {
        std::fs::remove_file(&old).context(|| format!("can't remove {}", old.display()))?;
    }
    Ok(())
}

/// The sha256 of a file.
async fn hash(path: PathBuf) -> Result<String> {
    let doing = path.clone();
    let hashed = tokio::task::spawn_blocking(move || sha256_of(&path)).await;
    let hashed = hashed.map_err(|e| Error::failed("hashing a file was given up").because(e))?;
    hashed.context(|| format!("can't read {}", doing.display()))
}

/// A file's content, piece by piece.
pub fn stream(file: tokio::fs::File) -> impl futures::Stream<Item = std::io::Result<Frame<Bytes>>> + Send {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let n = file.read(&mut chunk).await?;
        chunk.truncate(n);
        Ok((n > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Precondition;
    use crate::state::memory::Memory;

    /// Only binaries have names here, whatever else lies in the store.
    #[test]
    fn names_are_binaries() {
        let sum = "0123456789abcdef".repeat(4);
        assert!(Name::parse(&format!("kspot-linux-arm64-{sum}")).is_some());
        for odd in [
            format!("kspot-linux-amd64-{}", &sum[1..]),
            format!("kspot-linux-amd64-../{}", &sum[3..]),
            format!("kspot-linux-..-{sum}"),
            format!("kspot-linux-amd64-{}", sum.to_uppercase()),
            "pki/keysets".to_owned(),
        ] {
            assert_eq!(Name::parse(&odd), None, "{odd}");
        }
    }

    /// A binary comes from the store once, then from the disk; what is not what its name says does not come at all; old
    /// ones make room.
    #[tokio::test]
    async fn binaries_are_kept() {
        let store = ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let binaries = Binaries::new(store.clone(), directory.path().join("bin"));
        binaries.own.set("own".to_owned()).unwrap();
        let mut names = Vec::new();
        for n in 0..6u8 {
            let sum = sha256(&[n]);
            let key = store.keys().binary("linux", "amd64", &sum);
            store.store().put(&key, &[n], Precondition::None).await.unwrap();
            let name = Name::parse(&format!("kspot-linux-amd64-{sum}")).unwrap();
            let (mut file, size) = binaries.open(&name).await.unwrap().unwrap();
            assert_eq!((file.read_u8().await.unwrap(), size), (n, 1));
            names.push((key, name));
        }
        assert_eq!(std::fs::read_dir(directory.path().join("bin")).unwrap().count(), KEPT);
        let (last, first) = (&names[5], &names[0]);
        store.store().put(&last.0, b"damaged", Precondition::None).await.unwrap();
        assert!(binaries.open(&last.1).await.unwrap().is_some(), "it is on the disk");
        store.store().put(&first.0, b"damaged", Precondition::None).await.unwrap();
        let error = binaries.open(&first.1).await.unwrap_err();
        assert!(error.message().contains("not what its name says"), "{error}");
        let none = Name::parse(&format!("kspot-linux-arm64-{}", "0".repeat(64))).unwrap();
        assert!(binaries.open(&none).await.unwrap().is_none());
    }

    /// What is on the disk does not wait for what somebody else has fetched; what the store does not have it is not asked
    /// for again at once, by whoever waits.
    #[tokio::test]
    async fn binaries_on_the_disk_wait_for_nobody() {
        let store = ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let binaries = Binaries::new(store.clone(), directory.path().to_owned());
        binaries.own.set("own".to_owned()).unwrap();
        let name = |sum: &str| Name::parse(&format!("kspot-linux-amd64-{sum}")).unwrap();
        let (kept, late) = (name(&sha256(b"kept")), name(&sha256(b"late")));
        std::fs::write(directory.path().join(kept.file()), b"kept").unwrap();
        {
            let _fetching = binaries.fetching.lock().await;
            let opened = tokio::time::timeout(Duration::from_secs(10), binaries.open(&kept)).await;
            assert!(opened.unwrap().unwrap().is_some());
        }
        assert!(binaries.open(&late).await.unwrap().is_none());
        let key = store.keys().binary("linux", "amd64", &late.sha256);
        store.store().put(&key, b"late", Precondition::None).await.unwrap();
        assert!(binaries.open(&late).await.unwrap().is_none(), "the store is not asked again");
        let long_ago = Instant::now().checked_sub(ABSENT).unwrap();
        binaries.absent.lock().unwrap().values_mut().for_each(|since| *since = long_ago);
        assert!(binaries.open(&late).await.unwrap().is_some());
    }

    /// This program is sent without a look at the store.
    #[tokio::test]
    async fn the_own_program_is_sent() {
        let store = ClusterStore::new(Arc::new(Memory::new()), "c.example.com").unwrap();
        let binaries = Binaries::new(store, PathBuf::from("/nowhere"));
        let sum = hash(Path::new(OWN).to_owned()).await.unwrap();
        let name = Name::parse(&format!("kspot-linux-amd64-{sum}")).unwrap();
        let (_, size) = binaries.open(&name).await.unwrap().unwrap();
        assert_eq!(size, std::fs::metadata(OWN).unwrap().len());
    }
}
