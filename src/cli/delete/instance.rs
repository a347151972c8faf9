//! `kspot delete instance`: drains one machine's node and ends the machine.

use std::time::Duration;

use clap::Args as ClapArgs;
use kube::Client;

use crate::cli::reach::Reach;
use crate::cli::session::Session;
use crate::cloud::aws::terminate::Terminated;
use crate::error::{Error, Result};
use crate::kube::drain::{Drained, End, News, Options};
use crate::kube::{drain, nodes};
use crate::ops::instance::{self, Doomed};
use crate::spec::duration::GoDuration;

/// Delete a machine, after draining its node
///
/// No new pods, no traffic of load balancers, then every pod is evicted, as the disruption budgets allow; a drain that
/// does not end in time leaves the machine as it is, with the names of the pods and budgets that block. The Auto Scaling
/// group then starts another machine in its place. What a DaemonSet runs is not evicted.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot delete instance i-0123456789abcdef0            # shows what happens, asks
  kspot delete instance ip-172-20-1-2.ec2.internal --yes --drain-timeout 5m
  kspot delete instance i-0123456789abcdef0 --yes --decrement
")]
pub(super) struct Args {
    /// The machine's id, or its node's name
    #[arg(value_name = "ID|NODE")]
    instance: String,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// When the drain gives up
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    drain_timeout: GoDuration,

    /// End the machine without asking the cluster: what runs on it is lost
    #[arg(long, conflicts_with_all = ["drain_timeout", "kubeconfig", "internal"])]
    no_drain: bool,

    /// Let the group get smaller by one: no other machine takes its place
    #[arg(long)]
    decrement: bool,

    #[command(flatten)]
    reach: Reach,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let timeout = self.timeout()?;
        let (site, specs) = session.site(None).await?;
        let client = if self.no_drain { None } else { Some(self.reach.connect(&site, &specs, timeout).await?) };
        let looking = session.ui.waiting("looking at the machine and its node");
        let joined = match &client {
            Some(client) => Some(nodes::list(client).await.map_err(without_drain)?),
            None => None,
        };
        let doomed = instance::look(&site, &specs, &self.instance, joined.as_deref(), self.decrement).await?;
        drop(looking);
        let id = &doomed.machine.id;
        if doomed.machine.state == "shutting-down" {
            session.ui.say(format!("{id} is ending already"));
            return Ok(0);
        }
        self.show(session, &doomed);
        if !self.yes && !confirmed(session, &doomed)? {
            return Err(Error::failed(format!("{id} is left as it is")));
        }
        if let (Some(client), Some(node)) = (&client, &doomed.node) {
            self.drain(session, client, &node.name, timeout).await.map_err(|e| {
                e.hint(format!("{id} is left as it is; --no-drain ends it all the same, and what runs on it is lost"))
            })?;
        }
        match (instance::end(&site, &doomed).await?, doomed.smaller) {
            (Terminated::Ending, _) => session.ui.say(format!("{id} is ending")),
            (Terminated::Gone, false) => session.ui.say(format!("{id} is gone: it ended by itself meanwhile")),
            (Terminated::Gone, true) => session.ui.warn(format!(
                "{id} is gone: it ended by itself meanwhile, and its group starts another; run this for that one"
            )),
        }
        Ok(0)
    }

    fn timeout(&self) -> Result<Duration> {
        let timeout = self.drain_timeout.to_std();
        if timeout.is_zero() {
            return Err(
                Error::usage("--drain-timeout leaves no time").hint("--no-drain ends the machine without a drain")
            );
        }
        Ok(timeout)
    }

    /// Says what is going to happen.
    fn show(&self, session: &Session, doomed: &Doomed) {
        let (machine, ui) = (&doomed.machine, &session.ui);
        ui.say(format!(
            "{}: {} ({}) in {}, group {}, {}",
            machine.id, machine.instance_type, machine.lifecycle, machine.zone, machine.group, machine.state
        ));
        match &doomed.node {
            Some(node) => ui.say(format!("  node {} is drained first, for {} at most", node.name, self.drain_timeout)),
            None if machine.role == "bastion" => ui.say("  it is a bastion: there is nothing to drain"),
            None if self.no_drain => ui.say("  its node is not drained: what runs on it is lost"),
            None => ui.say("  it has not joined the cluster: there is nothing to drain"),
        }
        match &doomed.membership {
            Some(group) if doomed.smaller => {
                let (now, then) = (group.desired, group.desired - 1);
                ui.say(format!("  its group gets smaller: from {now} to {then}, and no other takes its place"));
            }
            Some(_) => ui.say("  its group starts another in its place"),
            None => ui.say("  it is in no Auto Scaling group: nothing takes its place"),
        }
        doomed.warnings.iter().for_each(|warning| ui.warn(warning));
    }

    async fn drain(&self, session: &Session, client: &Client, node: &str, timeout: Duration) -> Result<()> {
        let options = Options { timeout, stop: session.interrupts() };
        let report = |news: &News| match news {
            News::Evicted(_) => session.ui.verbose(1, news),
            _ => session.ui.say(news),
        };
        let draining = session.ui.waiting(&format!("draining {node}"));
        let Drained { end, gone } = drain(client, node, &options, &report).await?;
        drop(draining);
        session.ui.say(match end {
            End::Empty if gone.is_empty() => format!("node {node} is drained: nothing had to go"),
            End::Empty => format!("node {node} is drained of {}", gone.join(", ")),
            End::Vanished => format!("node {node} went away meanwhile, and what ran on it"),
            End::Absent => format!("node {node} went away before the drain"),
        });
        Ok(())
    }
}

fn without_drain(error: Error) -> Error {
    error.hint("--no-drain ends the machine without asking the cluster")
}

/// Asks; for a machine of the control plane its name has to be typed.
fn confirmed(session: &Session, doomed: &Doomed) -> Result<bool> {
    let id = &doomed.machine.id;
    match doomed.machine.role.as_str() {
        "control-plane" => session.ui.type_name(&format!("End {id} of the control plane?"), id, "--yes"),
        _ => session.ui.confirm(&format!("End {id}?"), "--yes"),
    }
}
