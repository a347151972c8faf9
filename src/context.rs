//! What a run takes from the outside world: the time, fresh ids, who runs it and where, and the environment.
//!
//! Nothing below the command line asks the system for these; it is given a [`Context`], so that a test can fix them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

/// Who is told of requests that are sent again.
type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// Time, randomness and identity of one run of kspot.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    user: String,
    host: String,
    pid: u32,
    env: BTreeMap<String, String>,
    listener: Option<Listener>,
}

impl Context {
    /// The real clock, random ids, and the user, host and environment of this process.
    pub fn system() -> Self {
        let env: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|k| env.get(*k).cloned());
        Context {
            clock: Arc::new(Timestamp::now),
            ids: Arc::new(Uuid::new_v4),
            user: user.filter(|u| !u.is_empty()).unwrap_or_else(|| "unknown".into()),
            host: host_name(&env),
            pid: std::process::id(),
            env,
            listener: None,
        }
    }

    /// A context for tests: the clock stands at `now`, ids count up from 1, and the environment is empty.
    pub fn fixed(now: Timestamp, user: &str, host: &str) -> Self {
        let next = std::sync::atomic::AtomicU64::new(1);
        Context {
            clock: Arc::new(move || now),
            ids: Arc::new(move || Uuid::from_u128(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into())),
            user: user.into(),
            host: host.into(),
            pid: 1,
            env: BTreeMap::new(),
            listener: None,
        }
    }

    /// The same context with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The same context with another source of ids.
    #[must_use]
    pub fn with_ids(mut self, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// The same context with one more environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The same context with somebody who is told of requests that are sent again.
    #[must_use]
    pub fn with_listener(mut self, listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Tells whoever listens that a request is sent again, and why.
    pub fn tell(&self, what: &str) {
        if let Some(listener) = &self.listener {
            listener(what);
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A new id, never given before.
    pub fn id(&self) -> Uuid {
        (self.ids)()
    }

    /// `user@host`: how history and locks name whoever runs this.
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// The number of this process on its host.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// An environment variable; an empty value counts as unset.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

impl fmt::Debug for Context {
    /// Names who runs; the environment may hold secrets and stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("user", &self.user).field("host", &self.host).finish_non_exhaustive()
    }
}

fn host_name(env: &BTreeMap<String, String>) -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_command = || {
        let out = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(out.stdout).ok()
    };
    let named = |name: String| Some(name.trim().to_owned()).filter(|n| !n.is_empty());
    from_kernel()
        .and_then(named)
        .or_else(|| env.get("HOSTNAME").or_else(|| env.get("COMPUTERNAME")).cloned().and_then(named))
        .or_else(|| from_command().and_then(named))
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed context gives the same time and the same ids in every run, and no secret through Debug.
    #[test]
    fn fixed_context_is_deterministic() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let c = Context::fixed(now, "ann", "desk").with_env("AWS_SECRET_ACCESS_KEY", "s3cret").with_env("EMPTY", "");
        assert_eq!(c.now(), now);
        assert_eq!((c.id(), c.id()), (Uuid::from_u128(1), Uuid::from_u128(2)));
        assert_eq!(c.who(), "ann@desk");
        assert_eq!(c.env("EMPTY"), None);
        assert!(!format!("{c:?}").contains("s3cret"));
    }

    /// The system's context always names somebody on some host.
    #[test]
    fn system_context_names_user_and_host() {
        let who = Context::system().who();
        let (user, host) = who.split_once('@').unwrap();
        assert!(!user.is_empty() && !host.is_empty() && !host.contains('\n'));
    }
}
