//! Where the control plane's machines are, and on these where etcd's members are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::forward::Known;
use super::{remember, remembered};
use crate::cloud::aws::AwsCloud;
use crate::error::Result;
use crate::node::agent::Birth;
use crate::node::agent::worker::{controllers, controllers_at};
use crate::node::configuration::{Configuration, Etcd};
use crate::node::etcd::names;
use crate::node::worker;

/// How often a machine looks when all is well, and when something is missing.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));

/// The names that lead to the machine itself.
fn own_names(internal_name: &str) -> BTreeMap<String, IpAddr> {
    BTreeMap::from([(internal_name.to_owned(), Ipv4Addr::LOCALHOST.into())])
}

/// Follows the control plane from one of its machines.
pub async fn follow_as_member(
    birth: &Birth,
    configuration: &Configuration,
    aws: &AwsCloud,
    tell: watch::Sender<Known>,
    stop: CancellationToken,
) {
    let port = configuration.api.port;
    let etcd = configuration.control_plane.as_ref().map(|cp| cp.etcd.as_slice()).unwrap_or_default();
    loop {
        let pause = match look(birth, configuration, etcd, aws).await {
            Ok((others, complete)) => {
                let others = others.into_iter().map(|a| SocketAddr::new(a, port)).collect();
                let preferred = vec![(Ipv4Addr::LOCALHOST, port).into()];
                announce(&tell, Known { preferred, others });
                if complete { EVERY.0 } else { EVERY.1 }
            }
            Err(e) => {
                tracing::warn!(error = e.chain(), "the control plane's addresses are not known afresh");
                EVERY.1
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The other machines of the control plane, and whether every member of etcd has a machine.
async fn look(
    birth: &Birth,
    configuration: &Configuration,
    etcd: &[Etcd],
    aws: &AwsCloud,
) -> Result<(Vec<IpAddr>, bool)> {
    let cluster = &configuration.cluster;
    let (volumes, machines) = futures::try_join!(aws.member_volumes(cluster), aws.control_plane(cluster))?;
    let address = |id: &str| machines.iter().find(|m| m.id == id)?.internal_ip.as_deref()?.parse::<IpAddr>().ok();
    let mut all = own_names(&configuration.api.internal_name);
    let mut complete = true;
    for etcd in etcd {
        for member in &etcd.members {
            let volume = volumes.iter().find(|v| v.etcd == etcd.name && v.member == member.name);
            let holder = volume.and_then(|v| v.instance.as_deref()).and_then(address);
            // Its own volume may be on its way here.
            let holder = if member.name == etcd.member { Some(birth.metadata.address) } else { holder };
            match holder {
                Some(holder) => _ = all.insert(member.peer_name.clone(), holder),
                None => complete = false,
            }
        }
    }
    if names::keep(birth.host.as_ref(), &all).await? {
        tracing::info!(names = all.len(), "the names of etcd's members were written");
    }
    let running = machines.iter().filter(|m| m.state == "running");
    let others = running.filter(|m| m.id != birth.metadata.instance);
    Ok((others.filter_map(|m| m.internal_ip.as_deref()?.parse().ok()).collect(), complete))
}

/// Follows the control plane from a worker: one of the controllers knows; only when none answers EC2 is asked.
pub async fn follow_as_worker(
    birth: &Birth,
    configuration: &Configuration,
    aws: &AwsCloud,
    tell: watch::Sender<Known>,
    stop: CancellationToken,
) {
    let host = birth.host.as_ref();
    let port = configuration.api.port;
    let to_servers = |all: &[IpAddr]| Known {
        preferred: all.iter().map(|a| SocketAddr::new(*a, port)).collect(),
        others: Vec::new(),
    };
    let mut known = remembered(host).await.unwrap_or_default();
    announce(&tell, to_servers(&known));
    loop {
        let asked: Result<Vec<IpAddr>> = async {
            names::keep(host, &own_names(&configuration.api.internal_name)).await?;
            let last = controllers_at(birth, known.clone()).await?;
            if let Ok(addresses) = worker::addresses(&last).await {
                return Ok(addresses);
            }
            Ok(controllers(birth, aws).await?.addresses)
        }
        .await;
        let pause = match asked {
            Ok(addresses) => {
                if !addresses.is_empty() && addresses != known {
                    known = addresses;
                    announce(&tell, to_servers(&known));
                    if let Err(e) = remember(host, &known).await {
                        tracing::warn!(error = e.chain(), "the control plane's addresses are not kept");
                    }
                }
                EVERY.0
            }
            Err(e) => {
                tracing::warn!(error = e.chain(), "the control plane's addresses are not known afresh");
                EVERY.1
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn announce(tell: &watch::Sender<Known>, now: Known) {
    tell.send_if_modified(|before| {
        let changed = *before != now;
        if changed {
            tracing::info!(servers = ?now, "the API servers");
            *before = now;
        }
        changed
    });
}
