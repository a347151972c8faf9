//! What EC2 says of the machine that asks. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Denied;
use crate::model::tags::{INSTANCE_GROUP, role_tags};
use crate::resource::tags::{CLUSTER, KUBERNETES_CLUSTER};
use crate::spec::Role;

/// A machine, as EC2 has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// `i-...`
    pub id: String,
    /// `pending`, `running` ...
    pub state: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its instance profile.
    pub profile: Option<String>,
    /// Its own private addresses, the first one first; not those that it has for its pods.
    pub addresses: Vec<IpAddr>,
    /// Its private DNS name.
    pub name: Option<String>,
}

/// What the machine asks for, and how.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// From where it was asked.
    pub peer: IpAddr,
    /// The instance profiles that workers may have.
    pub profiles: &'a BTreeSet<String>,
    /// The configuration that is asked for.
    pub configuration: &'a str,
}

impl Machine {
    /// The instance group that its tag names.
    pub fn group(&self) -> Option<&str> {
        self.tags.get(INSTANCE_GROUP).map(String::as_str).filter(|group| !group.is_empty())
    }

    /// Whether its tags say that it is the cluster's: Kubernetes' own, which controllers in the cluster give to what is
    /// theirs, and kspot's.
    pub fn is_of(&self, cluster: &str) -> bool {
        [KUBERNETES_CLUSTER, CLUSTER].iter().all(|key| self.tags.get(*key).is_some_and(|name| name == cluster))
    }

    /// Whether its tags say that it has this role.
    pub fn has_role(&self, role: Role) -> bool {
        role_tags(role).keys().any(|key| self.tags.contains_key(key))
    }

    /// Whether it runs, or is about to.
    pub fn is_alive(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running")
    }

    /// Checks all that EC2 knows; gives the instance group and the profile.
    pub fn check(&self, claim: &Claim<'_>) -> Result<(&str, &str), Denied> {
        let id = || self.id.clone();
        if !self.is_of(claim.cluster) {
            return Err(Denied::ForeignMachine(id()));
        }
        if !self.is_alive() {
            return Err(Denied::NotRunning { id: id(), state: self.state.clone() });
        }
        if self.has_role(Role::ControlPlane) {
            return Err(Denied::ControlPlane(id()));
        }
        let group = self.group().ok_or_else(|| Denied::NoGroup(id()))?;
        let profile = self.profile.as_deref().unwrap_or_default();
        if !claim.profiles.contains(profile) {
            return Err(Denied::OtherProfile { id: id(), profile: profile.to_owned() });
        }
        if !self.addresses.contains(&claim.peer) {
            return Err(Denied::OtherAddress { is: claim.peer, id: id(), known: self.addresses.clone() });
        }
        if !is_configuration(claim.configuration, claim.cluster, group) {
            return Err(Denied::OtherConfiguration { asked: claim.configuration.to_owned(), group: group.to_owned() });
        }
        Ok((group, profile))
    }
}

