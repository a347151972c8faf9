//! Takes a snapshot of a running member, checks it, and packs it into a file.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::client::Client;
use crate::error::{Context, Error, Result};

/// A snapshot ends in the sha256 of everything before it.
const SUM: usize = 32;

/// How long a member may be silent in the middle of a snapshot.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// One line of etcd's answer.
#[derive(Deserialize)]
struct Line {
    result: Option<Part>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    blob: String,
}

/// Checks what passes through: that the end is the sum of what came before.
struct Check {
    sum: Sha256,
    /// What may yet turn out to be the sum.
    tail: Vec<u8>,
    length: u64,
}

impl Check {
    fn new() -> Self {
        Check { sum: Sha256::new(), tail: Vec::new(), length: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let sure = self.tail.len().saturating_sub(SUM);
        self.sum.update(&self.tail[..sure]);
        self.tail.drain(..sure);
    }

    fn matches(self) -> bool {
        self.tail.len() == SUM && self.sum.finalize().as_slice() == self.tail.as_slice()
    }
}

/// A snapshot as it is read. The end of one that is not whole is an error.
pub struct Whole<R> {
    inner: R,
    check: Option<Check>,
}

impl<R> Whole<R> {
    /// Of this, unpacked.
    pub fn new(inner: R) -> Self {
        Whole { inner, check: Some(Check::new()) }
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n > 0 {
            if let Some(check) = &mut self.check {
                check.add(&buffer[..n]);
            }
        } else if !buffer.is_empty() && self.check.take().is_some_and(|check| !check.matches()) {
            return Err(std::io::Error::new(ErrorKind::InvalidData, "it is damaged: it does not end in its sum"));
        }
        Ok(n)
    }
}

/// Takes one into a file, packed; its size unpacked.
pub async fn take(client: &Client, file: &Path) -> Result<u64> {
    let doing = || format!("can't write {}", file.display());
    let answer = client.open("/v3/maintenance/snapshot", &serde_json::json!({})).await?;
    let mut out = GzEncoder::new(secret(file).context(doing)?, Compression::fast());
    let (mut check, mut pending) = (Check::new(), Vec::new());
    let mut body = answer.into_body();
    loop {
        let next = tokio::time::timeout(SILENCE, body.frame()).await;
        let silent = |_| Error::failed(format!("{} stopped in the middle of a snapshot", client.what()));
        let Some(frame) = next.map_err(silent)? else { break };
        let broken = |e| Error::failed(format!("the snapshot of {} broke off", client.what())).because(e);
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let blob = part(client, &line)?;
            check.add(&blob);
            out.write_all(&blob).context(doing)?;
        }
    }
    if !pending.iter().all(u8::is_ascii_whitespace) {
        let blob = part(client, &pending)?;
        check.add(&blob);
        out.write_all(&blob).context(doing)?;
    }
    out.finish().context(doing)?.sync_all().context(doing)?;
    let length = check.length;
    if !check.matches() {
        return Err(Error::failed(format!("the snapshot of {} is damaged: it does not end in its sum", client.what())));
    }
    Ok(length)
}

/// A new file that nobody else may read: every Secret of the cluster is in it.
fn secret(file: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(0o600).open(file)
}

fn part(client: &Client, line: &[u8]) -> Result<Vec<u8>> {
    let odd = |why: String| Error::failed(format!("the snapshot of {}: {why}", client.what()));
    let line: Line = serde_json::from_slice(line).map_err(|e| odd(format!("a line can't be read: {e}")))?;
    if let Some(error) = line.error {
        return Err(odd(error.to_string()));
    }
    let blob = line.result.map(|part| part.blob).unwrap_or_default();
    BASE64.decode(blob).map_err(|_| odd("a part is no base64".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot is whole when it ends in its sum, however it was cut into parts.
    #[test]
    fn the_sum_is_checked() {
        let content = b"a database".to_vec();
        let whole = [content.clone(), Sha256::digest(&content).to_vec()].concat();
        let read = |bytes: &[u8]| std::io::copy(&mut Whole::new(bytes), &mut std::io::sink()).is_ok();
        assert!(read(&whole));
        for size in 1..whole.len() {
            let mut check = Check::new();
            whole.chunks(size).for_each(|part| check.add(part));
            assert!(check.matches());
        }
        assert!(!read(&whole[..whole.len() - 1]));
        assert!(!read(&[whole.as_slice(), b"x"].concat()));
        assert!(!read(b""));
    }
}
