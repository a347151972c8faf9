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

/// When whoever uses the machine is killed.
#[derive(Default)]
enum Cut {
    #[default]
    Never,
    /// In the middle of the action after so many.
    After(usize),
    Dead,
}

/// The machine.
#[derive(Default)]
pub struct Fake {
    files: Mutex<BTreeMap<PathBuf, (Vec<u8>, u32)>>,
    programs: Mutex<BTreeMap<String, Program>>,
    halves: Mutex<BTreeMap<String, Program>>,
    ran: Mutex<Vec<String>>,
    failing: Mutex<Option<PathBuf>>,
    cut: Mutex<Cut>,
}

impl Fake {
    /// Puts a file there.
    pub fn put(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        self.files.lock().unwrap().insert(path.as_ref().into(), (content.as_ref().to_vec(), 0o644));
    }

    /// Puts a file there, with a mode.
    pub fn put_as(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) {
        self.files.lock().unwrap().insert(path.as_ref().into(), (content.as_ref().to_vec(), mode));
    }

    /// Takes a file away.
    pub fn take(&self, path: impl AsRef<Path>) {
        self.files.lock().unwrap().remove(path.as_ref());
    }

    /// All files, with their modes.
    pub fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
        self.files.lock().unwrap().clone()
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

    /// Moves a file, or a directory with all that is in it, over whatever was there; whether there was anything to move.
    pub fn rename(&self, from: &str, to: &str) -> bool {
        let mut files = self.files.lock().unwrap();
        let moved: Vec<PathBuf> = files.keys().filter(|f| f.starts_with(from)).cloned().collect();
        files.retain(|f, _| moved.is_empty() || !f.starts_with(to));
        let any = !moved.is_empty();
        for path in moved {
            let Some(file) = files.remove(&path) else { continue };
            let rest = path.strip_prefix(from).unwrap();
            let target = if rest.as_os_str().is_empty() { PathBuf::from(to) } else { Path::new(to).join(rest) };
            files.insert(target, file);
        }
        any
    }

    /// What a program does when it is run; without this it succeeds silently.
    pub fn program(&self, name: &str, does: impl Fn(&Fake, &Command) -> Output + Send + Sync + 'static) {
        self.programs.lock().unwrap().insert(name.to_owned(), Box::new(does));
    }

    /// What a program leaves behind that is killed in the middle; without this nothing.
    pub fn half(&self, name: &str, does: impl Fn(&Fake, &Command) -> Output + Send + Sync + 'static) {
        self.halves.lock().unwrap().insert(name.to_owned(), Box::new(does));
    }

    /// Whoever uses the machine is killed in the middle of the action after so many: from then on everything fails.
    pub fn cut_after(&self, actions: usize) {
        *self.cut.lock().unwrap() = Cut::After(actions);
    }

    /// Somebody else uses the machine; whether the one before was killed.
    pub fn revive(&self) -> bool {
        matches!(std::mem::take(&mut *self.cut.lock().unwrap()), Cut::Dead)
    }

    /// An error if whoever uses the machine is dead.
    fn alive(&self) -> Result<()> {
        match *self.cut.lock().unwrap() {
            Cut::Dead => Err(Error::failed("killed")),
            _ => Ok(()),
        }
    }

    /// One action; an error if it is not done, or not to its end.
    fn act(&self) -> Result<()> {
        let mut cut = self.cut.lock().unwrap();
        *cut = match *cut {
            Cut::Never => return Ok(()),
            Cut::After(n) if n > 0 => Cut::After(n - 1),
            _ => Cut::Dead,
        };
        if matches!(*cut, Cut::Dead) { Err(Error::failed("killed")) } else { Ok(()) }
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
        self.act()?;
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
        self.alive()?;
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
        self.act()?;
        self.files.lock().unwrap().remove(path);
        Ok(())
    }

    async fn directory(&self, path: &Path, mode: u32) -> Result<()> {
        self.check(path)?;
        self.files.lock().unwrap().entry(path.join(".")).or_insert((Vec::new(), mode));
        Ok(())
    }

    async fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.alive()?;
        let files = self.files.lock().unwrap();
        let below = files.keys().filter_map(|f| f.strip_prefix(path).ok()?.components().next());
        let names: std::collections::BTreeSet<String> =
            below.map(|c| c.as_os_str().to_string_lossy().into_owned()).filter(|n| n != ".").collect();
        Ok(names.into_iter().collect())
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        self.alive()?;
        Ok(self.files.lock().unwrap().keys().any(|f| f.starts_with(path)))
    }

    async fn output(&self, command: &Command) -> Result<Output> {
        self.alive()?;
        self.ran.lock().unwrap().push(command.line());
        let name = command.program.rsplit('/').next().unwrap_or_default();
        if let Err(killed) = self.act() {
            if let Some(does) = self.halves.lock().unwrap().get(name) {
                does(self, command);
            }
            return Err(killed);
        }
        let programs = self.programs.lock().unwrap();
        Ok(programs.get(name).map_or_else(|| ok(""), |does| does(self, command)))
    }
}
