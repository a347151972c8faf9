//! Where the control plane's machines are, and on these where etcd's members are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::forward::Known;
use super::{remember, remembered};
use crate::cloud::aws::AwsCloud;
use crate::cloud::aws::lookup::Instance;
use crate::cloud::aws::volumes::{MemberVolume, of_member};
use crate::error::Result;
use crate::node::agent::Birth;
use crate::node::agent::worker::{controllers, controllers_at};
use crate::node::configuration::{Configuration, Etcd};
use crate::node::etcd::names;
use crate::node::worker;

/// How often a machine looks when all is well, and when something is missing.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));

/// The longest that a worker leaves EC2 alone while no controller answers.
const LONGEST: Duration = Duration::from_secs(30);

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
                tracing::warn!(error = e.line(), "the control plane's addresses are not known afresh");
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
    let complete = match members(etcd, volumes, birth.metadata.address, address) {
        Ok((found, complete)) => {
            let all = own_names(&configuration.api.internal_name).into_iter().chain(found).collect();
            if names::keep(birth.host.as_ref(), &all).await? {
                tracing::info!(names = all.len(), "the names of etcd's members were written");
            }
            complete
        }
        // API servers are followed all the same.
        Err(e) => {
            tracing::error!(error = e.line(), "the names of etcd's members are left as they are");
            false
        }
    };
    let running = machines.iter().filter(|m| m.state == "running");
    let others = running.filter(|m| m.id != birth.metadata.instance);
    Ok((others.filter_map(|m| m.internal_ip.as_deref()?.parse().ok()).collect(), complete))
}

/// The names of etcd's members with the machines that have their volumes, and whether each has one.
fn members(
    etcd: &[Etcd],
    volumes: &[MemberVolume],
    own: IpAddr,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Result<(BTreeMap<String, IpAddr>, bool)> {
    let mut found = BTreeMap::new();
    let mut complete = true;
    for etcd in etcd {
        for member in &etcd.members {
            let volume = of_member(volumes, &etcd.name, &member.name)?;
            let holder = volume.and_then(|v| v.instance.as_deref()).and_then(&address);
            // Its own volume may be on its way here.
            let holder = if member.name == etcd.member { Some(own) } else { holder };
            match holder {
                Some(holder) => _ = found.insert(member.peer_name.clone(), holder),
                None => complete = false,
            }
        }
    }
    Ok((found, complete))
}

/// When EC2 may be asked by a worker that no controller answers. It is asked by every worker at once then, and has to do
/// with whatever brings the control plane back.
#[derive(Debug)]
struct Turns {
    /// How often it was asked since a controller answered.
    asked: u32,
    next: Instant,
}

impl Turns {
    fn new(now: Instant) -> Self {
        Turns { asked: 0, next: now }
    }

    /// Whether it is time; counts it. `chance` is any number.
    fn take(&mut self, now: Instant, chance: u64) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + pace(self.asked, chance);
            self.asked = self.asked.saturating_add(1);
        }
        due
    }

    /// How long the worker sleeps until somebody is to be asked: controllers if it knows any, or EC2.
    fn pause(&self, now: Instant, knows_controllers: bool) -> Duration {
        let until = self.next.saturating_duration_since(now).max(EVERY.1);
        if self.asked == 0 || (knows_controllers && until > EVERY.0) { EVERY.0 } else { until }
    }
}

/// How long EC2 is left alone after it was asked this often: 2, 4, 8 ... 30 seconds, or down to the half of it.
fn pace(asked: u32, chance: u64) -> Duration {
    let most = 2_u64.saturating_pow(asked.saturating_add(1)).min(LONGEST.as_secs()) * 1000;
    Duration::from_millis(most - chance % (most / 2 + 1))
}

