//! A group's node configuration: everything that its machines need to become nodes, as one YAML document.
//!
//! It is an object of the state store whose name tells its content; the user data names its hash. It holds no secret: a
//! worker gets it from the control plane. What only the control plane needs stands in its own part, so that a change
//! there replaces no worker.

use serde::Serialize;
use serde_json::Value;

use super::assets;
use super::security::{API_PORT, CONTROLLER_PORT};
use super::{Input, tags};
use crate::error::{Context, Result};
use crate::node::configuration::{Api, Cloud, Configuration, Host, Network};
use crate::resource::NodeConfig;
use crate::spec::{InstanceGroup, Role};

mod control_plane;

/// The configuration of a group's machines; none for a bastion, which is no node.
pub(super) fn build(input: &Input<'_>, group: &InstanceGroup) -> Result<Option<NodeConfig>> {
    if group.spec.role == Role::Bastion {
        return Ok(None);
    }
    let spec = &input.cluster.spec;
    let control_plane = group.spec.role == Role::ControlPlane;
    let architecture = &super::launch_template::image(input, group)?.architecture;
    let document = Configuration {
        api_version: crate::spec::API_VERSION.to_owned(),
        kind: "NodeConfiguration".to_owned(),
        cluster: input.cluster.name().to_owned(),
        group: group.name().to_owned(),
        role: group.spec.role.label().to_owned(),
        cloud: Cloud {
            account: input.account.id.clone(),
            partition: input.account.partition.clone(),
            region: input.account.region.clone(),
        },
        kubernetes_version: spec.kubernetes_version().to_string(),
        labels: tags::labels(group),
        taints: group.spec.effective_taints(),
        api: Api {
            internal_name: input.names().internal_api(),
            port: API_PORT,
            controller_name: input.names().controller(),
            controller_port: CONTROLLER_PORT,
        },
        network: network(input),
        kubelet: overlay([
            to_value(&spec.kubelet)?,
            to_value(&spec.control_plane_kubelet.as_ref().filter(|_| control_plane))?,
            to_value(&group.spec.kubelet)?,
        ]),
        container_runtime: container_runtime(input, group)?,
        kube_proxy: spec.kube_proxy.clone().unwrap_or_default(),
        assets: assets::of_group(input, group, architecture),
        host: host(input, group),
        control_plane: control_plane.then(|| control_plane::of(input, group)).transpose()?,
    };
    let text = to_yaml(&document)?;
    Ok(Some(NodeConfig::new(input.cluster.name(), group.spec.role.label(), group.name(), text)))
}

/// The range of service addresses of IPv6 clusters.
const SERVICES_IPV6: &str = "fd00:5e4f:ce::/108";
/// The address of the DNS service in that range.
const DNS_IPV6: &str = "fd00:5e4f:ce::a";

fn network(input: &Input<'_>) -> Network {
    let spec = &input.cluster.spec;
    let services = spec.service_cluster_ip_range();
    let given = spec.kube_dns.as_ref().and_then(|d| d.server_ip).map(|ip| ip.to_string());
    let tenth = std::net::Ipv4Addr::from(u32::from(services.network()).saturating_add(10));
    let ipv6 = spec.is_ipv6();
    Network {
        ipv6,
        vpc_cidrs: spec.network_cidrs().iter().map(ToString::to_string).collect(),
        pod_cidr: (!ipv6).then(|| spec.pod_cidr().to_string()),
        service_cidr: if ipv6 { SERVICES_IPV6.to_owned() } else { services.to_string() },
        dns_address: given.unwrap_or_else(|| if ipv6 { DNS_IPV6.to_owned() } else { tenth.to_string() }),
        dns_domain: spec.cluster_dns_domain().to_owned(),
        flannel_backend: spec.flannel().and_then(|b| serde_json::to_value(b).ok()),
    }
}

fn container_runtime(input: &Input<'_>, group: &InstanceGroup) -> Result<Value> {
    let defaults = serde_json::json!({
        "version": assets::CONTAINERD,
        "sandboxImage": assets::image(input, assets::SANDBOX_IMAGE),
        "runc": { "version": assets::RUNC },
    });
    let mut all = overlay([defaults, to_value(&input.cluster.spec.containerd)?, to_value(&group.spec.containerd)?]);
    // Where it comes from is said once, among the assets.
    if let Some(map) = all.as_object_mut() {
        map.remove("packages");
    }
    Ok(all)
}

fn host(input: &Input<'_>, group: &InstanceGroup) -> Host {
    let spec = &input.cluster.spec;
    let both = |a: &[String], b: &[String]| a.iter().chain(b).cloned().collect();
    Host {
        packages: both(&spec.packages, &group.spec.packages),
        sysctls: both(&spec.sysctl_parameters, &group.spec.sysctl_parameters),
        volume_mounts: group.spec.volume_mounts.clone(),
        update_policy: group.spec.update_policy.or(spec.update_policy).unwrap_or_default(),
        manage_time: spec.ntp.as_ref().and_then(|n| n.managed).unwrap_or(true),
    }
}

fn to_value(part: &impl Serialize) -> Result<Value> {
    serde_json::to_value(part).context(|| "can't write a part of the spec".to_owned())
}

/// Later settings on top of earlier ones; maps are merged, everything else is replaced.
fn overlay(layers: impl IntoIterator<Item = Value>) -> Value {
    fn onto(below: &mut Value, above: Value) {
        match (below, above) {
            (Value::Object(below), Value::Object(above)) => {
                for (key, value) in above {
                    onto(below.entry(key).or_insert(Value::Null), value);
                }
            }
            (_, Value::Null) => {}
            (below, above) => *below = above,
        }
    }
    let mut all = Value::Object(serde_json::Map::new());
    layers.into_iter().for_each(|layer| onto(&mut all, layer));
    all
}

/// A document's text.
pub(super) fn to_yaml(document: &impl Serialize) -> Result<String> {
    serde_yaml::to_string(document).context(|| "can't write a document for the machines".to_owned())
}

#[cfg(test)]
mod tests {
    use super::overlay;
    use serde_json::json;

    /// A group's kubelet setting wins over the cluster's, and what it leaves out stays.
    #[test]
    fn later_settings_win() {
        let all = overlay([
            json!({"maxPods": 110, "kubeReserved": {"cpu": "100m", "memory": "1Gi"}}),
            json!(null),
            json!({"maxPods": 50, "kubeReserved": {"cpu": "200m"}}),
        ]);
        assert_eq!(all, json!({"maxPods": 50, "kubeReserved": {"cpu": "200m", "memory": "1Gi"}}));
    }
}
