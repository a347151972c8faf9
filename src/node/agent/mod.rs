//! `kspot node boot`: from a blank machine to a node.
//!
//! * [`step`]: what a step is, and the walk over them. [`steps`]: the steps, one per file.
//! * [`report`]: how far the boot is.
//! * [`control_plane`] and [`worker`]: which steps, in which order. [`attachment`]: etcd's volumes, as EC2 has them.
//! * [`install`]: the service that boots the machine, at its first start and at every other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cloud::aws::metadata::{Metadata, metadata};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::node::boot::Boot;
use crate::node::configuration::Configuration;
use crate::node::documents;
use crate::node::host::{Host, machine::Machine};
use report::Reporter;
use step::{Step, until};

pub mod attachment;
pub mod control_plane;
pub mod install;
pub mod report;
pub mod step;
pub mod steps;
pub mod worker;

/// What every step of a boot may use.
pub struct Birth {
    /// What the user data said.
    pub boot: Boot,
    /// Where it stands.
    pub file: PathBuf,
    /// Time and ids.
    pub context: Context,
    /// The machine, as EC2 made it.
    pub metadata: Metadata,
    /// The machine, as its steps see it.
    pub host: Arc<dyn Host>,
    /// Who hears how far it is.
    pub report: Reporter,
}

/// Boots this machine; returns when it is a node. `console` gets a line per phase.
pub async fn run(file: &Path, context: Context, console: impl Fn(&str) + Send + Sync + 'static) -> Result<()> {
    let boot = documents::boot(file)?;
    let console: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(console);
    let unnamed = Reporter::new(context.clone(), "unknown", to(&console));
    let metadata = until("metadata", &unnamed, metadata).await;
    let report = Reporter::new(context.clone(), &metadata.instance, to(&console));
    let birth = Birth { boot, file: file.to_owned(), context, metadata, host: Arc::new(Machine), report };
    match birth.boot.role.as_str() {
        "control-plane" => control_plane::boot(&birth).await?,
        "node" => worker::boot(&birth).await?,
        other => return Err(Error::failed(format!("{}: a machine of role {other} boots nothing", file.display()))),
    }
    birth.report.over().await;
    Ok(())
}

fn to(console: &Arc<dyn Fn(&str) + Send + Sync>) -> impl Fn(&str) + Send + Sync + 'static {
    let console = Arc::clone(console);
    move |line| console(line)
}

/// The steps that every machine takes before it has anything of Kubernetes.
pub fn host_steps(configuration: &Configuration) -> Vec<Box<dyn Step>> {
    let host = &configuration.host;
    vec![
        Box::new(steps::kernel::Kernel { sysctls: host.sysctls.clone(), ipv6: configuration.network.ipv6 }),
        Box::new(steps::packages::Packages {
            extra: host.packages.clone(),
            manage_time: host.manage_time,
            updates: host.update_policy,
        }),
        Box::new(steps::downloads::Downloads { assets: configuration.assets.clone(), root: PathBuf::from("/") }),
        Box::new(steps::runtime::Runtime { settings: configuration.container_runtime.clone() }),
    ]
}

impl Birth {
    /// Of a machine that has booted before; nobody hears of it.
    pub async fn again(file: &Path, context: Context) -> Result<Self> {
        let metadata = metadata().await?;
        let report = Reporter::new(context.clone(), &metadata.instance, |_| {});
        Ok(Birth {
            boot: documents::boot(file)?,
            file: file.to_owned(),
            context,
            metadata,
            host: Arc::new(Machine),
            report,
        })
    }

    /// The service that keeps the machine in touch with the control plane.
    pub fn keeper(&self) -> steps::services::Service {
        steps::services::Service {
            name: "kspot-keep",
            about: "Keeps this machine in touch with the control plane",
            args: format!("node keep --config {}", self.file.display()),
            program: install::PROGRAM.to_owned(),
        }
    }
}

#[cfg(test)]
/// What tests of those who use a machine share.
pub mod tests {
    use super::*;

    /// A machine of the control plane, and of workers, that booted a while ago.
    pub fn birth(host: Arc<dyn Host>, now: &str) -> Birth {
        let context = Context::fixed(now.parse().unwrap(), "root", "i-1");
        let boot = serde_json::json!({
            "apiVersion": "kspot.io/v1alpha1", "kind": "Boot", "cluster": "ha.example.com", "group": "g", "role": "node",
            "region": "us-east-1",
            "configuration": {"key": "k", "sha256": "s"},
            "controller": {
                "name": "kspot-controller.internal.ha.example.com", "port": 3988,
                "certificateAuthority": crate::node::boot::AUTHORITY,
            },
        });
        Birth {
            boot: serde_json::from_value(boot).unwrap(),
            file: crate::node::boot::PATH.into(),
            report: Reporter::new(context.clone(), "i-1", |_| {}),
            context,
            metadata: Metadata {
                instance: "i-1".into(),
                zone: "us-east-1a".into(),
                address: "172.20.0.10".parse().unwrap(),
                lifecycle: "spot".into(),
                instance_type: "m5.large".into(),
            },
            host,
        }
    }
}