/// Follows the control plane from a worker: one of the controllers knows; only when none answers EC2 is asked, ever less.
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
    let mut turns = Turns::new(Instant::now());
    loop {
        let asked: Result<Vec<IpAddr>> = async {
            names::keep(host, &own_names(&configuration.api.internal_name)).await?;
            let last = controllers_at(birth, known.clone()).await?;
            match worker::addresses(&last).await {
                Ok(addresses) => {
                    turns = Turns::new(Instant::now());
                    Ok(addresses)
                }
                Err(_) if turns.take(Instant::now(), birth.context.id().as_u64_pair().1) => {
                    Ok(controllers(birth, aws).await?.addresses)
                }
                Err(e) => Err(e),
            }
        }
        .await;
        match asked {
            Ok(addresses) => {
                if !addresses.is_empty() && addresses != known {
                    known = addresses;
                    announce(&tell, to_servers(&known));
                    if let Err(e) = remember(host, &known).await {
                        tracing::warn!(error = e.line(), "the control plane's addresses are not kept");
                    }
                }
            }
            Err(e) => tracing::warn!(error = e.line(), "the control plane's addresses are not known afresh"),
        }
        let pause = turns.pause(Instant::now(), !known.is_empty());
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
    use crate::node::configuration::Member;
    use crate::node::host::Host;
    use crate::node::host::fake::Fake;

    /// EC2 is left alone ever longer, never for the same time by all, and never for more than half a minute.
    #[test]
    fn ec2_is_asked_ever_less() {
        let range = |asked| (pace(asked, 0), (0..=60_000).map(|chance| pace(asked, chance)).min().unwrap());
        let seconds = |s| Duration::from_secs(s);
        assert_eq!(range(0), (seconds(2), seconds(1)));
        assert_eq!(range(3), (seconds(16), seconds(8)));
        for asked in [6, 7, 60, u32::MAX] {
            assert_eq!(range(asked), (seconds(30), seconds(15)));
        }
    }

    /// What a worker asks in half an hour, how often controllers and EC2, if none answers.
    fn asks(knows_controllers: bool) -> (u32, u32) {
        let start = Instant::now();
        let (mut now, mut turns, mut asked) = (start, Turns::new(start), (0, 0));
        while now < start + Duration::from_secs(1800) {
            asked.0 += u32::from(knows_controllers);
            asked.1 += u32::from(turns.take(now, 0));
            now += turns.pause(now, knows_controllers);
        }
        asked
    }

    /// While no controller answers, those that are known are asked every 10 seconds still, and EC2 every half minute; a
    /// controller that answered makes EC2 the next to be asked at once when it is gone.
    #[test]
    fn controllers_are_asked_all_the_same() {
        let (controllers, ec2) = asks(true);
        assert!(controllers >= 180 && (58..=66).contains(&ec2), "{controllers} {ec2}");
        let (controllers, ec2) = asks(false);
        assert!(controllers == 0 && (58..=66).contains(&ec2), "{controllers} {ec2}");
        let now = Instant::now();
        let mut turns = Turns::new(now);
        assert!(turns.take(now, 0) && !turns.take(now, 0));
        turns = Turns::new(now);
        assert_eq!(turns.pause(now, true), EVERY.0);
        assert!(turns.take(now, 0));
    }

    /// Members are where their volumes are, the own one here; a member with two volumes is an error, no guess.
    #[test]
    fn members_are_where_their_volumes_are() {
        let text = include_str!("../../../tests/fixtures/node/control-plane.yaml");
        let configuration: Configuration = serde_yaml::from_str(text).unwrap();
        let member = |name: &str| Member { name: name.into(), peer_name: format!("{name}.etcd") };
        let etcd = Etcd {
            name: "main".into(),
            member: "a".into(),
            members: ["a", "b"].map(member).into(),
            ..configuration.control_plane.unwrap().etcd.remove(0)
        };
        let volume = |id: &str, instance: &str| MemberVolume {
            id: id.into(),
            etcd: "main".into(),
            member: "b".into(),
            zone: "eu-west-1b".into(),
            instance: Some(instance.into()),
            attachment: "attached".into(),
        };
        let own: IpAddr = "10.0.0.1".parse().unwrap();
        let address = |id: &str| (id == "i-2").then(|| "10.0.0.2".parse().unwrap());
        let found = |volumes: &[MemberVolume]| members(std::slice::from_ref(&etcd), volumes, own, address);
        let (names, complete) = found(&[volume("vol-1", "i-2")]).unwrap();
        assert!(complete && names["a.etcd"] == own && names["b.etcd"] == address("i-2").unwrap());
        assert!(!found(&[]).unwrap().1);
        assert!(found(&[volume("vol-1", "i-2"), volume("vol-2", "i-3")]).is_err());
    }

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
