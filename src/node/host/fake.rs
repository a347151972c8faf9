//! A machine in memory: its files are a map, its programs do what a test says, and what was run is remembered.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;

use super::{Command, Host, Output};
use crate::error::{Context as _, Error, Result};

/// What a program does.
type Program = Box<dyn Fn(&Fake, &Command) -> Output + Send + Sync>;

/// The machine.
#[derive(Default)]
pub struct Fake {
    files: Mutex<BTreeMap<PathBuf, (Vec<u8>, u32)>>,
    programs: Mutex<BTreeMap<String, Program>>,
    ran: Mutex<Vec<String>>,
    failing: Mutex<Option<PathBuf>>,
}

impl Fake {
    /// Puts a file there.
    pub fn put(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        self.files.lock().unwrap().insert(path.as_ref().into(), (content.as_ref().to_vec(), 0o644));
    }

    /// A file's text.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<String> {
        let files = self.files.lock().unwrap();
        files.get(path.as_ref()).map(|(content, _)| String::from_utf8(content.clone()).unwrap())
    }

    /// A file's mode.
    pub fn mode(&self, path: impl AsRef<Path>) -> Option<u32> {
        self.files.lock().unwrap().get(path.as_ref()).map(|(_, mode)| *mode)
    }

    /// Moves a file, or a directory with all that is in it, over whatever was there.
    pub fn rename(&self, from: &str, to: &str) {
        let mut files = self.files.lock().unwrap();
        let moved: Vec<PathBuf> = files.keys().filter(|f| f.starts_with(from)).cloned().collect();
        files.retain(|f, _| moved.is_empty() || !f.starts_with(to));
        for path in moved {
            let Some(file) = files.remove(&path) else { continue };
            let rest = path.strip_prefix(from).unwrap();
            let target = if rest.as_os_str().is_empty() { PathBuf::from(to) } else { Path::new(to).join(rest) };
            files.insert(target, file);
        }
    }

    /// What a program does when it is run; without this it succeeds silently.
    pub fn program(&self, name: &str, does: impl Fn(&Fake, &Command) -> Output + Send + Sync + 'static) {
        self.programs.lock().unwrap().insert(name.to_owned(), Box::new(does));
    }

    /// The lines that were run since the last call.
    pub fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().unwrap())
    }

    /// Lets writes of this file fail, as on a full disk.
    pub fn fail(&self, path: Option<&str>) {
        *self.failing.lock().unwrap() = path.map(PathBuf::from);
    }

    fn check(&self, path: &Path) -> Result<()> {
        match &*self.failing.lock().unwrap() {
            Some(full) if path.starts_with(full) => {
                Err(Error::failed(format!("can't write {}: no space left on device", path.display())))
            }
            _ => Ok(()),
        }
    }
}

/// The end of a program that succeeded.
pub fn ok(stdout: &str) -> Output {
    Output { code: Some(0), stdout: stdout.to_owned(), stderr: String::new() }
}

/// The end of a program that failed.
pub fn failed(code: i32, stderr: &str) -> Output {
    Output { code: Some(code), stdout: String::new(), stderr: stderr.to_owned() }
}

#[async_trait]
impl Host for Fake {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(self.files.lock().unwrap().get(path).map(|(content, _)| content.clone()))
    }

    async fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        self.check(path)?;
        self.files.lock().unwrap().insert(path.into(), (content.to_vec(), mode));
        Ok(())
    }

    async fn fill(&self, path: &Path, mut content: Box<dyn Read + Send>, mode: u32) -> Result<()> {
        let mut all = Vec::new();
        content.read_to_end(&mut all).context(|| format!("can't write {}", path.display()))?;
        self.replace(path, &all, mode).await
    }

    async fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.replace(path, content, 0o644).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.files.lock().unwrap().remove(path);
        Ok(())
    }

    async fn directory(&self, path: &Path, mode: u32) -> Result<()> {
        self.check(path)?;
        self.files.lock().unwrap().entry(path.join(".")).or_insert((Vec::new(), mode));
        Ok(())
    }

    async fn list(&self, path: &Path) -> Result<Vec<String>> {
        let files = self.files.lock().unwrap();
        let below = files.keys().filter_map(|f| f.strip_prefix(path).ok()?.components().next());
        let names: std::collections::BTreeSet<String> =
            below.map(|c| c.as_os_str().to_string_lossy().into_owned()).filter(|n| n != ".").collect();
        Ok(names.into_iter().collect())
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.files.lock().unwrap().keys().any(|f| f.starts_with(path)))
    }

    async fn output(&self, command: &Command) -> Result<Output> {
        self.ran.lock().unwrap().push(command.line());
        let programs = self.programs.lock().unwrap();
        let name = command.program.rsplit('/').next().unwrap_or_default();
        Ok(programs.get(name).map_or_else(|| ok(""), |does| does(self, command)))
    }
}
