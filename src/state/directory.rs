//! A store in a directory of this machine: one file per object.
//!
//! A write goes to a temporary file beside its target, is flushed to the disk and then renamed, so a reader sees the
//! old content or the new one and a full disk leaves nothing half written. Every write holds the lock file of the
//! store, so that checking a precondition and acting on it are one step among any number of processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::store::{Blob, Entry, Etag, Fetched, Level, Precondition, PutError, Store};
use crate::error::{Error, Result};

const LOCK_FILE: &str = ".kspot-lock";
const TEMPORARY: &str = ".kspot-tmp-";

/// Objects as files below a directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Opens the store in an existing directory.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        match fs::metadata(&root) {
            Ok(found) if found.is_dir() => Ok(Directory { root }),
            Ok(_) => Err(Error::failed(format!("state store file://{} is not a directory", root.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(Error::failed(format!("state store file://{} does not exist", root.display()))
                    .hint(format!("kspot create state-store file://{}", root.display())))
            }
            Err(e) => Err(failure("open", &root, e)),
        }
    }

    /// Makes the directory if it is missing, readable by its owner only, and opens it.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        make_directories(&root).map_err(|e| failure("create", &root, e))?;
        Directory::open(root)
    }

    /// Deletes the directory, which must hold nothing but the store's lock file.
    pub fn delete(self) -> Result<()> {
        let lock = self.lock().map_err(|e| failure("lock", &self.root, e))?;
        match fs::remove_file(self.root.join(LOCK_FILE)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failure("delete", &self.root, e)),
            _ => {}
        }
        fs::remove_dir(&self.root).map_err(|e| failure("delete", &self.root, e))?;
        drop(lock);
        Ok(())
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0') && !ours(part);
        if !key.split('/').all(plain) {
            return Err(Error::failed(format!("{key:?} can't be the name of a file")));
        }
        Ok(self.root.join(key))
    }

    /// Waits until no other process writes; the lock ends with the file's handle, even by `kill -9`.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join(LOCK_FILE))?;
        file.lock()?;
        Ok(file)
    }

    fn put_now(&self, key: &str, bytes: &[u8], when: &Precondition) -> Result<Etag, PutError> {
        let path = self.path(key)?;
        let failed = |e| failure("write", &path, e);
        let _held = self.lock().map_err(failed)?;
        if !holds(&path, when).map_err(failed)? {
            return Err(PutError::Conflict);
        }
        write_whole(&path, bytes).map_err(failed)?;
        Ok(Etag::of_content(bytes))
    }

    fn delete_now(&self, key: &str, when: &Precondition) -> Result<(), PutError> {
        let path = self.path(key)?;
        let failed = |e| failure("delete", &path, e);
        let _held = self.lock().map_err(failed)?;
        if read(&path).map_err(failed)?.is_none() {
            return Ok(());
        }
        if !holds(&path, when).map_err(failed)? {
            return Err(PutError::Conflict);
        }
        fs::remove_file(&path).map_err(failed)?;
        self.prune_upwards(&path);
        Ok(())
    }

    /// A store has no empty directories: removes those that a delete has left. One that is not empty stays.
    fn prune_upwards(&self, path: &Path) {
        for parent in path.ancestors().skip(1).take_while(|p| *p != self.root) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }

    fn list_now(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>> {
        let (above, _) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let start = if above.is_empty() { self.root.clone() } else { self.path(above)? };
        let mut keys = Vec::new();
        self.walk(&start, &mut keys).map_err(|e| failure("list", &start, e))?;
        keys.retain(|key| key.starts_with(prefix) && start_after.is_none_or(|s| key.as_str() > s));
        keys.sort();
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let path = self.root.join(&key);
            // Gone between the walk and the read: it is not part of the listing any more.
            if let Some(blob) = read(&path).map_err(|e| failure("read", &path, e))? {
                entries.push(Entry { key, etag: blob.etag, size: blob.bytes.len() as u64 });
            }
        }
        Ok(entries)
    }

    fn level_now(&self, prefix: &str, start_after: Option<&str>) -> Result<Level> {
        let at = if prefix.is_empty() { self.root.clone() } else { self.path(prefix.trim_end_matches('/'))? };
        let mut level = Level::default();
        for (name, is_directory) in read_directory(&at).map_err(|e| failure("list", &at, e))? {
            let key = if is_directory { format!("{prefix}{name}/") } else { format!("{prefix}{name}") };
            if start_after.is_some_and(|s| key.as_str() <= s) {
                continue;
            }
            if is_directory {
                level.prefixes.push(key);
            } else if let Some(blob) = read(&at.join(&name)).map_err(|e| failure("read", &at.join(&name), e))? {
                level.entries.push(Entry { key, etag: blob.etag, size: blob.bytes.len() as u64 });
            }
        }
        // With its slash a directory sorts elsewhere than its bare name: `c-2/` stands before `c/`.
        level.prefixes.sort();
        Ok(level)
    }

    fn walk(&self, directory: &Path, keys: &mut Vec<String>) -> io::Result<()> {
        for (name, is_directory) in read_directory(directory)? {
            let path = directory.join(name);
            if is_directory {
                self.walk(&path, keys)?;
            } else if let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                keys.push(key.to_owned());
            }
        }
        Ok(())
    }

    fn remove_now(&self, prefix: &str) -> Result<u64> {
        let (above, _) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let start = if above.is_empty() { self.root.clone() } else { self.path(above)? };
        let failed = |e| failure("delete", &start, e);
        let _held = self.lock().map_err(failed)?;
        let mut keys = Vec::new();
        self.walk(&start, &mut keys).map_err(failed)?;
        keys.retain(|key| key.starts_with(prefix));
        for key in &keys {
            let path = self.root.join(key);
            fs::remove_file(&path).map_err(|e| failure("delete", &path, e))?;
            self.prune_upwards(&path);
        }
        Ok(keys.len() as u64)
    }

    /// Runs blocking work off the async threads.
    async fn blocking<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Directory) -> T + Send + 'static,
    {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(done) => done,
            Err(e) => std::panic::resume_unwind(e.into_panic()),
        }
    }
}

