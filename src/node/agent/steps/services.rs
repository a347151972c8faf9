//! Services of systemd.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::error::Result;
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::host::{Command, Host};

/// Makes sure that a service runs, now and after a reboot; one whose files changed is restarted.
pub async fn start(host: &dyn Host, service: &str, changed: bool) -> Result<()> {
    if changed {
        host.run(&Command::new("systemctl", ["daemon-reload"])).await?;
    }
    host.run(&Command::new("systemctl", ["enable", "--quiet", service])).await?;
    let runs = host.output(&Command::new("systemctl", ["is-active", "--quiet", service])).await?.is_ok();
    if changed || !runs {
        host.run(&Command::new("systemctl", ["restart", service])).await?;
    }
    Ok(())
}

/// A service that is this program.
pub struct Service {
    /// Its name, and the phase while it is started.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// The arguments of `kspot`.
    pub args: String,
    /// Where `kspot` is.
    pub program: String,
}

impl Service {
    fn file(&self) -> PathBuf {
        PathBuf::from(format!("/etc/systemd/system/{}.service", self.name))
    }

    fn text(&self) -> String {
        format!(
            "[Unit]\nDescription={}\nWants=network-online.target\nAfter=network-online.target\n\
             StartLimitIntervalSec=0\n\n\
             [Service]\nExecStart={} {}\nRestart=always\nRestartSec=2\nOOMScoreAdjust=-900\n\
             Environment=RUST_BACKTRACE=0\n\n[Install]\nWantedBy=multi-user.target\n",
            self.about, self.program, self.args
        )
    }
}

#[async_trait]
impl Step for Service {
    fn phase(&self) -> &'static str {
        self.name
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        let runs = Command::new("systemctl", ["is-active", "--quiet", self.name]);
        Ok(host.holds(self.file(), &self.text()).await? && host.output(&runs).await?.is_ok())
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let changed = host.ensure(self.file(), &self.text(), 0o644).await?;
        start(host, self.name, changed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::step::tests::{act, is_done};
    use crate::node::host::fake::{Fake, failed, ok};

    fn service(args: &str) -> Service {
        Service { name: "kspot-keep", about: "Keeps", args: args.into(), program: "/usr/local/bin/kspot".into() }
    }

    /// A machine with systemd, whose services run once they are restarted.
    fn machine() -> Fake {
        let host = Fake::default();
        host.program("systemctl", |host, command| {
            match command.args[0].as_str() {
                "restart" => host.put("/running", ""),
                "is-active" if host.get("/running").is_none() => return failed(3, ""),
                _ => {}
            }
            ok("")
        });
        host
    }

    /// It is started once, and again only when its file changes; then systemd reads that first.
    #[tokio::test]
    async fn a_service_is_restarted_when_it_changed() {
        let host = machine();
        assert!(!is_done(&service("node keep"), &host).await);
        host.ran();
        act(&service("node keep"), &host).await.unwrap();
        let verbs = |host: &Fake| -> Vec<String> {
            host.ran().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
        };
        assert_eq!(verbs(&host), ["daemon-reload", "enable", "is-active", "restart"]);
        let unit = host.get("/etc/systemd/system/kspot-keep.service").unwrap();
        assert!(unit.contains("ExecStart=/usr/local/bin/kspot node keep\n"), "{unit}");
        assert!(is_done(&service("node keep"), &host).await);
        host.ran();
        act(&service("node keep"), &host).await.unwrap();
        assert_eq!(verbs(&host), ["enable", "is-active"]);
        assert!(!is_done(&service("node keep --more"), &host).await);
        host.ran();
        act(&service("node keep --more"), &host).await.unwrap();
        assert_eq!(verbs(&host), ["daemon-reload", "enable", "is-active", "restart"]);
    }

    /// One that ended is started again.
    #[tokio::test]
    async fn a_service_that_ended_is_started() {
        let host = machine();
        act(&service("node keep"), &host).await.unwrap();
        host.take("/running");
        assert!(!is_done(&service("node keep"), &host).await);
        act(&service("node keep"), &host).await.unwrap();
        assert!(is_done(&service("node keep"), &host).await);
    }
}
