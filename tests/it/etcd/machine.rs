//! A machine whose files are below a directory: programs that the product runs have their real effects there, and etcd runs
//! as its manifest says, for as long as the manifest is there.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;
use kspot::error::{Error, Result};
use kspot::node::etcd::manifest::{MANIFESTS, VOLUMES};
use kspot::node::host::machine::Machine as Real;
use kspot::node::host::{Command, Host, Output};
use serde_json::Value;

use crate::kubernetes::{Process, Program};

const MOUNTS: &str = "/proc/self/mounts";

/// The machine; etcd ends with it.
pub(crate) struct Machine {
    root: PathBuf,
    pod: Mutex<Option<Pod>>,
    ran: Mutex<Vec<String>>,
    cut: Mutex<Cut>,
}

/// etcd, as the kubelet runs it.
struct Pod {
    manifest: String,
    /// Its manifest is gone: it ends once somebody has seen that it still runs, since a real one takes its time.
    ends: bool,
    process: Process,
}

/// When whoever uses the machine dies.
enum Cut {
    Never,
    /// In the middle of the action after so many.
    After(usize),
    Dead,
}

/// What becomes of an action.
enum Act {
    Whole,
    /// It is begun, and whoever did it dies.
    Begun,
}

impl Machine {
    /// A new one below a directory, with a volume attached that is another directory.
    pub(crate) fn new(root: PathBuf, volume: &str, disk: &Path) -> Machine {
        let device = format!("dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}", volume.replace('-', ""));
        let device = root.join(device);
        std::fs::create_dir_all(device.parent().unwrap()).unwrap();
        std::fs::create_dir_all(disk).unwrap();
        symlink(disk, device).unwrap();
        std::fs::create_dir_all(root.join("proc/self")).unwrap();
        Machine { root, pod: Mutex::default(), ran: Mutex::default(), cut: Mutex::new(Cut::Never) }
    }

