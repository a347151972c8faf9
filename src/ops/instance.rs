//! Ends one machine of a cluster: which one is meant, what stands against it, and the call that does it. The drain before
//! it is [`crate::kube::drain()`].

use super::prepare::Site;
use super::specs::Specs;
use crate::cloud::aws::lookup::Instance;
use crate::cloud::aws::terminate::{Membership, Terminated};
use crate::error::{Error, Result, did_you_mean};
use crate::validate::view::Node;

/// A machine that shall be ended.
#[derive(Clone, Debug)]
pub struct Doomed {
    /// The machine.
    pub machine: Instance,
    /// Its node, if it joined; none as well if nobody asked.
    pub node: Option<Node>,
    /// Its Auto Scaling group, if it has one.
    pub membership: Option<Membership>,
    /// Whether the group gets smaller, in place of starting another machine.
    pub smaller: bool,
    /// What whoever wants it should know.
    pub warnings: Vec<String>,
}

/// Looks for the machine of this id or node name, and judges whether it may be ended. Without `joined`, which are the
/// cluster's nodes, a machine is known by its id only.
pub async fn look(site: &Site, specs: &Specs, wanted: &str, joined: Option<&[Node]>, smaller: bool) -> Result<Doomed> {
    let machines = site.cloud.instances(specs.cluster.name()).await?;
    let (machine, node) = find(&machines, joined, wanted)?;
    let control_plane = specs.groups.iter().filter(|group| group.spec.role == crate::spec::Role::ControlPlane).count();
    let warnings = match machine.role.as_str() {
        "control-plane" => judge_control_plane(&machines, joined, machine, smaller, control_plane)?,
        _ => Vec::new(),
    };
    let membership = site.cloud.membership(&machine.id).await?;
    judge_size(machine, membership.as_ref(), smaller)?;
    Ok(Doomed { machine: machine.clone(), node: node.cloned(), membership, smaller, warnings })
}

/// Ends the machine.
pub async fn end(site: &Site, doomed: &Doomed) -> Result<Terminated> {
    match &doomed.membership {
        Some(_) => site.cloud.terminate_member(&doomed.machine.id, doomed.smaller).await,
        None => site.cloud.terminate(&doomed.machine.id).await,
    }
}

/// Whether a name is a machine's id, and not a node's name. (Nodes may be called like their machines: either way it is
/// that machine.)
pub fn is_id(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit()))
}

/// The machine that is meant, and its node.
fn find<'a>(
    machines: &'a [Instance],
    joined: Option<&'a [Node]>,
    wanted: &str,
) -> Result<(&'a Instance, Option<&'a Node>)> {
    let nodes = joined.unwrap_or_default();
    if let Some(machine) = machines.iter().find(|machine| machine.id == wanted) {
        return Ok((machine, nodes.iter().find(|node| is_of(node, machine))));
    }
    if let Some(node) = nodes.iter().find(|node| node.name == wanted) {
        let machine = machines.iter().find(|machine| is_of(node, machine)).ok_or_else(|| {
            let id = node.instance.as_deref().unwrap_or("none that it names");
            Error::failed(format!("node {wanted} has no machine: AWS has none of this cluster for it ({id})"))
                .hint(format!("if its machine is gone for good: kubectl delete node {wanted}"))
        })?;
        return Ok((machine, Some(node)));
    }
    let names = machines.iter().map(|m| m.id.as_str()).chain(nodes.iter().map(|n| n.name.as_str()));
    let error = Error::failed(match joined {
        None if !is_id(wanted) => format!("the cluster has no machine {wanted}; nodes are not looked at"),
        _ => format!("the cluster has no machine {wanted}"),
    });
    let error = match did_you_mean(wanted, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    };
    Err(error.hint("kspot get instances lists the machines"))
}

/// Whether a node is this machine. One that does not say which machine it is (the cloud controller has not seen it yet) is
/// known by its name, which is the machine's id or made of its address.
fn is_of(node: &Node, machine: &Instance) -> bool {
    match &node.instance {
        Some(id) => *id == machine.id,
        None => {
            let host = machine.internal_ip.as_ref().map(|ip| format!("ip-{}", ip.replace('.', "-")));
            let first = node.name.split('.').next().unwrap_or_default();
            first == machine.id || host.as_deref() == Some(first)
        }
    }
}

