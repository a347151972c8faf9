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
            "[Unit]\nDescription={}\nWants=network-online.target\nAfter=network-online.target\n\n\
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