#[async_trait]
impl Store for Directory {
    async fn get(&self, key: &str) -> Result<Option<Blob>> {
        let path = self.path(key)?;
        self.blocking(move |_| read(&path).map_err(|e| failure("read", &path, e))).await
    }

    async fn get_if_changed(&self, key: &str, known: &Etag) -> Result<Fetched> {
        Ok(match self.get(key).await? {
            None => Fetched::Missing,
            Some(blob) if blob.etag == *known => Fetched::Unchanged,
            Some(blob) => Fetched::Changed(blob),
        })
    }

    async fn put(&self, key: &str, bytes: &[u8], when: Precondition) -> Result<Etag, PutError> {
        let (key, bytes) = (key.to_owned(), bytes.to_owned());
        self.blocking(move |this| this.put_now(&key, &bytes, &when)).await
    }

    async fn delete(&self, key: &str, when: Precondition) -> Result<(), PutError> {
        let key = key.to_owned();
        self.blocking(move |this| this.delete_now(&key, &when)).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Entry>> {
        let (prefix, after) = (prefix.to_owned(), start_after.map(str::to_owned));
        self.blocking(move |this| this.list_now(&prefix, after.as_deref())).await
    }

    async fn list_level(&self, prefix: &str, start_after: Option<&str>) -> Result<Level> {
        let (prefix, after) = (prefix.to_owned(), start_after.map(str::to_owned));
        self.blocking(move |this| this.level_now(&prefix, after.as_deref())).await
    }

    async fn remove_tree(&self, prefix: &str) -> Result<u64> {
        let prefix = prefix.to_owned();
        self.blocking(move |this| this.remove_now(&prefix)).await
    }

    fn describe(&self) -> String {
        format!("file://{}", self.root.display())
    }
}

/// A file that is the store's own business, not an object.
fn ours(name: &str) -> bool {
    name == LOCK_FILE || name.starts_with(TEMPORARY)
}

fn read(path: &Path) -> io::Result<Option<Blob>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Blob { etag: Etag::of_content(&bytes), bytes })),
        Err(e) if is_absence(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The names in a directory and whether each is a directory; empty if there is no such directory. Names that are not
/// UTF-8 can't be keys and are left out.
fn read_directory(path: &Path) -> io::Result<Vec<(String, bool)>> {
    let found = match fs::read_dir(path) {
        Ok(found) => found,
        Err(e) if is_absence(&e) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in found {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| !ours(name)) {
            names.push((name.to_owned(), fs::metadata(entry.path()).is_ok_and(|m| m.is_dir())));
        }
    }
    names.sort();
    Ok(names)
}

/// Nothing has this name: no file, a directory, or a file where the key has a directory.
fn is_absence(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn holds(path: &Path, when: &Precondition) -> io::Result<bool> {
    Ok(match when {
        Precondition::None => true,
        Precondition::Absent => read(path)?.is_none(),
        Precondition::Match(etag) => read(path)?.is_some_and(|blob| blob.etag == *etag),
    })
}

/// Writes beside the target, flushes, renames. The temporary file is removed when any step fails, and is readable by
/// its owner only, for a store holds private keys.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::other("no directory"))?;
    make_directories(directory)?;
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    File::open(directory)?.sync_all()
}

fn make_directories(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Says which file could not be read or written and why; a failed write has changed nothing.
fn failure(doing: &str, path: &Path, e: io::Error) -> Error {
    let unchanged = if matches!(doing, "write" | "delete") { "; nothing was changed" } else { "" };
    let (cause, hint) = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ("the disk is full", Some("free some space")),
        io::ErrorKind::ReadOnlyFilesystem => ("the file system is read-only", None),
        io::ErrorKind::PermissionDenied => ("permission denied", Some("check who owns the directory")),
        _ => ("", None),
    };
    let cause = if cause.is_empty() { e.to_string() } else { cause.to_owned() };
    let error = Error::failed(format!("can't {doing} {}: {cause}{unchanged}", path.display()));
    hint.into_iter().fold(error, Error::hint).because(e)
}

#[cfg(test)]
mod tests;
