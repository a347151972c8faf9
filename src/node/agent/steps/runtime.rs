//! containerd: its settings, its service, and that it answers.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::host::{Command, Host};

const CONFIG: &str = "/etc/containerd/config.toml";
const UNIT: &str = "/etc/systemd/system/containerd.service";

/// Where mirrors of registries are named, a directory each.
pub const REGISTRIES: &str = "/etc/containerd/certs.d";

/// The socket that the kubelet speaks to.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

const UNIT_TEXT: &str = "\
[Unit]
Description=containerd, the container runtime
Documentation=https://containerd.io
After=network.target local-fs.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=2
LimitNOFILE=infinity
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
";

/// The runtime with the configuration's settings.
pub struct Runtime {
    /// `containerRuntime` of the configuration.
    pub settings: Value,
}

impl Runtime {
    /// Every file with its content.
    fn files(&self) -> Result<Vec<(String, String)>> {
        let mut files = vec![(CONFIG.to_owned(), self.config()?), (UNIT.to_owned(), UNIT_TEXT.to_owned())];
        let mirrors = self.settings.get("registryMirrors").and_then(Value::as_object);
        for (registry, mirrors) in mirrors.into_iter().flatten() {
            let hosts = mirrors.as_array().into_iter().flatten().filter_map(Value::as_str);
            let text: String =
                hosts.map(|m| format!("[host.{}]\ncapabilities = [\"pull\", \"resolve\"]\n", quoted(m))).collect();
            // containerd's name of the registry that stands for all others.
            let directory = if registry == "*" { "_default" } else { registry };
            if directory.contains('/') || directory.starts_with('.') {
                return Err(Error::failed(format!("{registry:?} in containerd.registryMirrors is no registry's host")));
            }
            files.push((format!("{REGISTRIES}/{directory}/hosts.toml"), text));
        }
        Ok(files)
    }

    fn config(&self) -> Result<String> {
        let text = |name: &str| self.settings.get(name).and_then(Value::as_str);
        let sandbox = text("sandboxImage").ok_or_else(|| Error::failed("the configuration names no sandbox image"))?;
        let level = text("logLevel").unwrap_or("info");
        Ok(format!(
            "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n\n[debug]\nlevel = {}\n\n\
             [plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = {}\n\n\
             [plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = {}\n\n\
             [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
             [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n\
             BinaryName = \"/usr/local/sbin/runc\"\nSystemdCgroup = true\n",
            quoted(level),
            quoted(sandbox),
            quoted(REGISTRIES),
        ))
    }
}

/// A basic string of TOML, which JSON's is one of.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[async_trait]
impl Step for Runtime {
    fn phase(&self) -> &'static str {
        "container-runtime"
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        for (path, text) in self.files()? {
            if !host.holds(path, &text).await? {
                return Ok(false);
            }
        }
        let active = host.output(&Command::new("systemctl", ["is-active", "--quiet", "containerd"])).await?;
        Ok(active.is_ok() && host.exists(Path::new(SOCKET)).await?)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let mut changed = false;
        for (path, text) in self.files()? {
            changed |= host.ensure(path, &text, 0o644).await?;
        }
        super::services::start(host, "containerd", changed).await?;
        // It says that it is ready when its socket answers (Type=notify).
        match host.exists(Path::new(SOCKET)).await? {
            true => Ok(()),
            false => Err(Error::failed(format!("containerd runs, but {SOCKET} is not there"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::step::tests::{act, is_done};
    use crate::node::host::fake::{Fake, failed, ok};

    /// The files stand, the service is restarted when they changed and left alone when not.
    #[tokio::test]
    async fn containerd_runs() {
        let settings = serde_json::json!({
            "sandboxImage": "registry.k8s.io/pause:3.10.1",
            "registryMirrors": {"docker.io": ["https://mirror.example.com"], "*": ["https://all.example.com"]},
        });
        let step = Runtime { settings };
        let host = Fake::default();
        host.program("systemctl", |host, command| match command.args[0].as_str() {
            "is-active" if host.get("/run/active").is_none() => failed(3, ""),
            "restart" => {
                host.put("/run/active", "");
                host.put(SOCKET, "");
                ok("")
            }
            _ => ok(""),
        });
        assert!(!is_done(&step, &host).await);
        act(&step, &host).await.unwrap();
        assert!(is_done(&step, &host).await);
        insta::assert_snapshot!(host.get(CONFIG).unwrap());
        assert!(
            host.get("/etc/containerd/certs.d/docker.io/hosts.toml")
                .unwrap()
                .contains("\"https://mirror.example.com\"")
        );
        assert!(host.get("/etc/containerd/certs.d/_default/hosts.toml").is_some());
        host.ran();
        act(&step, &host).await.unwrap();
        assert!(!host.ran().iter().any(|line| line.contains("restart")), "it runs, and nothing changed");
        host.put(CONFIG, "somebody's");
        act(&step, &host).await.unwrap();
        assert!(host.ran().contains(&"systemctl restart containerd".to_owned()));
    }
}