/// What stands against ending a machine of the control plane, and what whoever wants it should know.
fn judge_control_plane(
    machines: &[Instance],
    joined: Option<&[Node]>,
    machine: &Instance,
    smaller: bool,
    groups: usize,
) -> Result<Vec<String>> {
    let id = &machine.id;
    if smaller {
        return Err(Error::usage(format!("{id} is of the control plane, whose size is given by the spec"))
            .hint("leave --decrement out: another machine takes its place and finds etcd's data on its volume"));
    }
    if groups <= 1 {
        return Ok(vec![format!(
            "{id} is the only machine of the control plane: the API is away until another has taken its place (etcd's \
             data is on its volume, which the next machine attaches); what runs on the nodes goes on"
        )]);
    }
    let Some(nodes) = joined else {
        return Ok(vec![format!(
            "{id} is of the control plane; nobody asks whether enough of its {groups} machines are ready without it"
        )]);
    };
    let is_ready = |machine: &Instance| nodes.iter().any(|node| node.ready.is_ok() && is_of(node, machine));
    let ready = machines.iter().filter(|m| m.role == "control-plane" && m.state == "running" && is_ready(m));
    let others = ready.filter(|m| m.id != *id).count();
    let quorum = groups / 2 + 1;
    if others < quorum && is_ready(machine) {
        return Err(Error::failed(format!(
            "{id} is needed: without it {others} of the {groups} control-plane machines would be ready, and etcd takes \
             no writes with fewer than {quorum}"
        ))
        .hint("wait until the others are ready: kubectl get nodes, kspot get instances")
        .hint("--no-drain ends it without asking the cluster"));
    }
    Ok(vec![format!("{id} is of the control plane: {others} of its {groups} machines are ready without it")])
}