/// Whether a key is that of a configuration of this group's: `<cluster>/node/node/<group>-<digest>.yaml`. The digest is
/// looked at since one group's name may begin with another's and a dash.
fn is_configuration(key: &str, cluster: &str, group: &str) -> bool {
    let below = key.strip_prefix(&format!("{cluster}/node/node/{group}-"));
    let digest = below.and_then(|rest| rest.strip_suffix(".yaml"));
    digest.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// Whether this looks like an instance's id: what does not is not even asked for.
pub fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    (8..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "arn:aws:iam::123456789012:instance-profile/nodes.c.example.com";

    fn worker() -> Machine {
        let own = [(KUBERNETES_CLUSTER, "c.example.com"), (CLUSTER, "c.example.com")];
        let tags = own.into_iter().chain([(INSTANCE_GROUP, "a"), ("k8s.io/role/node", "1")]);
        Machine {
            id: "i-1".into(),
            state: "running".into(),
            tags: tags.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            profile: Some(PROFILE.into()),
            addresses: ["10.0.0.7", "fd00::7"].map(|a| a.parse().unwrap()).into(),
            name: None,
        }
    }

    /// What comes of a machine like the worker, with something else about it or its request.
    fn ask(change: impl FnOnce(&mut Machine), peer: &str, configuration: &str) -> Result<String, Denied> {
        let mut machine = worker();
        change(&mut machine);
        let profiles = BTreeSet::from([PROFILE.to_owned()]);
        let claim = Claim { cluster: "c.example.com", peer: peer.parse().unwrap(), profiles: &profiles, configuration };
        machine.check(&claim).map(|(group, _)| group.to_owned())
    }

    const KEY: &str = "c.example.com/node/node/a-0123456789ab.yaml";

    /// A worker that runs, or is about to, is let in, from any of its addresses.
    #[test]
    fn a_worker_is_let_in() {
        assert_eq!(ask(|_| {}, "10.0.0.7", KEY).as_deref(), Ok("a"));
        assert_eq!(ask(|m| m.state = "pending".into(), "fd00::7", KEY).as_deref(), Ok("a"));
    }

    /// Nobody else is: a foreign machine, one that is going, the control plane's own, one without a group, one with
    /// another profile, or from another address.
    #[test]
    fn nobody_else_is_let_in() {
        let refused = |change: fn(&mut Machine)| ask(change, "10.0.0.7", KEY).unwrap_err();
        assert!(matches!(refused(|m| drop(m.tags.remove(KUBERNETES_CLUSTER))), Denied::ForeignMachine(_)));
        assert!(matches!(refused(|m| drop(m.tags.remove(CLUSTER))), Denied::ForeignMachine(_)));
        let other = |m: &mut Machine| drop(m.tags.insert(KUBERNETES_CLUSTER.into(), "d.example.com".into()));
        assert!(matches!(refused(other), Denied::ForeignMachine(_)));
        for state in ["shutting-down", "terminated", "stopping", "stopped"] {
            let error = ask(|m| m.state = state.into(), "10.0.0.7", KEY).unwrap_err();
            assert!(matches!(error, Denied::NotRunning { .. }), "{error}");
        }
        let control_plane = |m: &mut Machine| drop(m.tags.insert("k8s.io/role/control-plane".into(), "1".into()));
        assert!(matches!(refused(control_plane), Denied::ControlPlane(_)));
        assert!(matches!(refused(|m| drop(m.tags.remove(INSTANCE_GROUP))), Denied::NoGroup(_)));
        assert!(matches!(refused(|m| m.profile = None), Denied::OtherProfile { .. }));
        assert!(matches!(refused(|m| m.profile = Some(format!("{PROFILE}x"))), Denied::OtherProfile { .. }));
        assert!(matches!(ask(|_| {}, "10.0.0.8", KEY), Err(Denied::OtherAddress { .. })));
    }

    /// A configuration of another group, cluster or role is not given away, whatever the names begin with.
    #[test]
    fn only_the_groups_configuration_is_given() {
        for key in [
            "c.example.com/node/node/b-0123456789ab.yaml",
            "c.example.com/node/node/a-b-0123456789ab.yaml",
            "c.example.com/node/control-plane/a-0123456789ab.yaml",
            "d.example.com/node/node/a-0123456789ab.yaml",
            "c.example.com/node/node/a-/../../../pki/keysets",
            "c.example.com/node/node/a-.yaml",
            "c.example.com/pki/keysets",
            "",
        ] {
            assert!(matches!(ask(|_| {}, "10.0.0.7", key), Err(Denied::OtherConfiguration { .. })), "{key}");
        }
    }

    /// What is no instance id is not asked for.
    #[test]
    fn ids_of_instances() {
        assert!(is_id("i-0123456789abcdef0") && is_id("i-01234567"));
        assert!(!is_id("i-") && !is_id("i-012345678z") && !is_id("vol-0123456789abcdef0") && !is_id("i-0123/../x"));
    }
}
