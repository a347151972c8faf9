//! The bed that tests against AWS stand on: servers of `tests/bed/` as child processes, one account per test, and a
//! runner for the `kspot` binary.

mod command;
mod files;
mod server;
mod venv;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use serde::Deserialize;
use serde_json::Value;

#[allow(unused_imports)]
pub(crate) use command::{Kspot, Output, normalised};
pub(crate) use files::Files;
pub(crate) use server::{Server, http};

/// The region of every test that does not ask for another.
pub(crate) const REGION: &str = "eu-west-1";

/// One test's AWS: an endpoint, and an account there that nobody else uses.
pub(crate) struct Bed {
    account: String,
    endpoint: String,
    /// Servers of this bed alone (a proxy, an emulator of its own): they end with it.
    _servers: Vec<Server>,
}

/// One request that the emulator answered.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Request {
    /// As signed: `ec2`, `autoscaling`, `elasticloadbalancing`, `s3`, ...
    pub(crate) service: String,
    /// `CreateVpc`; for S3 the method and shape of the path, such as `PUT /bucket/key` or `PUT /bucket?versioning`.
    pub(crate) action: String,
    /// The HTTP status of the answer.
    pub(crate) status: u16,
}

impl Request {
    /// Whether the request changes nothing. (Route 53's ListTagsForResources is a POST.)
    pub(crate) fn reads(&self) -> bool {
        self.action == "POST /2013-04-01/tags/hostedzone"
            || ["Describe", "List", "Get", "Head", "GET", "HEAD"].iter().any(|verb| self.action.starts_with(verb))
    }
}

/// One request that reached the fault proxy.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Passed {
    /// As signed, like [`Request::service`].
    pub(crate) service: String,
    /// Like [`Request::action`].
    pub(crate) action: String,
    account: String,
    /// What was done to it, such as `drop_after`; none if it was passed on as it was.
    pub(crate) injected: Option<String>,
    /// The HTTP status of the answer; none if there is none (yet).
    pub(crate) status: Option<u16>,
}

/// What exists in the account beyond what AWS puts into a fresh one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Inventory {
    /// How many things there are.
    pub(crate) total: usize,
    /// Their ids (or names) by kind, such as `ec2/vpc`; kinds with nothing are left out.
    pub(crate) kinds: BTreeMap<String, Vec<String>>,
}

/// The number of an account that nobody has used.
fn fresh_account() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{:012}", 100_000_000_000 + u64::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// The emulator that every test of this binary shares; it ends with the process.
fn shared_emulator() -> &'static Server {
    static EMULATOR: OnceLock<Server> = OnceLock::new();
    EMULATOR.get_or_init(|| Server::python("emulator.py", &[]))
}

impl Bed {
    /// A fresh account on the shared emulator.
    pub(crate) fn new() -> Bed {
        Bed::at(shared_emulator().url(), Vec::new())
    }

    /// A fresh account on an emulator of its own, for a test that measures or delays.
    pub(crate) fn alone(arguments: &[&str]) -> Bed {
        let emulator = Server::python("emulator.py", arguments);
        let url = emulator.url().to_owned();
        Bed::at(&url, vec![emulator])
    }

    /// A fresh account behind a proxy that injects faults (`tests/bed/faultproxy.py`): see [`Bed::faults`].
    pub(crate) fn with_faults() -> Bed {
        let proxy = Server::python("faultproxy.py", &["--upstream", shared_emulator().url()]);
        let url = proxy.url().to_owned();
        Bed::at(&url, vec![proxy])
    }

    /// A fresh account behind a proxy that cuts every list into pages (`tests/bed/paging.py`) with the given options,
    /// such as `["--page-size", "1"]` or `["--prices", "--regional"]`.
    pub(crate) fn with_pages(options: &[&str]) -> Bed {
        let arguments = [&["--upstream", shared_emulator().url()], options].concat();
        let proxy = Server::python("paging.py", &arguments);
        let url = proxy.url().to_owned();
        Bed::at(&url, vec![proxy])
    }

    /// A server with atomic conditional writes on S3 (ministack), for races between writers: moto can let two win.
    pub(crate) fn with_atomic_s3() -> Bed {
        let server = Server::python("atomic_s3.py", &[]);
        let url = server.url().to_owned();
        Bed::at(&url, vec![server])
    }

    fn at(endpoint: &str, servers: Vec<Server>) -> Bed {
        Bed { account: fresh_account(), endpoint: endpoint.to_owned(), _servers: servers }
    }

    /// The same servers with a fresh account: for a test that repeats itself.
    pub(crate) fn renewed(self) -> Bed {
        Bed { account: fresh_account(), ..self }
    }

    /// The account's number.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Where to send requests.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The environment that points the AWS SDK, the AWS CLI and kspot at this bed.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", &self.access_key()),
            ("AWS_SECRET_ACCESS_KEY", "bed"),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The same for clients built in the test.
    pub(crate) async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .credentials_provider(Credentials::new(self.access_key(), "bed", None, None, "bed"))
            .region(Region::new(REGION))
            .load()
            .await
    }

    /// What the emulator was asked in this account, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        serde_json::from_value(self.ask("GET", &format!("/_bed/requests?account={}", self.account), "")).unwrap()
    }

    /// What exists in this account, in [`REGION`] and in the services that have no region.
    pub(crate) fn inventory(&self) -> Inventory {
        let path = format!("/_bed/inventory?account={}&region={REGION}", self.account);
        serde_json::from_value(self.ask("GET", &path, "")).unwrap()
    }

    /// Sets the fault proxy's rules (see `tests/bed/faultproxy.py`); only for [`Bed::with_faults`].
    pub(crate) fn faults(&self, rules: Value) {
        self.ask("POST", "/_fault/rules", &rules.to_string());
    }

    /// What of this account went through the fault proxy, and what it did to it; only for [`Bed::with_faults`].
    pub(crate) fn fault_log(&self) -> Vec<Passed> {
        let all: Vec<Passed> = serde_json::from_value(self.ask("GET", "/_fault/log", "")).unwrap();
        all.into_iter().filter(|passed| passed.account == self.account).collect()
    }

    /// Forgets what went through the fault proxy so far; only for [`Bed::with_faults`].
    pub(crate) fn forget_fault_log(&self) {
        self.ask("DELETE", "/_fault/log", "");
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = http(&self.endpoint, method, path, body);
        assert_eq!(status, 200, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{method} {path}: {e}: {text}"))
    }

    /// The bed's access keys name their account: the emulator needs no STS call to know it.
    fn access_key(&self) -> String {
        format!("AKIA{}TEST", self.account)
    }
}
