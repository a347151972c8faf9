//! The real machine.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use async_trait::async_trait;

use super::{Command, Host, Output};
use crate::error::{Context, Error, Result};

/// This machine.
#[derive(Debug, Default)]
pub struct Machine;

#[async_trait]
impl Host for Machine {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match tokio::fs::read(path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).context(|| format!("can't read {}", path.display())),
        }
    }

    async fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        write(path, content, mode)
    }

    async fn fill(&self, path: &Path, content: Box<dyn Read + Send>, mode: u32) -> Result<()> {
        let (to, interrupted) = (path.to_owned(), format!("writing {} was interrupted", path.display()));
        let written = tokio::task::spawn_blocking(move || write(&to, content, mode)).await;
        written.map_err(|e| Error::failed(interrupted).because(e))?
    }

    async fn rewrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        use std::os::unix::fs::FileExt;
        let doing = || format!("can't write {}", path.display());
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).context(doing)?;
        file.write_all_at(content, 0).context(doing)?;
        file.set_len(content.len() as u64).context(doing)
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        match tokio::fs::remove_file(path).await {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e).context(|| format!("can't remove {}", path.display())),
            _ => Ok(()),
        }
    }

    async fn directory(&self, path: &Path, mode: u32) -> Result<()> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        made.context(|| format!("can't make the directory {}", path.display()))
    }

    async fn list(&self, path: &Path) -> Result<Vec<String>> {
        let doing = || format!("can't read {}", path.display());
        let mut entries = match tokio::fs::read_dir(path).await {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
            Err(e) => return Err(e).context(doing),
        };
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.context(doing)? {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        tokio::fs::try_exists(path).await.context(|| format!("can't look at {}", path.display()))
    }

    async fn output(&self, command: &Command) -> Result<Output> {
        let cannot = |e: std::io::Error| Error::failed(format!("can't run {}", command.line())).because(e);
        let mut program = tokio::process::Command::new(&command.program);
        program.args(&command.args).envs(command.env.iter().map(|(k, v)| (k, v)));
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = program.spawn().map_err(cannot)?;
        let Ok(ended) = tokio::time::timeout(command.patience, child.wait_with_output()).await else {
            let seconds = command.patience.as_secs();
            return Err(Error::failed(format!("{} took longer than {seconds} seconds", command.line())));
        };
        let ended = ended.map_err(cannot)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) })
    }
}
/// Into a file beside it, which then takes its place.
fn write(path: &Path, mut content: impl Read, mode: u32) -> Result<()> {
    let doing = || format!("can't write {}", path.display());
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir).context(doing)?;
    let mode = std::fs::Permissions::from_mode(mode);
    let builder = tempfile::Builder::new().prefix(".kspot-").permissions(mode.clone()).tempfile_in(dir);
    let mut file = builder.context(doing)?;
    std::io::copy(&mut content, &mut file).context(doing)?;
    // Whoever opened it with another umask: the mode is meant as it is.
    file.as_file().set_permissions(mode).context(doing)?;
    file.as_file().sync_all().context(doing)?;
    file.persist(path).context(doing)?;
    Ok(())
}
