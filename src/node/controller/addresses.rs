//! The cluster's machines: one look at EC2 every few seconds, for all parts; and the control plane's addresses, for who
//! asks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::home::Home;
use crate::node::identity::Machine;
use crate::spec::Role;

/// How often EC2 is asked.
const EVERY: Duration = Duration::from_secs(10);

/// The machines that run, or are about to, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// By id.
    pub machines: BTreeMap<String, Machine>,
}

impl Fleet {
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
        match home.aws.machines(&home.cluster).await {
            Ok(machines) => {
                let fleet = Fleet { machines: machines.into_iter().map(|m| (m.id.clone(), m)).collect() };
                seen.send_if_modified(|last| {
                    let changed = **last != fleet;
                    if changed {
                        *last = Arc::new(fleet);
                    }
                    changed
                });
            }
            Err(e) => tracing::warn!(error = e.chain(), "the machines are not known afresh"),
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
        let fleet = Fleet { machines: machines.into_iter().map(|m| (m.id.clone(), m)).collect() };
        assert_eq!(fleet.control_plane(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}