/// A group that is at its smallest size can't get smaller; AWS would say so after the drain.
fn judge_size(machine: &Instance, membership: Option<&Membership>, smaller: bool) -> Result<()> {
    let id = &machine.id;
    match membership {
        _ if !smaller => Ok(()),
        None => Err(Error::usage(format!("{id} is in no Auto Scaling group that could get smaller"))
            .hint("leave --decrement out: nothing starts another machine in its place")),
        Some(group) if group.desired <= group.min => {
            Err(Error::failed(format!("group {} is at its smallest size, {}", machine.group, group.min)).hint(format!(
                "let it be smaller first: kspot set ig {} spec.minSize={}, then kspot update cluster --yes",
                machine.group,
                (group.min - 1).max(0)
            )))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::view::NotReady;

    fn machine(id: &str, role: &str, ip: &str) -> Instance {
        Instance {
            id: id.into(),
            state: "running".into(),
            group: "g".into(),
            role: role.into(),
            instance_type: "m5.large".into(),
            lifecycle: "spot".into(),
            zone: "eu-west-1a".into(),
            internal_ip: Some(ip.into()),
            external_ip: None,
            template_version: None,
            launched: None,
        }
    }

    fn node(name: &str, instance: Option<&str>, ready: bool) -> Node {
        let not_ready = NotReady { since: None, why: String::new() };
        Node {
            name: name.into(),
            instance: instance.map(Into::into),
            ready: if ready { Ok(()) } else { Err(not_ready) },
            created: jiff::Timestamp::UNIX_EPOCH,
            taints: Vec::new(),
            cordoned: false,
            deleting: false,
            kubelet: None,
        }
    }

    /// A machine is found by its id and by its node's name; one that joined a moment ago by what its node is called.
    #[test]
    fn machines_and_nodes_belong_together() {
        let machines = [machine("i-0a", "node", "10.0.0.1"), machine("i-0b", "node", "10.0.0.11")];
        let nodes = [
            node("ip-10-0-0-1.eu-west-1.compute.internal", None, true),
            node("second", Some("i-0b"), true),
            node("stale", Some("i-0c"), false),
        ];
        for (wanted, id, name) in [
            ("i-0a", "i-0a", nodes[0].name.as_str()),
            (nodes[0].name.as_str(), "i-0a", nodes[0].name.as_str()),
            ("i-0b", "i-0b", "second"),
            ("second", "i-0b", "second"),
        ] {
            let (machine, node) = find(&machines, Some(&nodes), wanted).unwrap();
            assert_eq!((machine.id.as_str(), node.unwrap().name.as_str()), (id, name), "{wanted}");
        }
        assert!(find(&machines, Some(&[]), "i-0a").unwrap().1.is_none(), "it never joined");
        let stale = find(&machines, Some(&nodes), "stale").unwrap_err();
        assert!(stale.message().contains("i-0c") && stale.hints()[0].contains("kubectl delete node"), "{stale}");
        assert!(is_of(&node("i-0a", None, true), &machines[0]));
        assert!(!is_of(&node("i-0a", Some("i-0b"), true), &machines[0]), "what it says counts, not how it is called");
    }

    /// An unknown name is refused, with the nearest one.
    #[test]
    fn unknown_names() {
        let machines = [machine("i-0123456789abcdef0", "node", "10.0.0.1")];
        let error = find(&machines, None, "i-0123456789abcdef1").unwrap_err();
        assert_eq!(error.message(), "the cluster has no machine i-0123456789abcdef1");
        assert!(error.hints()[0].contains("did you mean i-0123456789abcdef0"), "{:?}", error.hints());
        assert!(find(&machines, None, "worker").unwrap_err().message().contains("nodes are not looked at"));
        assert!(is_id("i-0123456789abcdef0") && !is_id("ip-10-0-0-1") && !is_id("i-") && !is_id("i-am-a-node"));
    }

    /// The control plane keeps its quorum: of three, one may go when the other two are ready; one that is not ready itself
    /// may go in any case, since nothing gets worse. A single one may go, with a warning.
    #[test]
    fn the_control_plane_keeps_its_quorum() {
        let machines = ["i-0a", "i-0b", "i-0c"].map(|id| machine(id, "control-plane", "10.0.0.1"));
        let judged = |ready: [bool; 3], groups: usize| {
            let nodes: Vec<Node> =
                machines.iter().zip(ready).map(|(m, ready)| node(&m.id, Some(&m.id), ready)).collect();
            judge_control_plane(&machines[..groups], Some(&nodes), &machines[0], false, groups)
        };
        assert_eq!(
            judged([true, true, true], 3).unwrap(),
            ["i-0a is of the control plane: 2 of its 3 machines are ready without it"]
        );
        let refused = judged([true, true, false], 3).unwrap_err();
        assert!(refused.message().contains("i-0a is needed: without it 1 of the 3"), "{refused}");
        assert!(judged([true, false, false], 3).is_err());
        assert!(judged([false, true, false], 3).is_ok() && judged([false, true, true], 3).is_ok());
        assert!(judged([true, false, false], 1).unwrap()[0].contains("the API is away"));
        let unasked = judge_control_plane(&machines, None, &machines[0], false, 3).unwrap();
        assert!(unasked[0].contains("nobody asks"), "{unasked:?}");
        assert!(judge_control_plane(&machines, None, &machines[0], true, 3).is_err(), "it never gets smaller");
    }

    /// A group gets smaller only as far as it may: that is known before anything is drained.
    #[test]
    fn groups_have_a_smallest_size() {
        let of = |desired: i32, min: i32| Membership { name: "g.c".into(), desired, min };
        let machine = machine("i-0a", "node", "10.0.0.1");
        assert!(judge_size(&machine, Some(&of(2, 1)), true).is_ok());
        let refused = judge_size(&machine, Some(&of(1, 1)), true).unwrap_err();
        assert_eq!(refused.message(), "group g is at its smallest size, 1");
        assert!(refused.hints()[0].contains("spec.minSize=0"));
        assert!(judge_size(&machine, None, true).is_err());
        assert!(judge_size(&machine, None, false).is_ok() && judge_size(&machine, Some(&of(1, 1)), false).is_ok());
    }
}