    /// Where one of its files is.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap())
    }

    /// The lines that were run since the last call.
    pub(crate) fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().unwrap())
    }

    /// The number of etcd's process, if it runs.
    pub(crate) fn etcd(&self) -> Option<u32> {
        self.pod.lock().unwrap().as_ref().map(|pod| pod.process.id())
    }

    /// The end of etcd's log.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.root.join("etcd.log")).unwrap_or_default();
        log.lines().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Whoever uses the machine dies in the middle of the action after so many.
    pub(crate) fn cut_after(&self, actions: usize) {
        *self.cut.lock().unwrap() = Cut::After(actions);
    }

    /// Another process uses the machine; whether the one before had died.
    pub(crate) fn again(&self) -> bool {
        matches!(std::mem::replace(&mut *self.cut.lock().unwrap(), Cut::Never), Cut::Dead)
    }

    /// The machine starts anew: no process, nothing mounted.
    pub(crate) fn reboot(&self) {
        *self.pod.lock().unwrap() = None;
        let mounts = std::fs::read_to_string(self.at(MOUNTS)).unwrap_or_default();
        for point in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            std::fs::remove_file(self.at(point)).unwrap();
            std::fs::create_dir(self.at(point)).unwrap();
        }
        std::fs::write(self.at(MOUNTS), "").unwrap();
        self.again();
    }

    fn alive(&self) -> Result<()> {
        match *self.cut.lock().unwrap() {
            Cut::Dead => Err(Error::failed("killed")),
            _ => Ok(()),
        }
    }

    fn act(&self) -> Result<Act> {
        self.alive()?;
        let mut cut = self.cut.lock().unwrap();
        match *cut {
            Cut::After(0) => {
                *cut = Cut::Dead;
                return Ok(Act::Begun);
            }
            Cut::After(n) => *cut = Cut::After(n - 1),
            _ => {}
        }
        Ok(Act::Whole)
    }

    /// An action that happens at once or not at all.
    fn act_at_once(&self) -> Result<()> {
        match self.act()? {
            Act::Whole => Ok(()),
            Act::Begun => Err(Error::failed("killed")),
        }
    }

    /// What the kubelet does when manifests change.
    fn kubelet(&self) {
        let wanted = std::fs::read_dir(self.at(MANIFESTS)).into_iter().flatten().map(|entry| entry.unwrap().path());
        let manifest = wanted.filter(|path| is_etcds(path)).map(|path| std::fs::read_to_string(path).unwrap()).next();
        let mut pod = self.pod.lock().unwrap();
        let Some(manifest) = manifest else {
            pod.iter_mut().for_each(|pod| pod.ends = true);
            return;
        };
        if pod.as_ref().is_none_or(|pod| pod.ends || pod.manifest != manifest) {
            // The old process is gone before a new one opens its files.
            *pod = None;
            *pod = self.start(&manifest).map(|process| Pod { manifest, ends: false, process });
        }
    }

    /// Starts etcd out of its pod; none if a directory that the pod asks for is missing, as with a real kubelet.
    fn start(&self, manifest: &str) -> Option<Process> {
        let pod: Value = serde_yaml::from_str(manifest).unwrap();
        let spec = &pod["spec"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let paths: BTreeMap<String, String> = spec["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| (text(&v["name"]), text(&v["hostPath"]["path"])))
            .collect();
        let types = spec["volumes"].as_array().unwrap().iter().map(|v| &v["hostPath"]);
        let mut directories = types.filter(|path| path["type"] == "Directory");
        if !directories.all(|path| self.at(path["path"].as_str().unwrap()).is_dir()) {
            return None;
        }
        let container = &spec["containers"][0];
        let mounts: Vec<(String, PathBuf)> = container["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (text(&m["mountPath"]), self.at(&paths[m["name"].as_str().unwrap()])))
            .collect();
        let command: Vec<String> = container["command"].as_array().unwrap().iter().map(text).collect();
        let flags: Vec<String> = command[1..].iter().map(|flag| inside(flag, &mounts)).collect();
        Some(Program::find().start(&command[0], &self.root, &flags))
    }

    /// Whether etcd's command line matches, as pgrep sees it.
    fn pgrep(&self, pattern: &str) -> Output {
        let pattern = regex::Regex::new(pattern).unwrap();
        let mut pod = self.pod.lock().unwrap();
        let line = |pod: &Pod| std::fs::read_to_string(format!("/proc/{}/cmdline", pod.process.id())).unwrap();
        let found = pod.as_ref().is_some_and(|pod| pattern.is_match(&line(pod).replace('\0', " ")));
        if found && pod.as_ref().is_some_and(|pod| pod.ends) {
            *pod = None;
        }
        ended(if found { 0 } else { 1 })
    }

    fn blkid(&self, device: &str) -> Output {
        ended(if self.at(device).join("fs").exists() { 0 } else { 2 })
    }

    fn mkfs(&self, device: &str) -> Output {
        let fs = self.at(device).join("fs");
        if fs.exists() {
            std::fs::remove_dir_all(&fs).unwrap();
        }
        std::fs::create_dir_all(fs.join("lost+found")).unwrap();
        ended(0)
    }

    fn mount(&self, device: &str, point: &str) -> Output {
        let fs = self.at(device).join("fs");
        if !fs.exists() {
            return Output { stderr: "wrong fs type".to_owned(), ..ended(32) };
        }
        std::fs::remove_dir(self.at(point)).unwrap();
        symlink(fs, self.at(point)).unwrap();
        std::fs::write(self.at(MOUNTS), format!("{device} {point} ext4 rw,noatime 0 0\n")).unwrap();
        ended(0)
    }

    /// A program of the machine with its paths below our directory.
    async fn run(&self, command: &Command) -> Result<Output> {
        let at = |arg: &String| if arg.starts_with('/') { self.at(arg).display().to_string() } else { arg.clone() };
        Real.output(&Command { args: command.args.iter().map(at).collect(), ..command.clone() }).await
    }

    /// etcdutl in a container that sees what is mounted, and nothing else of the machine.
    async fn etcdutl(&self, command: &Command) -> Result<Output> {
        let args = &command.args;
        if !args.contains(&"run".to_owned()) {
            let image = args.last().filter(|_| args.contains(&"images".to_owned())).cloned();
            return Ok(Output { stdout: image.unwrap_or_default(), ..ended(0) });
        }
        let mount = &args[1 + args.iter().position(|arg| arg == "--mount").unwrap()];
        let part = |name: &str| mount.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        let mounts = [(part("dst="), self.at(part("src=")))];
        let program = Program::find().command("etcdutl");
        let own = program.get_args().map(|arg| arg.to_str().unwrap().to_owned());
        let given = &args[1 + args.iter().position(|arg| arg == "etcdutl").unwrap()..];
        let args = own.chain(given.iter().map(|arg| inside(arg, &mounts))).collect();
        let program = program.get_program().to_str().unwrap().to_owned();
        Real.output(&Command { program, args, ..command.clone() }).await
    }

    /// What a program leaves behind that is killed in the middle.
    async fn begin(&self, command: &Command) -> Result<()> {
        match name(command) {
            "rm" => {
                let target = self.at(command.args.last().unwrap());
                if let Some(Ok(some)) = std::fs::read_dir(target.join("member")).ok().and_then(|mut all| all.next()) {
                    std::fs::remove_dir_all(some.path()).unwrap();
                }
            }
            "ctr" => {
                self.etcdutl(command).await?;
                let fresh = command.args.iter().find_map(|arg| arg.strip_prefix("--data-dir="));
                if let Some(fresh) = fresh {
                    std::fs::remove_dir_all(self.at(fresh).join("member/wal")).unwrap();
                }
            }
            // A rename is one action of the file system.
            _ => {}
        }
        Ok(())
    }
}

fn is_etcds(manifest: &Path) -> bool {
    manifest.file_name().unwrap().to_str().unwrap().starts_with("etcd-")
}

fn name(command: &Command) -> &str {
    command.program.rsplit('/').next().unwrap()
}

fn ended(code: i32) -> Output {
    Output { code: Some(code), ..Output::default() }
}

/// An argument whose path, alone or after `=`, is the container's: as the machine has it.
fn inside(arg: &str, mounts: &[(String, PathBuf)]) -> String {
    let (flag, path) = arg.split_once('=').map_or(("", arg), |(flag, path)| (flag, path));
    let found = mounts.iter().find_map(|(point, at)| Some(at.join(Path::new(path).strip_prefix(point).ok()?)));
    match (found, flag) {
        (None, _) => arg.to_owned(),
        (Some(at), "") => at.display().to_string(),
        (Some(at), flag) => format!("{flag}={}", at.display()),
    }
}

#[async_trait]
impl Host for Machine {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.alive()?;
        Real.read(&self.at(path)).await
    }

    async fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        self.act_at_once()?;
        Real.replace(&self.at(path), content, mode).await?;
        self.kubelet();
        Ok(())
    }

    async fn fill(&self, path: &Path, content: Box<dyn Read + Send>, mode: u32) -> Result<()> {
        self.act_at_once()?;
        Real.fill(&self.at(path), content, mode).await
    }

    async fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.act_at_once()?;
        Real.rewrite(&self.at(path), content).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.act_at_once()?;
        Real.remove(&self.at(path)).await?;
        self.kubelet();
        Ok(())
    }

    async fn directory(&self, path: &Path, mode: u32) -> Result<()> {
        self.act_at_once()?;
        Real.directory(&self.at(path), mode).await
    }

    async fn list(&self, path: &Path) -> Result<Vec<String>> {
        self.alive()?;
        Real.list(&self.at(path)).await
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        self.alive()?;
        Real.exists(&self.at(path)).await
    }

    async fn output(&self, command: &Command) -> Result<Output> {
        self.alive()?;
        self.ran.lock().unwrap().push(command.line());
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        match (name(command), args.as_slice()) {
            ("pgrep", ["--full", pattern]) => return Ok(self.pgrep(pattern)),
            ("blkid", ["--probe", device]) => return Ok(self.blkid(device)),
            _ => {}
        }
        let data = format!("{VOLUMES}/main/data");
        assert!(!args.contains(&data.as_str()) || self.etcd().is_none(), "under a running etcd: {}", command.line());
        if let Act::Begun = self.act()? {
            self.begin(command).await?;
            return Err(Error::failed("killed"));
        }
        let output = match (name(command), args.as_slice()) {
            ("mkfs.ext4", [.., device]) => self.mkfs(device),
            ("mount", [.., device, point]) => self.mount(device, point),
            ("mv" | "rm", _) => self.run(command).await?,
            ("ctr", _) => self.etcdutl(command).await?,
            ("sync", _) => ended(0),
            _ => panic!("a machine in these tests has no such program: {}", command.line()),
        };
        self.kubelet();
        Ok(output)
    }
}
