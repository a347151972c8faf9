//! The kubelet: its settings, its service.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::services;
use crate::cloud::aws::metadata::Metadata;
use crate::error::{Context, Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::configuration::Configuration;
use crate::node::host::{Command, Host};
use crate::node::labels::kubelet_may_set;
use crate::spec::Taint;
use crate::spec::duration::GoDuration;

/// Where its certificates are.
pub const PKI: &str = "/var/lib/kubelet/pki";
/// The certificate by which the API server knows it, without the file's ending.
pub const CLIENT: &str = "kubelet-client";
/// The certificate that it shows, without the file's ending.
pub const SERVER: &str = "kubelet";

/// The authorities that it trusts.
pub const AUTHORITIES: &str = "/etc/kubernetes/pki/ca.crt";

const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
const UNIT: &str = "/etc/systemd/system/kubelet.service";
const CREDENTIALS: &str = "/etc/kubernetes/credential-provider.yaml";
/// The name servers behind the stub of systemd-resolved.
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
const PROGRAMS: &str = "/usr/local/bin";
/// How long the machine waits for its pods when it is switched off. The kubelet writes such a file itself, and gives up if
/// another one, whose name comes later, allows less: unattended-upgrades' does, on the images of Ubuntu and Debian
/// (<https://github.com/kubernetes/kubernetes/issues/102818>). The last one counts.
const LOGIND: &str = "/etc/systemd/logind.conf.d/zz-kspot.conf";

/// The kubelet of this machine.
pub struct Kubelet {
    /// The machine's configuration.
    pub configuration: Configuration,
    /// The machine.
    pub metadata: Metadata,
    /// The API server, as the kubelet reaches it.
    pub server: String,
}

impl Kubelet {
    /// Every file with its content and mode.
    async fn files(&self, host: &dyn Host) -> Result<Vec<(&'static str, String, u32)>> {
        // Ubuntu's machines resolve through a stub on loopback, which pods can't reach.
        let stub = host.exists(Path::new(RESOLVED)).await?;
        let yaml =
            |value: &Value| serde_yaml::to_string(value).context(|| "can't write the kubelet's settings".to_owned());
        let settings = self.settings(stub)?;
        let mut files = vec![
            (CONFIG, yaml(&settings)?, 0o600),
            (KUBECONFIG, yaml(&self.kubeconfig())?, 0o600),
            (UNIT, self.unit(), 0o644),
        ];
        if let Some(seconds) = shutdown_seconds(&settings) {
            files.push((LOGIND, format!("[Login]\nInhibitDelayMaxSec={seconds}\n"), 0o644));
        }
        if self.pulls_from_ecr() {
            files.push((CREDENTIALS, yaml(&credentials())?, 0o644));
        }
        Ok(files)
    }

    fn pulls_from_ecr(&self) -> bool {
        self.configuration.assets.iter().any(|a| a.name == "ecr-credential-provider")
    }

    fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": {
                "certificate-authority": AUTHORITIES,
                "server": self.server,
                "tls-server-name": self.configuration.api.internal_name,
            }}],
            "users": [{"name": "kubelet", "user": {
                "client-certificate": format!("{PKI}/{CLIENT}.crt"),
                "client-key": format!("{PKI}/{CLIENT}.key"),
            }}],
            "contexts": [{"name": "kubelet", "context": {"cluster": "kubernetes", "user": "kubelet"}}],
            "current-context": "kubelet",
        })
    }

    fn settings(&self, stub: bool) -> Result<Value> {
        let taints: Vec<Value> = self.configuration.taints.iter().map(taint).collect();
        let mut all = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": AUTHORITIES},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "systemd",
            "clusterDNS": [self.configuration.network.dns_address],
            "clusterDomain": self.configuration.network.dns_domain,
            "containerRuntimeEndpoint": format!("unix://{}", super::runtime::SOCKET),
            "eventRecordQPS": 5,
            "evictionHard": {
                "imagefs.available": "15%",
                "memory.available": "100Mi",
                "nodefs.available": "10%",
                "nodefs.inodesFree": "5%",
            },
            "podPidsLimit": 4096,
            "protectKernelDefaults": true,
            "providerID": format!("aws:///{}/{}", self.metadata.zone, self.metadata.instance),
            "readOnlyPort": 0,
            "registerWithTaints": taints,
            "seccompDefault": true,
            // Each pod of a new machine would wait for the images of the one before it.
            "serializeImagePulls": false,
            // Fits into the two minutes that a spot instance is given.
            "shutdownGracePeriod": "90s",
            "shutdownGracePeriodCriticalPods": "30s",
            "staticPodPath": crate::node::etcd::manifest::MANIFESTS,
            "streamingConnectionIdleTimeout": "4h0m0s",
            "tlsCertFile": format!("{PKI}/{SERVER}.crt"),
            "tlsPrivateKeyFile": format!("{PKI}/{SERVER}.key"),
        });
        let given = self.configuration.kubelet.as_object().cloned().unwrap_or_default();
        if let Some(all) = all.as_object_mut() {
            if stub {
                all.insert("resolvConf".to_owned(), RESOLVED.into());
            }
            if self.configuration.control_plane.is_some() {
                // Static pods start before there is an API server to tell of them: it hears of them at the next sync.
                all.insert("syncFrequency".to_owned(), "10s".into());
            }
            for (name, value) in given {
                set(all, &name, value)?;
            }
        }
        Ok(all)
    }

    fn labels(&self) -> BTreeMap<&str, &str> {
        let given = self.configuration.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let mut all: BTreeMap<&str, &str> = given.filter(|(key, _)| kubelet_may_set(key)).collect();
        // What was bought, not what the group asks for: a mixed group has both.
        all.insert(crate::model::tags::LIFECYCLE, &self.metadata.lifecycle);
        all
    }

    fn unit(&self) -> String {
        let labels: Vec<String> = self.labels().iter().map(|(k, v)| format!("{k}={v}")).collect();
        let level = self.configuration.kubelet.get("logLevel").and_then(Value::as_u64).unwrap_or(2);
        let mut flags = vec![
            format!("--config={CONFIG}"),
            format!("--kubeconfig={KUBECONFIG}"),
            format!("--hostname-override={}", self.metadata.instance),
            format!("--node-ip={}", self.metadata.address),
            "--cloud-provider=external".to_owned(),
            format!("--node-labels={}", labels.join(",")),
            format!("--v={level}"),
        ];
        if self.pulls_from_ecr() {
            flags.push(format!("--image-credential-provider-config={CREDENTIALS}"));
            flags.push(format!("--image-credential-provider-bin-dir={PROGRAMS}"));
        }
        format!(
            "[Unit]\nDescription=kubelet, the node agent of Kubernetes\nDocumentation=https://kubernetes.io/docs/\n\
             Wants=network-online.target\nAfter=network-online.target containerd.service\nStartLimitIntervalSec=0\n\n\
             [Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart={PROGRAMS}/kubelet \\\n  {} \\\n  \
             $KUBELET_EXTRA_ARGS\nRestart=always\nRestartSec=2\nKillMode=process\n\
             OOMScoreAdjust=-999\n\n[Install]\nWantedBy=multi-user.target\n",
            flags.join(" \\\n  ")
        )
    }
}

