//! The control plane's static pods, made by kubeadm with our authorities and the etcd beside it. Every machine of the
//! control plane does the same; none is first.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::authentication;
use super::keys::{PKI, is_due};
use crate::cloud::aws::metadata::Metadata;
use crate::context::Context as Time;
use crate::error::{Context, Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::configuration::{Configuration, ControlPlane};
use crate::node::etcd::manifest::{MANIFESTS, PKI as ETCD_PKI};
use crate::node::host::{Command, Host};
use crate::spec::KubernetesVersion;

const CONFIG: &str = "/etc/kubernetes/kubeadm.yaml";
const AUTHENTICATION: &str = "/etc/kubernetes/authentication.yaml";
const PATCHES: &str = "/etc/kubernetes/patches";
const SUPER_ADMIN: &str = "/etc/kubernetes/super-admin.conf";
const KUBEADM: &str = "/usr/local/bin/kubeadm";
/// Says that everything was made to its end; from certificates alone nobody sees that a pod was not told of its new one.
const MADE: &str = "/var/lib/kspot/control-plane-made";

/// Certificates that kubeadm makes.
const CERTIFICATES: [&str; 3] = ["apiserver", "apiserver-kubelet-client", "front-proxy-client"];
/// Kubeconfigs that kubeadm makes; the kubelet's is ours.
const KUBECONFIGS: [&str; 3] = ["controller-manager", "scheduler", "super-admin"];
const PODS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The API server, the controller manager and the scheduler.
pub struct ControlPlanePods {
    /// The machine's configuration.
    pub configuration: Configuration,
    /// Its part for the control plane.
    pub control_plane: ControlPlane,
    /// The machine.
    pub metadata: Metadata,
    /// The load balancer's name, which the API server answers to as well.
    pub balancer: Option<String>,
    /// Where machines reach the API server: host and port.
    pub endpoint: String,
    /// The time.
    pub time: Time,
}

impl ControlPlanePods {
    fn config(&self) -> Result<String> {
        let (c, cp) = (&self.configuration, &self.control_plane);
        let etcd: Vec<String> = cp.etcd.iter().filter(|e| e.name == "main").map(url).collect();
        let names = cp
            .certificate_names
            .iter()
            .cloned()
            .chain([self.metadata.address.to_string()])
            .chain(self.balancer.clone());
        let names: std::collections::BTreeSet<String> = names.collect();
        let init = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": self.metadata.address, "bindPort": c.api.port},
            "patches": {"directory": PATCHES},
            "nodeRegistration": {
                "name": self.metadata.instance,
                "criSocket": format!("unix://{}", super::runtime::SOCKET),
            },
        });
        let mut cluster = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "clusterName": c.cluster,
            "kubernetesVersion": format!("v{}", c.kubernetes_version),
            "controlPlaneEndpoint": self.endpoint,
            "certificatesDir": PKI,
            "encryptionAlgorithm": "ECDSA-P256",
            "networking": {"serviceSubnet": c.network.service_cidr, "dnsDomain": c.network.dns_domain},
            "etcd": {"external": {
                "endpoints": etcd,
                "caFile": format!("{ETCD_PKI}/ca.crt"),
                "certFile": format!("{PKI}/apiserver-etcd-client.crt"),
                "keyFile": format!("{PKI}/apiserver-etcd-client.key"),
            }},
            "apiServer": {
                "certSANs": names,
                "extraArgs": flags(self.api_server()),
                "extraVolumes": self.volumes(),
            },
            "controllerManager": {"extraArgs": flags(self.controller_manager())},
            "scheduler": {"extraArgs": flags(self.scheduler())},
        });
        if let (Some(pods), Some(networking)) =
            (&c.network.pod_cidr, cluster.get_mut("networking").and_then(Value::as_object_mut))
        {
            networking.insert("podSubnet".to_owned(), pods.clone().into());
        }
        if let (Some(registry), Some(cluster)) = (self.registry(), cluster.as_object_mut()) {
            // kubeadm knows that CoreDNS is one level deeper in its own registry only.
            cluster.insert("dns".to_owned(), json!({"imageRepository": format!("{registry}/coredns")}));
            cluster.insert("imageRepository".to_owned(), registry.into());
        }
        let all = [init, cluster, self.proxy()];
        let texts: Result<Vec<String>> = all
            .iter()
            .map(|d| serde_yaml::to_string(d).context(|| "can't write kubeadm's configuration".to_owned()))
            .collect();
        Ok(texts?.join("---\n"))
    }

    /// What the API server reads and writes on the machine besides its certificates.
    fn volumes(&self) -> Vec<Value> {
        let given = &self.control_plane.api_server;
        let volume = |name: &str, path: &str, read_only: bool, kind: &str| json!({"name": name, "hostPath": path, "mountPath": path, "readOnly": read_only, "pathType": kind});
        let mut all = vec![volume("authentication", AUTHENTICATION, true, "File")];
        if let Some(policy) = &given.audit_policy_file {
            all.push(volume("audit-policy", policy, true, "File"));
        }
        let log = given.audit_log_path.as_deref().filter(|path| *path != "-");
        if let Some(directory) = log.and_then(|path| path.rsplit_once('/')).map(|(directory, _)| directory) {
            all.push(volume("audit-log", directory, false, "DirectoryOrCreate"));
        }
        all
    }

    /// Changes of the pods that kubeadm's configuration has no words for: what they request, and what they are told by
    /// that their kubeconfig is another one, which they do not read again.
    async fn patches(&self, host: &dyn Host) -> Result<Vec<(String, String)>> {
        let (api, manager, scheduler) =
            (&self.control_plane.api_server, &self.control_plane.controller_manager, &self.control_plane.scheduler);
        let pods = [
            ("kube-apiserver", None, [&api.cpu_request, &api.memory_request], api.memory_limit.as_ref()),
            (
                "kube-controller-manager",
                Some("controller-manager"),
                [&manager.cpu_request, &manager.memory_request],
                None,
            ),
            ("kube-scheduler", Some("scheduler"), [&scheduler.cpu_request, &scheduler.memory_request], None),
        ];
        let mut all = Vec::new();
        for (pod, kubeconfig, [cpu, memory], limit) in pods {
            let named = |amounts: &[(&str, Option<String>)]| -> serde_json::Map<String, Value> {
                amounts.iter().filter_map(|(name, amount)| Some(((*name).to_owned(), amount.clone()?.into()))).collect()
            };
            let text = |amount: &Option<crate::spec::quantity::Quantity>| amount.as_ref().map(ToString::to_string);
            let resources = json!({
                "requests": named(&[("cpu", text(cpu)), ("memory", text(memory))]),
                "limits": named(&[("memory", limit.map(ToString::to_string))]),
            });
            let mut annotations = serde_json::Map::new();
            if let Some(name) = kubeconfig {
                let content = host.read(format!("/etc/kubernetes/{name}.conf").as_ref()).await?.unwrap_or_default();
                annotations.insert("kspot.io/kubeconfig".to_owned(), crate::digest::sha256(&content).into());
            }
            let patch = json!({
                "metadata": {"annotations": annotations},
                "spec": {"containers": [{"name": pod, "resources": resources}]},
            });
            all.push((format!("{PATCHES}/{pod}+strategic.json"), patch.to_string()));
        }
        Ok(all)
    }

    /// Where the control plane's images come from, if not from their own registry: etcd's image shows it.
    fn registry(&self) -> Option<String> {
        let image = &self.control_plane.etcd.first()?.image;
        let registry = image.rsplit_once('/')?.0;
        (registry != "registry.k8s.io").then(|| registry.to_owned())
    }

    fn proxy(&self) -> Value {
        let given = &self.configuration.kube_proxy;
        let mut proxy = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": given.proxy_mode.as_deref().unwrap_or("iptables"),
            "featureGates": given.feature_gates,
        });
        if let Some(proxy) = proxy.as_object_mut() {
            if let Some(address) = &given.metrics_bind_address {
                proxy.insert("metricsBindAddress".to_owned(), address.clone().into());
            }
            let conntrack: serde_json::Map<String, Value> =
                [("maxPerCore", given.conntrack_max_per_core), ("min", given.conntrack_min)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
                    .collect();
            if !conntrack.is_empty() {
                proxy.insert("conntrack".to_owned(), conntrack.into());
            }
        }
        proxy
    }

    fn api_server(&self) -> Flags {
        let (given, cp) = (&self.control_plane.api_server, &self.control_plane);
        let mut all = Flags::default();
        let overrides: Vec<String> =
            cp.etcd.iter().filter(|e| e.name != "main").map(|e| format!("/{}#{}", e.name, url(e))).collect();
        all.add("etcd-servers-overrides", (!overrides.is_empty()).then(|| overrides.join(",")));
        all.add("kubelet-certificate-authority", Some(format!("{PKI}/ca.crt")));
        all.add("kubelet-preferred-address-types", Some("InternalIP,Hostname,InternalDNS".to_owned()));
        all.add("profiling", Some("false".to_owned()));
        all.add("service-account-extend-token-expiration", cp.service_accounts.is_none().then(|| "false".to_owned()));
        let plugins =
            std::iter::once("NodeRestriction".to_owned()).chain(given.append_admission_plugins.iter().cloned());
        all.add("enable-admission-plugins", Some(plugins.collect::<Vec<_>>().join(",")));
        all.list("disable-admission-plugins", &given.disable_admission_plugins);
        all.map("feature-gates", &given.feature_gates);
        all.map("runtime-config", &given.runtime_config);
        all.add("v", given.log_level);
        all.add("service-node-port-range", given.service_node_port_range.clone());
        all.add("authentication-config", Some(AUTHENTICATION.to_owned()));
        all.add("audit-policy-file", given.audit_policy_file.clone());
        all.add("audit-log-path", given.audit_log_path.clone());
        all.add("audit-log-maxage", given.audit_log_max_age);
        all.add("audit-log-maxbackup", given.audit_log_max_backups);
        all.add("audit-log-maxsize", given.audit_log_max_size);
        all.add("event-ttl", given.event_ttl);
        all.add("max-requests-inflight", given.max_requests_inflight);
        all.add("max-mutating-requests-inflight", given.max_mutating_requests_inflight);
        all.add("request-timeout", given.request_timeout);
        all.add("goaway-chance", given.goaway_chance.clone());
        all.add("default-not-ready-toleration-seconds", given.default_not_ready_toleration_seconds);
        all.add("default-unreachable-toleration-seconds", given.default_unreachable_toleration_seconds);
        if let Some(accounts) = &cp.service_accounts {
            accounts.issuers.iter().for_each(|issuer| all.add("service-account-issuer", Some(issuer.clone())));
            all.add("service-account-jwks-uri", Some(accounts.jwks_uri.clone()));
            all.list("api-audiences", &accounts.audiences);
        }
        all
    }

    fn controller_manager(&self) -> Flags {
        let given = &self.control_plane.controller_manager;
        let mut all = Flags::default();
        all.add("cloud-provider", Some("external".to_owned()));
        all.add("profiling", Some("false".to_owned()));
        all.map("feature-gates", &given.feature_gates);
        all.add("v", given.log_level);
        all.add("node-monitor-period", given.node_monitor_period);
        all.add("node-monitor-grace-period", given.node_monitor_grace_period);
        all.add("node-cidr-mask-size", given.node_cidr_mask_size);
        all.add("terminated-pod-gc-threshold", given.terminated_pod_gc_threshold);
        all.add("horizontal-pod-autoscaler-sync-period", given.horizontal_pod_autoscaler_sync_period);
        all.add(
            "horizontal-pod-autoscaler-downscale-stabilization",
            given.horizontal_pod_autoscaler_downscale_stabilization,
        );
        all.add(
            "horizontal-pod-autoscaler-cpu-initialization-period",
            given.horizontal_pod_autoscaler_cpu_initialization_period,
        );
        all.add("kube-api-qps", given.kube_api_qps);
        all.add("kube-api-burst", given.kube_api_burst);
        all
    }

    fn scheduler(&self) -> Flags {
        let given = &self.control_plane.scheduler;
        let mut all = Flags::default();
        all.add("profiling", Some("false".to_owned()));
        all.map("feature-gates", &given.feature_gates);
        all.add("v", given.log_level);
        all.add("kube-api-qps", given.kube_api_qps);
        all.add("kube-api-burst", given.kube_api_burst);
        all
    }

    fn authentication(&self) -> Result<String> {
        let version: KubernetesVersion = self.configuration.kubernetes_version.parse().map_err(Error::failed)?;
        let file = authentication::document(version, &self.control_plane.api_server);
        serde_yaml::to_string(&file).context(|| "can't write the API server's authentication".to_owned())
    }

    async fn runs(&self, host: &dyn Host, what: &str) -> Result<()> {
        let words = what.split(' ').chain(["--config", CONFIG]);
        host.run(&Command::new(KUBEADM, ["init", "phase"].into_iter().chain(words))).await.map(|_| ())
    }

    async fn is_whole(&self, host: &dyn Host, now: Timestamp) -> Result<bool> {
        for name in CERTIFICATES {
            let pem = host.text(format!("{PKI}/{name}.crt")).await?;
            if pem.is_none_or(|pem| is_due(&pem, now)) {
                return Ok(false);
            }
        }
        for name in KUBECONFIGS {
            if host.text(format!("/etc/kubernetes/{name}.conf")).await?.is_none() {
                return Ok(false);
            }
        }
        for pod in PODS {
            if host.text(format!("{MANIFESTS}/{pod}.yaml")).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What the API server calls an etcd cluster beside it.
fn url(etcd: &crate::node::configuration::Etcd) -> String {
    format!("https://127.0.0.1:{}", etcd.client_port)
}

/// Flags of a program, in the order in which they were added; one may stand there several times.
#[derive(Default)]
struct Flags(Vec<(&'static str, String)>);

impl Flags {
    fn add(&mut self, name: &'static str, value: Option<impl ToString>) {
        self.0.extend(value.map(|value| (name, value.to_string())));
    }

    fn list(&mut self, name: &'static str, values: &[String]) {
        self.add(name, (!values.is_empty()).then(|| values.join(",")));
    }

    fn map(&mut self, name: &'static str, values: &BTreeMap<String, impl ToString>) {
        let all: Vec<String> = values.iter().map(|(k, v)| format!("{k}={}", v.to_string())).collect();
        self.list(name, &all);
    }
}

fn flags(flags: Flags) -> Vec<Value> {
    flags.0.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

#[async_trait]
impl Step for ControlPlanePods {
    fn phase(&self) -> &'static str {
        "control-plane"
    }

    async fn is_done(&self, host: &dyn Host) -> Result<bool> {
        Ok(host.exists(MADE.as_ref()).await?
            && host.holds(CONFIG, &self.config()?).await?
            && host.holds(AUTHENTICATION, &self.authentication()?).await?
            && self.is_whole(host, self.time.now()).await?)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        host.remove(MADE.as_ref()).await?;
        host.ensure(AUTHENTICATION, &self.authentication()?, 0o600).await?;
        host.ensure(CONFIG, &self.config()?, 0o600).await?;
        // kubeadm keeps what is there, also when it no longer fits: what is made from our authorities is made anew.
        for name in CERTIFICATES {
            host.remove(format!("{PKI}/{name}.crt").as_ref()).await?;
            host.remove(format!("{PKI}/{name}.key").as_ref()).await?;
            self.runs(host, &format!("certs {name}")).await?;
        }
        for name in KUBECONFIGS {
            host.remove(format!("/etc/kubernetes/{name}.conf").as_ref()).await?;
            self.runs(host, &format!("kubeconfig {name}")).await?;
        }
        for (path, text) in self.patches(host).await? {
            host.ensure(path, &text, 0o600).await?;
        }
        self.runs(host, "control-plane all").await?;
        host.replace(MADE.as_ref(), b"", 0o644).await
    }
}

/// What kubeadm keeps in the cluster: its configuration, CoreDNS, kube-proxy.
pub struct ClusterParts {
    /// Whether kube-proxy runs.
    pub proxy: bool,
}

#[async_trait]
impl Step for ClusterParts {
    fn phase(&self) -> &'static str {
        "cluster-parts"
    }

    async fn is_done(&self, _host: &dyn Host) -> Result<bool> {
        Ok(false)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let mut parts = vec!["upload-config kubeadm", "addon coredns"];
        parts.extend(self.proxy.then_some("addon kube-proxy"));
        for part in parts {
            let words = part.split(' ').chain(["--config", CONFIG, "--kubeconfig", SUPER_ADMIN]);
            let done = host.run(&Command::new(KUBEADM, ["init", "phase"].into_iter().chain(words))).await;
            done.map_err(|e| Error::failed(format!("kubeadm's {part} is not in the cluster")).because(e))?;
        }
        Ok(())
    }
}
