//! The service that boots the machine: user data runs once in a machine's life, the service at every start.

use std::path::Path;

use crate::error::Result;
use crate::node::host::{Command, Host};

/// Where the user data puts the agent.
pub const PROGRAM: &str = "/opt/kspot/bin/kspot";

/// Its name.
const SERVICE: &str = "kspot-boot";
const UNIT: &str = "/etc/systemd/system/kspot-boot.service";

/// Installs the service and starts it; does not wait for it.
pub async fn install(host: &dyn Host, config: &Path) -> Result<()> {
    if host.ensure(UNIT, &unit(config), 0o644).await? {
        host.run(&Command::new("systemctl", ["daemon-reload"])).await?;
    }
    host.run(&Command::new("systemctl", ["enable", "--quiet", SERVICE])).await?;
    host.run(&Command::new("systemctl", ["start", "--no-block", SERVICE])).await?;
    Ok(())
}

fn unit(config: &Path) -> String {
    format!(
        "[Unit]\nDescription=Makes this machine a node of its Kubernetes cluster\nWants=network-online.target\n\
         After=network-online.target\nStartLimitIntervalSec=0\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={PROGRAM} node boot --config {}\n\
         StandardOutput=journal+console\nStandardError=journal+console\nRestart=on-failure\nRestartSec=5\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        config.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::host::fake::Fake;

    /// The first boot installs the service, a second one only starts it.
    #[tokio::test]
    async fn the_service_is_installed() {
        let host = Fake::default();
        install(&host, Path::new("/etc/kspot/boot.yaml")).await.unwrap();
        assert!(
            host.get(UNIT)
                .unwrap()
                .contains("ExecStart=/opt/kspot/bin/kspot node boot --config /etc/kspot/boot.yaml\n")
        );
        assert_eq!(host.ran()[0], "systemctl daemon-reload");
        install(&host, Path::new("/etc/kspot/boot.yaml")).await.unwrap();
        assert_eq!(host.ran(), ["systemctl enable --quiet kspot-boot", "systemctl start --no-block kspot-boot"]);
    }
}
