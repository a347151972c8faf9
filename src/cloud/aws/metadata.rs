//! What a machine knows of itself: the metadata service, version 2.

use std::net::IpAddr;
use std::time::Duration;

use aws_config::imds::client::Client;

use crate::error::{Error, Result};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The instance id.
    pub instance: String,
    /// The availability zone.
    pub zone: String,
    /// The primary private address.
    pub address: IpAddr,
    /// `spot` or `on-demand`.
    pub lifecycle: String,
    /// The instance type.
    pub instance_type: String,
}

/// Asks the metadata service.
pub async fn metadata() -> Result<Metadata> {
    let client =
        Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(10)).build();
    let ask = async |path: &str| -> Result<String> {
        let answer = client.get(format!("/latest/meta-data/{path}")).await;
        let failed = |e| Error::failed(format!("the metadata service does not tell {path}")).because(e);
        Ok(answer.map_err(failed)?.as_ref().trim().to_owned())
    };
    let address = ask("local-ipv4").await?;
    let odd = |e| Error::failed(format!("the metadata service tells the address {address:?}")).because(e);
    Ok(Metadata {
        instance: ask("instance-id").await?,
        zone: ask("placement/availability-zone").await?,
        lifecycle: ask("instance-life-cycle").await?,
        instance_type: ask("instance-type").await?,
        address: address.parse().map_err(odd)?,
    })
}
