//! Where the control plane's machines are, and on these where etcd's members are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::forward::Known;
use super::{remember, remembered};
use crate::cloud::aws::AwsCloud;
use crate::cloud::aws::lookup::Instance;
use crate::cloud::aws::volumes::MemberVolume;
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
    found(birth, configuration, etcd, &volumes, &machines).await
}

/// The same, out of what EC2 knows.
async fn found(
    birth: &Birth,
    configuration: &Configuration,
    etcd: &[Etcd],
    volumes: &[MemberVolume],
    machines: &[Instance],
) -> Result<(Vec<IpAddr>, bool)> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::Context;
    use crate::node::agent::tests::birth;
    use crate::node::host::Host;
    use crate::node::host::fake::Fake;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn configuration() -> Configuration {
        serde_yaml::from_str(include_str!("../../../tests/fixtures/node/control-plane.yaml")).unwrap()
    }

    /// Our machine is i-1, member a of both clusters.
    fn machine(id: &str, state: &str, ip: Option<&str>) -> Instance {
        Instance {
            id: id.into(),
            state: state.into(),
            group: "g".into(),
            role: "control-plane".into(),
            instance_type: "m5.large".into(),
            lifecycle: "spot".into(),
            zone: "us-east-1a".into(),
            internal_ip: ip.map(str::to_owned),
            external_ip: None,
            template_version: None,
            launched: None,
        }
    }

    fn volumes(of: &[(&str, Option<&str>)]) -> Vec<MemberVolume> {
        let volume = |etcd: &'static str| {
            of.iter().map(move |(member, instance)| MemberVolume {
                id: format!("vol-{etcd}-{member}"),
                etcd: etcd.into(),
                member: (*member).into(),
                zone: "us-east-1a".into(),
                instance: instance.map(str::to_owned),
                attachment: "attached".into(),
            })
        };
        volume("main").chain(volume("events")).collect()
    }

    async fn looked(host: &Arc<Fake>, volumes: &[MemberVolume], machines: &[Instance]) -> (Vec<String>, bool) {
        let birth = birth(Arc::clone(host) as Arc<dyn Host>, NOW);
        let configuration = configuration();
        let etcd = &configuration.control_plane.as_ref().unwrap().etcd;
        let (others, complete) = found(&birth, &configuration, etcd, volumes, machines).await.unwrap();
        (others.iter().map(ToString::to_string).collect(), complete)
    }

    /// The names that lead to an address, without the domain they share.
    fn names(host: &Fake) -> Vec<(String, String)> {
        let text = host.get(names::FILE).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(' ')).filter(|(at, _)| *at != "#");
        lines.map(|(at, name)| (name.trim_end_matches(".internal.ha.example.com").to_owned(), at.to_owned())).collect()
    }

    /// Every member's name leads to the machine that has its volume, the API's to this machine; the API servers of the others
    /// are those whose machines run.
    #[tokio::test]
    async fn names_follow_the_volumes() {
        let host = Arc::new(Fake::default());
        let machines = [
            machine("i-1", "running", Some("172.20.0.10")),
            machine("i-2", "running", Some("172.20.1.10")),
            machine("i-3", "shutting-down", Some("172.20.2.10")),
        ];
        let volumes = volumes(&[("a", Some("i-1")), ("b", Some("i-2")), ("c", Some("i-3"))]);
        assert_eq!(looked(&host, &volumes, &machines).await, (vec!["172.20.1.10".to_owned()], true));
        let wanted = [
            ("a.etcd-events", "172.20.0.10"),
            ("a.etcd-main", "172.20.0.10"),
            ("api", "127.0.0.1"),
            ("b.etcd-events", "172.20.1.10"),
            ("b.etcd-main", "172.20.1.10"),
            ("c.etcd-events", "172.20.2.10"),
            ("c.etcd-main", "172.20.2.10"),
        ];
        assert_eq!(names(&host), wanted.map(|(name, at)| (name.to_owned(), at.to_owned())));
    }

    /// While a member has no machine its name leads nowhere, and it is looked for sooner; its new machine gets it.
    #[tokio::test]
    async fn a_member_moves_to_its_new_machine() {
        let host = Arc::new(Fake::default());
        let own = machine("i-1", "running", Some("172.20.0.10"));
        let both = |address| [own.clone(), machine("i-2", "running", address)];
        let placed = |b| volumes(&[("a", Some("i-1")), ("b", b), ("c", Some("i-1"))]);
        let b = |host: &Fake| names(host).into_iter().find(|(name, _)| name == "b.etcd-main").map(|(_, at)| at);
        assert!(looked(&host, &placed(Some("i-2")), &both(Some("172.20.1.10"))).await.1);
        assert_eq!(b(&host).as_deref(), Some("172.20.1.10"));
        assert!(!looked(&host, &placed(None), std::slice::from_ref(&own)).await.1);
        assert_eq!(b(&host), None);
        assert!(!looked(&host, &placed(Some("i-2")), &both(None)).await.1, "a machine that has no address yet");
        assert!(looked(&host, &placed(Some("i-2")), &both(Some("172.20.1.99"))).await.1);
        assert_eq!(b(&host).as_deref(), Some("172.20.1.99"));
    }

    /// Its own members are here, also while their volumes are still on the way.
    #[tokio::test]
    async fn own_members_are_here() {
        let host = Arc::new(Fake::default());
        let machines = [machine("i-1", "running", Some("172.20.0.10")), machine("i-9", "running", Some("172.20.0.99"))];
        looked(&host, &volumes(&[("a", Some("i-9"))]), &machines).await;
        assert!(names(&host).contains(&("a.etcd-main".to_owned(), "172.20.0.10".to_owned())));
    }

    /// Who waits for the addresses is woken when they change, and only then.
    #[tokio::test]
    async fn only_changes_are_announced() {
        let (tell, mut servers) = watch::channel(Known::default());
        let known = || Known { preferred: vec![([127, 0, 0, 1], 443).into()], others: Vec::new() };
        announce(&tell, known());
        assert!(servers.has_changed().unwrap());
        servers.borrow_and_update();
        announce(&tell, known());
        assert!(!servers.has_changed().unwrap());
    }

    /// A worker that starts when nobody answers goes on with the addresses that it had before, at once.
    #[tokio::test]
    async fn a_worker_begins_with_what_it_remembers() {
        let host = Arc::new(Fake::default());
        let addresses: [IpAddr; 2] = ["127.0.0.2", "127.0.0.3"].map(|a| a.parse().unwrap());
        remember(host.as_ref(), &addresses).await.unwrap();
        let birth = birth(Arc::clone(&host) as Arc<dyn Host>, NOW);
        let sdk = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
            .build();
        let aws = AwsCloud::new(&sdk, &Context::fixed(NOW.parse().unwrap(), "root", "i-1")).unwrap();
        let (tell, mut servers) = watch::channel(Known::default());
        let configuration = configuration();
        tokio::select! {
            () = follow_as_worker(&birth, &configuration, &aws, tell, CancellationToken::new()) => panic!("it ended"),
            changed = servers.changed() => changed.unwrap(),
        }
        let port = configuration.api.port;
        let wanted = addresses.map(|a| SocketAddr::new(a, port)).to_vec();
        assert_eq!(*servers.borrow(), Known { preferred: wanted, others: Vec::new() });
    }
}
