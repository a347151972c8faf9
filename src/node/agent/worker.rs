//! The boot of a worker: it proves to the control plane who it is, and gets its configuration and its certificates.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use super::control_plane::registered;
use super::report::Keeper;
use super::step::{take, until, wait, walk};
use super::steps::kubelet::{self, Kubelet};
use super::{Birth, host_steps};
use crate::cloud::aws::identity::token;
use crate::cloud::aws::{AwsCloud, sdk_config};
use crate::error::{Error, Result};
use crate::node::configuration::Configuration;
use crate::node::documents;
use crate::node::join::{Grant, PHASE, Request};
use crate::node::keep;
use crate::node::worker::{Controllers, ask, tell};
use crate::pki::issue;
use crate::state::status::BootStatus;

#[async_trait]
impl Keeper for Controllers {
    async fn keep(&self, status: &BootStatus) -> Result<()> {
        tell(self, status).await
    }
}

/// Boots it.
pub async fn boot(birth: &Birth) -> Result<()> {
    let (host, report) = (birth.host.as_ref(), &birth.report);
    let aws = AwsCloud::new(&sdk_config(Some(&birth.boot.region)).await, &birth.context)?;
    let controllers = until("control-plane-found", report, async || controllers(birth, &aws).await).await;
    report.kept_by(Arc::new(controllers));
    let granted = until(PHASE, report, async || {
        // Looked up anew for each try: the control plane may have been replaced meanwhile.
        let controllers = self::controllers(birth, &aws).await?;
        let grant = join(birth, &controllers).await?;
        let configuration = documents::configuration(&birth.boot, &grant.configuration)?;
        keep::remember(host, &grant.api_addresses).await?;
        keep::remember_configuration(host, &configuration).await?;
        Ok(configuration)
    });
    let configuration: Configuration = granted.await;
    walk(&host_steps(&configuration), host, report).await;
    take(&birth.keeper(), host, report).await;
    let kubelet =
        Kubelet { configuration: configuration.clone(), metadata: birth.metadata.clone(), server: keep::server() };
    take(&kubelet, host, report).await;
    wait("registered", report, async || registered(birth, &configuration, keep::PORT).await).await;
    Ok(())
}

/// The control plane's controllers, by what EC2 knows now.
pub async fn controllers(birth: &Birth, aws: &AwsCloud) -> Result<Controllers> {
    let all = aws.control_plane(&birth.boot.cluster).await?;
    let running = all.iter().filter(|i| i.state == "running");
    let addresses: Vec<IpAddr> = running.filter_map(|i| i.internal_ip.as_deref()?.parse().ok()).collect();
    if addresses.is_empty() {
        return Err(Error::failed(format!("no machine of the control plane of {} runs", birth.boot.cluster)));
    }
    controllers_at(birth, addresses).await
}

/// The controllers at these addresses.
pub async fn controllers_at(birth: &Birth, addresses: Vec<IpAddr>) -> Result<Controllers> {
    let named = || Error::failed(format!("{} names no controller", birth.file.display()));
    let controller = birth.boot.controller.as_ref().ok_or_else(named)?;
    let missing = || Error::failed(format!("{} is not there", controller.certificate_authority));
    Ok(Controllers {
        addresses,
        port: controller.port,
        name: controller.name.clone(),
        authorities: birth.host.text(&controller.certificate_authority).await?.ok_or_else(missing)?,
        from: None,
    })
}

/// Asks for certificates and the configuration, and puts the certificates where the kubelet finds them.
pub async fn join(birth: &Birth, controllers: &Controllers) -> Result<Grant> {
    let (client_key, client) = issue::request()?;
    let (server_key, server) = issue::request()?;
    let request = Request {
        cluster: birth.boot.cluster.clone(),
        instance: birth.metadata.instance.clone(),
        configuration: birth.boot.configuration.key.clone(),
        client,
        server,
    };
    let config = sdk_config(Some(&birth.boot.region)).await;
    let sign = |body: Vec<u8>| {
        let (config, region, now) = (&config, birth.boot.region.as_str(), birth.context.now());
        async move { token(config, region, &body, now).await }
    };
    let asked = ask(controllers, &request, sign).await;
    let grant = asked.map_err(crate::node::worker::Unsuccessful::into_error)?;
    let host = birth.host.as_ref();
    let file = |name: &str, ending: &str| std::path::PathBuf::from(format!("{}/{name}.{ending}", kubelet::PKI));
    host.replace(kubelet::AUTHORITIES.as_ref(), grant.authorities.as_bytes(), 0o644).await?;
    // The client's certificate last, by which it is judged whether both are due: who is killed in between begins again.
    for (name, key, certificate) in
        [(kubelet::SERVER, &server_key, &grant.server), (kubelet::CLIENT, &client_key, &grant.client)]
    {
        host.remove(&file(name, "crt")).await?;
        host.replace(&file(name, "key"), key.as_bytes(), 0o600).await?;
        host.replace(&file(name, "crt"), certificate.as_bytes(), 0o644).await?;
    }
    Ok(grant)
}
