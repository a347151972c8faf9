//! Fetches files over HTTPS: small ones, into memory.

use std::time::Duration;

use http::header::{LOCATION, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::error::{Error, Result, chain, innermost};

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
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|e| format!("this machine's certificate authorities: {}", chain(&e)))?;
    let client = Client::builder(TokioExecutor::new())
        .build::<_, Empty<hyper::body::Bytes>>(connector.https_or_http().enable_http1().build());
    let mut at: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    for _ in 0..=HOPS {
        let request = Request::get(&at).header(USER_AGENT, concat!("kspot/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Empty::new()).map_err(|e| chain(&e))?;
        let answer = client.request(request).await.map_err(|e| innermost(&e))?;
        if !answer.status().is_redirection() {
            return read(answer).await;
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

async fn read(answer: http::Response<hyper::body::Incoming>) -> Result<Vec<u8>, String> {
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
