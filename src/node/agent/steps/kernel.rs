//! The kernel as Kubernetes needs it: modules, settings, no swap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::host::{Command, Host};

/// What containers and the network of pods need.
const MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const MODULES_FILE: &str = "/etc/modules-load.d/kspot.conf";
const SETTINGS_FILE: &str = "/etc/sysctl.d/99-kspot.conf";

/// Without these no pod is reached, or the kubelet refuses to start (`protectKernelDefaults`).
const NEEDED: [(&str, &str); 7] = [
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("net.bridge.bridge-nf-call-ip6tables", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
    ("net.ipv4.ip_forward", "1"),
    ("vm.overcommit_memory", "1"),
    ("vm.panic_on_oom", "0"),
];

/// These keep a node with many pods well; a kernel without them still makes a node.
const WANTED: [(&str, &str); 3] = [
    ("fs.inotify.max_user_instances", "8192"),
    ("fs.inotify.max_user_watches", "524288"),
    ("vm.max_map_count", "262144"),
];

/// Modules and settings, now and after a reboot; the spec's settings (`name=value`) on top.
pub struct Kernel {
    /// The spec's settings.
    pub sysctls: Vec<String>,
    /// Whether packets of IPv6 are forwarded.
    pub ipv6: bool,
}

impl Kernel {
    /// What must hold, and what should.
    fn settings(&self) -> Result<(BTreeMap<String, String>, BTreeMap<String, String>)> {
        let own = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (mut needed, mut wanted): (BTreeMap<_, _>, BTreeMap<String, String>) = (own(&NEEDED), own(&WANTED));
        if self.ipv6 {
            needed.insert("net.ipv6.conf.all.forwarding".to_owned(), "1".to_owned());
        }
        for line in &self.sysctls {
            let odd = || Error::failed(format!("{line:?} among spec.sysctlParameters is not name=value"));
            let (name, value) = line.split_once('=').ok_or_else(odd)?;
            let name = name.trim().replace('/', ".");
            wanted.remove(&name);
            needed.insert(name, value.trim().to_owned());
        }
        Ok((needed, wanted))
    }
}

/// The file of a setting below `/proc/sys`.
fn file(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

async fn is_set(host: &dyn Host, name: &str, value: &str) -> Result<bool> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    Ok(host.text(file(name)).await?.is_some_and(|now| words(&now) == words(value)))
}

async fn is_loaded(host: &dyn Host, module: &str) -> Result<bool> {
    Ok(match module {
        "overlay" => host.text("/proc/filesystems").await?.is_some_and(|all| all.contains("overlay")),
        _ => host.exists(Path::new("/proc/sys/net/bridge")).await?,
    })
}

async fn swaps(host: &dyn Host) -> Result<bool> {
    Ok(host.text("/proc/swaps").await?.is_some_and(|all| all.lines().count() > 1))
}

#[async_trait]
impl Step for Kernel {
    fn phase(&self) -> &'static str {
        "kernel"
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        let (needed, wanted) = self.settings()?;
        for module in MODULES {
            if !is_loaded(host, module).await? {
                return Ok(false);
            }
        }
        for (name, value) in &needed {
            if !is_set(host, name, value).await? {
                return Ok(false);
            }
        }
        Ok(!swaps(host).await?
            && host.holds(MODULES_FILE, &modules_text()).await?
            && host.holds(SETTINGS_FILE, &settings_text(&needed, &wanted)).await?)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        host.ensure(MODULES_FILE, &modules_text(), 0o644).await?;
        for module in MODULES {
            if !is_loaded(host, module).await? {
                host.run(&Command::new("modprobe", [module])).await?;
            }
        }
        let (needed, wanted) = self.settings()?;
        host.ensure(SETTINGS_FILE, &settings_text(&needed, &wanted), 0o644).await?;
        for (name, value) in &needed {
            if !is_set(host, name, value).await? {
                host.rewrite(&file(name), value.as_bytes()).await?;
            }
        }
        for (name, value) in &wanted {
            if !is_set(host, name, value).await?
                && let Err(e) = host.rewrite(&file(name), value.as_bytes()).await
            {
                tracing::warn!(name, value, error = e.line(), "a kernel setting stays as it is");
            }
        }
        if swaps(host).await? {
            host.run(&Command::new("swapoff", ["--all"])).await?;
        }
        Ok(())
    }
}

fn modules_text() -> String {
    MODULES.iter().map(|m| format!("{m}\n")).collect()
}

fn settings_text(needed: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> String {
    // A dash lets a setting that the kernel lacks pass.
    let wanted = wanted.iter().map(|(name, value)| format!("-{name} = {value}\n"));
    needed.iter().map(|(name, value)| format!("{name} = {value}\n")).chain(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::agent::step::tests::{act, is_done};
    use crate::node::host::fake::Fake;

    fn fresh() -> Fake {
        let host = Fake::default();
        host.put("/proc/filesystems", "nodev\toverlay\n");
        host.put("/proc/swaps", "Filename Type Size Used Priority\n");
        host.put("/proc/sys/net/ipv4/ip_forward", "0\n");
        host.program("modprobe", |host, _| {
            host.put("/proc/sys/net/bridge/bridge-nf-call-iptables", "0\n");
            crate::node::host::fake::ok("")
        });
        host
    }

    /// What is missing is loaded and set, once; the spec's settings win.
    #[tokio::test]
    async fn the_kernel_is_made_ready() {
        let step = Kernel {
            sysctls: vec!["net.core.somaxconn=4096".into(), "vm.max_map_count = 1048576".into()],
            ipv6: false,
        };
        let host = fresh();
        assert!(!is_done(&step, &host).await);
        act(&step, &host).await.unwrap();
        assert!(is_done(&step, &host).await);
        assert_eq!(host.ran(), ["modprobe br_netfilter"]);
        assert_eq!(host.get("/proc/sys/net/core/somaxconn").unwrap(), "4096");
        assert_eq!(host.get("/proc/sys/vm/max_map_count").unwrap(), "1048576");
        host.put("/proc/sys/net/ipv4/ip_forward", "0\n");
        assert!(!is_done(&step, &host).await, "somebody switched forwarding off");
    }

    /// A kernel that lacks what is only wanted makes a node; one that lacks what is needed does not.
    #[tokio::test]
    async fn what_is_needed_and_what_is_wanted() {
        let step = Kernel { sysctls: Vec::new(), ipv6: false };
        let host = fresh();
        host.fail(Some("/proc/sys/fs/inotify"));
        act(&step, &host).await.unwrap();
        host.fail(Some("/proc/sys/vm/overcommit_memory"));
        let host = fresh();
        host.fail(Some("/proc/sys/vm/overcommit_memory"));
        assert!(act(&step, &host).await.unwrap_err().chain().contains("overcommit_memory"));
        let odd = Kernel { sysctls: vec!["nonsense".into()], ipv6: false };
        assert!(act(&odd, &fresh()).await.unwrap_err().chain().contains("\"nonsense\""));
    }

    /// Swap is switched off.
    #[tokio::test]
    async fn swap_goes() {
        let host = fresh();
        host.put("/proc/swaps", "Filename\n/swap.img file 1 0 -2\n");
        act(&Kernel { sysctls: Vec::new(), ipv6: true }, &host).await.unwrap();
        assert_eq!(host.ran(), ["modprobe br_netfilter", "swapoff --all"]);
    }
}
