//! Fetches files over HTTPS: small ones into memory, large ones onto the disk, from where they broke off.

use std::path::Path;
use std::time::Duration;

use http::header::{LOCATION, RANGE, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Context, Error, Result, chain, innermost};

/// The largest file: the manifests of the largest sets have a few MiB.
const LARGEST: usize = 16 << 20;

/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a release's page may send us on.
const HOPS: usize = 5;

/// The file at a URL. A redirection from HTTPS to plain HTTP is not followed.
pub async fn fetch(url: &str) -> Result<Vec<u8>> {
    let failed = |why: String| Error::failed(format!("can't fetch {url}: {why}"));
    match tokio::time::timeout(PATIENCE, follow(url)).await {
        Ok(fetched) => fetched.map_err(failed),
        Err(_) => Err(failed(format!("it took longer than {} seconds", PATIENCE.as_secs()))),
    }
}

async fn follow(url: &str) -> Result<Vec<u8>, String> {
    read(open(url, 0).await?).await
}

/// How long a server may be silent in the middle of a large file.
const SILENCE: Duration = Duration::from_secs(30);

/// Fetches a large file. What is there of it is kept, and only the rest is asked for.
pub async fn save(url: &str, path: &Path) -> Result<()> {
    let failed = |why: String| Error::failed(format!("can't fetch {url}: {why}"));
    let doing = || format!("can't write {}", path.display());
    let there = tokio::fs::metadata(path).await.map_or(0, |m| m.len());
    let silent = || format!("the server said nothing for {} seconds", SILENCE.as_secs());
    let opened = tokio::time::timeout(SILENCE, open(url, there)).await.unwrap_or_else(|_| Err(silent()));
    let answer = opened.map_err(failed)?;
    let resumed = answer.status() == StatusCode::PARTIAL_CONTENT;
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        // All of it is there already; whether it is right shows when it is checked.
        StatusCode::RANGE_NOT_SATISFIABLE if there > 0 => return Ok(()),
        status => return Err(failed(format!("the server answers {status}"))),
    }
    let mut options = tokio::fs::OpenOptions::new();
    let mut file =
        options.create(true).write(true).append(resumed).truncate(!resumed).open(path).await.context(doing)?;
    let mut body = answer.into_body();
    loop {
        let next = tokio::time::timeout(SILENCE, body.frame()).await;
        let Some(frame) = next.map_err(|_| failed(silent()))? else { break };
        let frame = frame.map_err(|e| failed(format!("it broke off: {}", innermost(&e))))?;
        if let Ok(data) = frame.into_data() {
            file.write_all(&data).await.context(doing)?;
        }
    }
    file.flush().await.context(doing)?;
    file.sync_all().await.context(doing)
}

/// The answer to a request for a file, from this byte on, wherever it leads.
async fn open(url: &str, from: u64) -> Result<Response<Incoming>, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|e| format!("this machine's certificate authorities: {}", chain(&e)))?;
    let client = Client::builder(TokioExecutor::new())
        .build::<_, Empty<hyper::body::Bytes>>(connector.https_or_http().enable_http1().build());
    let mut at: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    for _ in 0..=HOPS {
        let mut request = Request::get(&at).header(USER_AGENT, concat!("kspot/", env!("CARGO_PKG_VERSION")));
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::new()).map_err(|e| chain(&e))?;
        let answer = client.request(request).await.map_err(|e| innermost(&e))?;
        if !answer.status().is_redirection() {
            return Ok(answer);
        }
        let next = answer.headers().get(LOCATION).and_then(|l| l.to_str().ok()).ok_or("it leads nowhere")?;
        at = onward(&at, next)?;
    }
    Err(format!("it leads on more than {HOPS} times"))
}

/// Where a redirection leads: another URL, or another path of the same server.
fn onward(from: &Uri, next: &str) -> Result<Uri, String> {
    let odd = || format!("it leads to {next:?}, which is no URL");
    let to = match next.strip_prefix('/') {
        Some(_) => {
            let mut parts = from.clone().into_parts();
            parts.path_and_query = Some(next.parse().map_err(|_| odd())?);
            Uri::from_parts(parts).map_err(|_| odd())?
        }
        None => next.parse().map_err(|_| odd())?,
    };
    match (from.scheme_str(), to.scheme_str()) {
        (_, Some("https")) | (Some("http"), Some("http")) => Ok(to),
        _ => Err(format!("it leads to {next:?}, which is not HTTPS")),
    }
}

async fn read(answer: Response<Incoming>) -> Result<Vec<u8>, String> {
    if answer.status() != StatusCode::OK {
        return Err(format!("the server answers {}", answer.status()));
    }
    match Limited::new(answer.into_body(), LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(e) => Err(match e.downcast_ref::<http_body_util::LengthLimitError>() {
            Some(_) => format!("it is larger than {} MiB", LARGEST >> 20),
            None => format!("it broke off: {e}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redirections stay encrypted once they are, and may name a path alone.
    #[test]
    fn redirections() {
        let from: Uri = "https://github.com/a/b?c=d".parse().unwrap();
        assert_eq!(onward(&from, "https://objects.example.com/x").unwrap(), "https://objects.example.com/x");
        assert_eq!(onward(&from, "/y?z").unwrap(), "https://github.com/y?z");
        assert!(onward(&from, "http://objects.example.com/x").is_err());
        assert!(onward(&from, "ftp://x/y").is_err() && onward(&from, "").is_err());
        let plain: Uri = "http://mirror/a".parse().unwrap();
        assert_eq!(onward(&plain, "http://mirror/b").unwrap(), "http://mirror/b");
    }
}
