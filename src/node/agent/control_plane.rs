//! The boot of a machine of the control plane. All do the same, at the same time or one after the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;

use super::attachment::{Here, OfEc2};
use super::report::Keeper;
use super::step::{Step, take, until, wait, walk};
use super::steps::etcd::EtcdPods;
use super::steps::keys::Keys;
use super::steps::kubeadm::{ClusterParts, ControlPlanePods};
use super::steps::kubelet::{self, Kubelet};
use super::steps::services::Service;
use super::steps::volumes::{MemberVolume, Volumes};
use super::{Birth, host_steps, install};
use crate::cloud::aws::{AwsCloud, sdk_config};
use crate::error::{Error, Result};
use crate::node::configuration::{Configuration, ControlPlane};
use crate::node::documents;
use crate::node::etcd::client::Client;
use crate::node::https::Trust;
use crate::node::keep;
use crate::state::ClusterStore;
use crate::state::status::BootStatus;

#[async_trait]
impl Keeper for ClusterStore {
    async fn keep(&self, status: &BootStatus) -> Result<()> {
        self.keep_boot(status).await
    }
}

/// Boots it.
pub async fn boot(birth: &Birth) -> Result<()> {
    let store = documents::store(&birth.boot, &birth.context).await?;
    birth.report.kept_by(Arc::new(store.clone()));
    let report = &birth.report;
    let configuration =
        until("configuration", report, async || documents::configuration_in(&store, &birth.boot).await).await;
    let Some(cp) = configuration.control_plane.clone() else {
        return Err(Error::failed("the configuration has no part for the control plane"));
    };
    let aws = AwsCloud::new(&sdk_config(Some(&configuration.cloud.region)).await, &birth.context)?;
    let host = birth.host.as_ref();

    walk(&host_steps(&configuration), host, report).await;
    walk(&member_volumes(birth, &store, &cp, &aws), host, report).await;
    let data_keys = cp
        .key_store_kms_key
        .as_ref()
        .map(|key| -> Box<dyn crate::pki::seal::DataKeys> { Box::new(aws.data_keys(key, &configuration.cluster)) });
    let keys = Keys {
        store: store.clone(),
        data_keys,
        context: birth.context.clone(),
        etcd: cp.etcd.clone(),
        address: birth.metadata.address,
        instance: birth.metadata.instance.clone(),
    };
    take(&keys, host, report).await;
    until("configuration-kept", report, async || keep::remember_configuration(host, &configuration).await).await;
    take(&birth.keeper(), host, report).await;
    // Workers can be let in before there is an API server.
    take(&controller(birth), host, report).await;
    let balancer = match &cp.load_balancer {
        Some(name) => until("load-balancer", report, async || aws.load_balancer_address(name).await).await,
        None => None,
    };
    let pods = ControlPlanePods {
        configuration: configuration.clone(),
        control_plane: cp.clone(),
        metadata: birth.metadata.clone(),
        balancer,
        endpoint: keep::endpoint(&configuration.api.internal_name),
        time: birth.context.clone(),
    };
    let kubelet =
        Kubelet { configuration: configuration.clone(), metadata: birth.metadata.clone(), server: keep::server() };
    let members = EtcdPods { store, etcd: cp.etcd.clone(), address: birth.metadata.address };
    let steps: [Box<dyn Step>; 3] = [Box::new(members), Box::new(pods), Box::new(kubelet)];
    walk(&steps, host, report).await;
    wait("etcd-quorum", report, async || quorum(birth, &cp).await).await;
    wait("api-server", report, async || api_server(birth, &configuration).await).await;
    let proxy = configuration.kube_proxy.enabled.unwrap_or(true);
    take(&ClusterParts { proxy }, host, report).await;
    wait("registered", report, async || registered(birth, &configuration, configuration.api.port).await).await;
    Ok(())
}

fn member_volumes(birth: &Birth, store: &ClusterStore, cp: &ControlPlane, aws: &AwsCloud) -> Vec<Box<dyn Step>> {
    let here = Here {
        cluster: birth.boot.cluster.clone(),
        zone: birth.metadata.zone.clone(),
        instance: birth.metadata.instance.clone(),
    };
    let volumes = Arc::new(OfEc2 { aws: aws.clone(), here });
    let names = |etcd: &crate::node::configuration::Etcd| {
        let mut names: Vec<String> = etcd.members.iter().map(|m| m.name.clone()).collect();
        names.sort();
        (etcd.name.clone(), names)
    };
    let members: BTreeMap<String, Vec<String>> = cp.etcd.iter().map(names).collect();
    let step = |etcd: &crate::node::configuration::Etcd| -> Box<dyn Step> {
        Box::new(MemberVolume {
            store: store.clone(),
            volumes: Arc::clone(&volumes) as Arc<dyn Volumes>,
            context: birth.context.clone(),
            etcd: etcd.name.clone(),
            member: etcd.member.clone(),
            members: members.clone(),
        })
    };
    cp.etcd.iter().map(step).collect()
}

fn controller(birth: &Birth) -> Service {
    Service {
        name: "kspot-controller",
        about: "Lets workers in, labels nodes, applies addons",
        args: format!("node controller --config {}", birth.file.display()),
        program: install::PROGRAM.to_owned(),
    }
}

/// A file's text, which must be there.
async fn text(birth: &Birth, path: &str) -> Result<String> {
    birth.host.text(path).await?.ok_or_else(|| Error::failed(format!("{path} is not there")))
}

async fn quorum(birth: &Birth, cp: &ControlPlane) -> Result<()> {
    for etcd in &cp.etcd {
        Client::of(birth.host.as_ref(), etcd).await?.has_quorum().await?;
    }
    Ok(())
}

async fn api_server(birth: &Birth, configuration: &Configuration) -> Result<()> {
    let trust = Trust::new(&text(birth, kubelet::AUTHORITIES).await?, None)?;
    let at = (IpAddr::V4(Ipv4Addr::LOCALHOST), configuration.api.port).into();
    let (status, body) = trust.get(at, &configuration.api.internal_name, "/readyz").await?;
    if status.is_success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&body);
    let failing = why.lines().filter(|line| line.starts_with("[-]"));
    let error = Error::failed(format!("the API server answers {status}"));
    Err(failing.fold(error, |error, line| error.detail(line)))
}

/// Whether the API server, asked at this port of the machine, knows this machine as a node.
pub async fn registered(birth: &Birth, configuration: &Configuration, port: u16) -> Result<()> {
    let certificate = text(birth, &format!("{}/{}.crt", kubelet::PKI, kubelet::CLIENT)).await?;
    let key = text(birth, &format!("{}/{}.key", kubelet::PKI, kubelet::CLIENT)).await?;
    let trust = Trust::new(&text(birth, kubelet::AUTHORITIES).await?, Some((&certificate, &key)))?;
    let at = (IpAddr::V4(Ipv4Addr::LOCALHOST), port).into();
    let path = format!("/api/v1/nodes/{}", birth.metadata.instance);
    let (status, _) = trust.get(at, &configuration.api.internal_name, &path).await?;
    if status.is_success() {
        return Ok(());
    }
    Err(Error::failed(format!("the kubelet has not registered this machine: its node gives {status}"))
        .hint("journalctl -u kubelet"))
}