/// How many seconds the kubelet takes to end its pods when the machine is switched off; none if it takes no time.
fn shutdown_seconds(settings: &Value) -> Option<u64> {
    let period: GoDuration = settings["shutdownGracePeriod"].as_str()?.parse().ok()?;
    Some(period.to_std().as_millis().div_ceil(1000)).filter(|seconds| *seconds > 0)?.try_into().ok()
}

fn taint(taint: &Taint) -> Value {
    json!({"key": taint.key, "value": taint.value, "effect": taint.effect.as_str()})
}

fn credentials() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [{
            "name": "ecr-credential-provider",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "matchImages": [
                "*.dkr.ecr.*.amazonaws.com",
                "*.dkr.ecr.*.amazonaws.com.cn",
                "*.dkr.ecr-fips.*.amazonaws.com",
            ],
            "defaultCacheDuration": "12h",
            "args": ["get-credentials"],
        }],
    })
}

/// A setting of the spec, as KubeletConfiguration has it: mostly by the same name; what was a list in a flag is a map.
fn set(all: &mut Map<String, Value>, name: &str, value: Value) -> Result<()> {
    let name = match name {
        "logLevel" | "anonymousAuth" => return Ok(()),
        "imageMinimumGCAge" | "imageMaximumGCAge" | "imageGCHighThresholdPercent" | "imageGCLowThresholdPercent" => {
            name
        }
        "registryPullQPS" | "kubeAPIQPS" | "kubeAPIBurst" | "cpuCFSQuota" | "cpuCFSQuotaPeriod" => name,
        "eventQPS" => "eventRecordQPS",
        "resolvConf" => "resolvConf",
        "maxParallelImagePulls" => "maxParallelImagePulls",
        "memorySwapBehavior" => {
            all.insert("memorySwap".to_owned(), json!({"swapBehavior": value}));
            return Ok(());
        }
        "enforceNodeAllocatable" => {
            let list: Vec<&str> = value.as_str().unwrap_or_default().split(',').map(str::trim).collect();
            all.insert(name.to_owned(), json!(list));
            return Ok(());
        }
        "evictionHard" | "evictionSoft" => return thresholds(all, name, &value, '<'),
        "evictionSoftGracePeriod" | "evictionMinimumReclaim" => return thresholds(all, name, &value, '='),
        other => other,
    };
    all.insert(name.to_owned(), value);
    Ok(())
}

fn thresholds(all: &mut Map<String, Value>, name: &str, value: &Value, between: char) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    let mut map = Map::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let odd = || Error::failed(format!("{part:?} in spec.kubelet.{name} is not name{between}amount"));
        let (signal, amount) = part.split_once(between).ok_or_else(odd)?;
        map.insert(signal.trim().to_owned(), amount.trim().into());
    }
    all.insert(name.to_owned(), map.into());
    Ok(())
}

#[async_trait]
impl Step for Kubelet {
    fn phase(&self) -> &'static str {
        "kubelet"
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        for (path, text, _) in self.files(host).await? {
            if !host.holds(path, &text).await? {
                return Ok(false);
            }
        }
        Ok(host.output(&Command::new("systemctl", ["is-active", "--quiet", "kubelet"])).await?.is_ok())
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let mut changed = false;
        for (path, text, mode) in self.files(host).await? {
            changed |= host.ensure(path, &text, mode).await?;
        }
        host.directory(crate::node::etcd::manifest::MANIFESTS.as_ref(), 0o700).await?;
        services::start(host, "kubelet", changed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine waits at least as long as the kubelet takes, whatever the spec says of that.
    #[test]
    fn machines_wait_for_their_pods() {
        for (period, seconds) in
            [(json!("90s"), Some(90)), (json!("1m30.5s"), Some(91)), (json!("0s"), None), (Value::Null, None)]
        {
            assert_eq!(shutdown_seconds(&json!({"shutdownGracePeriod": period})), seconds, "{period}");
        }
    }
}
