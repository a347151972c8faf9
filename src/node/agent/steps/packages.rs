//! What the distribution has to give: packages, the clock, updates.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::host::{Command, Host};
use crate::spec::rolling_update::UpdatePolicy;

/// Programs that Kubernetes calls, by the packages of Debian and Ubuntu that they are in.
const NEEDED: [(&str, &str); 8] = [
    ("conntrack", "/usr/sbin/conntrack"),
    ("e2fsprogs", "/usr/sbin/mkfs.ext4"),
    ("ethtool", "/usr/sbin/ethtool"),
    ("iptables", "/usr/sbin/iptables"),
    ("kmod", "/usr/sbin/modprobe"),
    ("mount", "/usr/bin/mount"),
    ("nftables", "/usr/sbin/nft"),
    ("util-linux", "/usr/sbin/blkid"),
];

/// How long apt may take, which may wait for another apt.
const APT: Duration = Duration::from_secs(600);

const CHRONY: &str = "/etc/chrony/sources.d/kspot.sources";
const TIMESYNCD: &str = "/etc/systemd/timesyncd.conf.d/kspot.conf";
/// Where dpkg notes what it is at; not empty when it was interrupted, and then apt installs nothing.
const INTERRUPTED: &str = "/var/lib/dpkg/updates";

/// What the clock was told: a boot may end between its file and its restart.
const TOLD: &str = "/var/lib/kspot/clock-told";
/// Says last (files are read in order) that nothing is updated by itself.
const NO_UPDATES: &str = "/etc/apt/apt.conf.d/99-kspot";
const NO_UPDATES_TEXT: &str = "APT::Periodic::Enable \"0\";\nAPT::Periodic::Unattended-Upgrade \"0\";\n";

/// Packages, those that the spec adds, the clock, and who updates.
pub struct Packages {
    /// The spec's.
    pub extra: Vec<String>,
    /// Whether the clock follows AWS's.
    pub manage_time: bool,
    /// Whether the machine updates itself.
    pub updates: UpdatePolicy,
}

/// A service that keeps time, and what tells it of AWS's clock.
const CLOCKS: [(&str, &str, &str, &str); 2] = [
    ("/usr/sbin/chronyd", "chrony", CHRONY, "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n"),
    ("/usr/lib/systemd/systemd-timesyncd", "systemd-timesyncd", TIMESYNCD, "[Time]\nNTP=169.254.169.123\n"),
];

impl Packages {
    /// The packages that are not installed.
    async fn missing(&self, host: &dyn Host) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for (package, program) in NEEDED {
            // In Debian 12 both are one directory, in older images not.
            let other = program.trim_start_matches("/usr");
            if !host.exists(Path::new(program)).await? && !host.exists(Path::new(other)).await? {
                missing.push(package.to_owned());
            }
        }
        for package in &self.extra {
            let ask = Command::new("dpkg-query", ["--show", "--showformat=${db:Status-Status}", package]);
            if host.output(&ask).await?.stdout.trim() != "installed" {
                missing.push(package.clone());
            }
        }
        Ok(missing)
    }

    async fn clock(&self, host: &dyn Host) -> Result<Option<(&'static str, &'static str, &'static str)>> {
        for (program, service, file, text) in CLOCKS {
            if self.manage_time && host.exists(Path::new(program)).await? {
                let is_told = host.holds(file, text).await? && host.holds(TOLD, text).await?;
                return Ok((!is_told).then_some((service, file, text)));
            }
        }
        Ok(None)
    }

    async fn updates_are_right(&self, host: &dyn Host) -> Result<bool> {
        Ok(host.exists(Path::new(NO_UPDATES)).await? == (self.updates == UpdatePolicy::External))
    }
}

#[async_trait]
impl Step for Packages {
    fn phase(&self) -> &'static str {
        "packages"
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        Ok(self.updates_are_right(host).await?
            && self.clock(host).await?.is_none()
            && self.missing(host).await?.is_empty())
    }

    async fn act(&self, host: &dyn Host, report: &Reporter) -> Result<()> {
        // First, since the distribution's own updates hold apt's lock.
        match self.updates {
            UpdatePolicy::External => _ = host.ensure(NO_UPDATES, NO_UPDATES_TEXT, 0o644).await?,
            UpdatePolicy::Automatic => host.remove(Path::new(NO_UPDATES)).await?,
        }
        if let Some((service, file, text)) = self.clock(host).await? {
            host.ensure(file, text, 0o644).await?;
            host.run(&Command::new("systemctl", ["try-restart", service])).await?;
            host.ensure(TOLD, text, 0o644).await?;
        }
        let missing = self.missing(host).await?;
        if !missing.is_empty() {
            report.detail(&missing.join(",")).await;
            let apt = |args: &[&str]| {
                let wait = ["-o", "DPkg::Lock::Timeout=300", "-q"];
                Command::new("apt-get", wait.into_iter().chain(args.iter().copied()))
                    .env("DEBIAN_FRONTEND", "noninteractive")
                    .within(APT)
            };
            if !host.list(Path::new(INTERRUPTED)).await?.is_empty() {
                let rest = Command::new("dpkg", ["--configure", "-a"]).env("DEBIAN_FRONTEND", "noninteractive");
                host.run(&rest.within(APT)).await?;
            }
            host.run(&apt(&["update"])).await?;
            let mut install = apt(&["install", "--yes", "--no-install-recommends"]);
            install.args.extend(missing);
            host.run(&install).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::step::tests::{act, is_done};
    use crate::node::host::fake::{Fake, failed, ok};

    fn image() -> Fake {
        let host = Fake::default();
        NEEDED.iter().filter(|(package, _)| *package != "conntrack").for_each(|(_, program)| host.put(program, ""));
        host.put("/usr/sbin/chronyd", "");
        host.program("dpkg-query", |host, _| {
            if host.get("/var/installed").is_some() { ok("installed") } else { failed(1, "no packages found") }
        });
        host.program("apt-get", |host, command| {
            if command.args.contains(&"install".to_owned()) {
                host.put("/usr/sbin/conntrack", "");
                host.put("/var/installed", "");
            }
            ok("")
        });
        host
    }

    /// Only what is missing is installed, in one go; nothing asks the mirror when nothing is missing.
    #[tokio::test]
    async fn missing_packages_are_installed() {
        let step = Packages { extra: vec!["nfs-common".into()], manage_time: true, updates: UpdatePolicy::Automatic };
        let host = image();
        assert!(!is_done(&step, &host).await);
        host.ran();
        act(&step, &host).await.unwrap();
        let ran = host.ran();
        assert_eq!(ran[0], "systemctl try-restart chrony");
        assert!(ran.last().unwrap().ends_with("install --yes --no-install-recommends conntrack nfs-common"), "{ran:?}");
        assert!(is_done(&step, &host).await);
        assert_eq!(host.get(CHRONY).unwrap(), CLOCKS[0].3);
    }

    /// Updates are switched off and on again.
    #[tokio::test]
    async fn who_updates() {
        let host = image();
        let step = |updates| Packages { extra: Vec::new(), manage_time: false, updates };
        act(&step(UpdatePolicy::External), &host).await.unwrap();
        assert!(host.get(NO_UPDATES).unwrap().contains("Unattended-Upgrade \"0\""));
        assert!(!is_done(&step(UpdatePolicy::Automatic), &host).await);
        act(&step(UpdatePolicy::Automatic), &host).await.unwrap();
        assert_eq!(host.get(NO_UPDATES), None);
        assert_eq!(host.get(CHRONY), None, "the clock is somebody else's");
    }
}
