//! Sends on what a worker signed, to STS and to nobody else.

use std::time::Duration;

use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::context::Context;
use crate::error::{Error, Result, chain, innermost};
use crate::node::identity::check::Checked;
use crate::node::identity::token::BODY_HEADER;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer.
const LARGEST: usize = 64 << 10;

/// STS of one region, to be shown what others signed for it.
#[derive(Clone, Debug)]
pub struct Sts {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    host: String,
    /// Where it is reached, where that is not at its name.
    endpoint: String,
}

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it took the signature.
    pub believed: bool,
    /// Whose it is, or what is wrong.
    pub text: String,
}

impl Sts {
    /// STS under its name; `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL` lead elsewhere, as they do everywhere.
    pub fn new(host: String, context: &Context) -> Result<Self> {
        let roots = |e| Error::failed("can't read this machine's certificate authorities").because(chain(&e));
        let connector = HttpsConnectorBuilder::new().with_native_roots().map_err(roots)?;
        let client = Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
        let given = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"].iter().find_map(|name| context.env(name));
        let endpoint = given.filter(|url| !url.is_empty()).map_or_else(|| format!("https://{host}"), str::to_owned);
        Ok(Sts { client, host, endpoint: endpoint.trim_end_matches('/').to_owned() })
    }

    /// The name that tokens have to be for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Shows it a request. An error if it can't say anything about it now.
    pub async fn ask(&self, token: &Checked) -> Result<Answer> {
        let failed = |why: String| Error::failed(format!("can't ask {}: {why}", self.host));
        match tokio::time::timeout(PATIENCE, self.send(token)).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed(format!("it did not answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// The client follows no redirection: an answer that is one is no answer.
    async fn send(&self, token: &Checked) -> Result<Answer, String> {
        // An error here must not show the URL: it holds the signature.
        let url: Uri =
            format!("{}/?{}", self.endpoint, token.query).parse().map_err(|_| "the URL is none".to_owned())?;
        let request = Request::get(url)
            .header(HOST, &self.host)
            .header(BODY_HEADER, &token.body_sha256)
            .header(ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|e| chain(&e))?;
        let answer = self.client.request(request).await.map_err(|e| innermost(&e))?;
        let status = answer.status();
        let body =
            Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|e| format!("it broke off: {e}"))?;
        let text = String::from_utf8(body.to_bytes().to_vec()).map_err(|_| "its answer is no text".to_owned())?;
        match status {
            StatusCode::OK => Ok(Answer { believed: true, text }),
            StatusCode::TOO_MANY_REQUESTS => Err("it is asked too often".to_owned()),
            // AWS says with 400 that it is asked too often.
            status if status.is_client_error() && !text.contains("Throttling") => Ok(Answer { believed: false, text }),
            status => Err(format!("it answers {status}")),
        }
    }
}
