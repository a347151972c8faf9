//! The cluster's machines: one look at EC2 every few seconds, for all parts; and the control plane's addresses, for who
//! asks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::home::Home;
use crate::node::identity::Machine;
use crate::spec::Role;

/// How often EC2 is asked.
pub const EVERY: Duration = Duration::from_secs(10);

/// For how long what was seen says who may have what: two looks, the second of which may take a while.
const FRESH: Duration = Duration::from_secs(20);

/// The machines that run, or are about to, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// By id.
    pub machines: BTreeMap<String, Machine>,
    /// When EC2 was asked for them; none if it was not yet.
    pub asked: Option<Instant>,
}

impl Fleet {
    /// The machines that EC2 named when it was asked at this time.
    pub fn new(machines: impl IntoIterator<Item = Machine>, asked: Instant) -> Self {
        Fleet { machines: machines.into_iter().map(|m| (m.id.clone(), m)).collect(), asked: Some(asked) }
    }

    /// A machine, if EC2 said lately that it runs.
    pub fn fresh(&self, id: &str, now: Instant) -> Option<&Machine> {
        let fresh = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) <= FRESH);
        self.machines.get(id).filter(|_| fresh)
    }

    /// The first addresses of the control plane's machines that run.
    pub fn control_plane(&self) -> Vec<IpAddr> {
        let machines = self.machines.values().filter(|m| m.state == "running" && m.has_role(Role::ControlPlane));
        machines.filter_map(|m| m.addresses.first().copied()).collect()
    }
}

/// The machines as they were seen last.
pub type Seen = watch::Receiver<Arc<Fleet>>;

/// Looks until it is stopped. What was seen stays while EC2 does not answer.
pub async fn follow(home: Arc<Home>, seen: watch::Sender<Arc<Fleet>>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        // What it answers is not older than the question.
        let asked = Instant::now();
        match home.aws.machines(&home.cluster).await {
            Ok(machines) => _ = seen.send_replace(Arc::new(Fleet::new(machines, asked))),
            Err(e) => tracing::warn!(error = e.line(), "the machines are not known afresh"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The control plane is where its machines run; workers, and machines that are only coming, are not.
    #[test]
    fn the_control_plane_is_where_its_machines_run() {
        let machine = |id: &str, role: &str, state: &str, address: &str| Machine {
            id: id.into(),
            state: state.into(),
            tags: [(format!("k8s.io/role/{role}"), "1".to_owned())].into(),
            addresses: vec![address.parse().unwrap(), "fd00::1".parse().unwrap()],
            ..Machine::default()
        };
        let machines = [
            machine("i-1", "control-plane", "running", "10.0.0.1"),
            machine("i-2", "control-plane", "pending", "10.0.0.2"),
            machine("i-3", "node", "running", "10.0.0.3"),
        ];
        let fleet = Fleet::new(machines, Instant::now());
        assert_eq!(fleet.control_plane(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    /// What was seen counts while it is fresh, and not once EC2 has not answered for a while.
    #[test]
    fn machines_are_known_while_they_are_fresh() {
        let now = Instant::now();
        let fleet = Fleet::new([Machine { id: "i-1".into(), ..Machine::default() }], now);
        assert!(fleet.fresh("i-1", now + EVERY).is_some());
        assert!(fleet.fresh("i-2", now).is_none());
        assert!(fleet.fresh("i-1", now + FRESH + Duration::from_secs(1)).is_none());
        assert!(Fleet::default().fresh("i-1", now).is_none());
    }
}
