//! How everything is called, and how long AWS lets a name be.
//!
//! The names are kOps', so that people and tools that know them find their way. A name that would be too long is cut and
//! ends with a hash of the whole, so that two clusters whose names differ only at the end stay apart.

use crate::digest::sha256;
use crate::resource::key_pair::normalised;
use crate::spec::{InstanceGroup, Role};

/// Longest name of an IAM role or instance profile (the profile's limit is 128; both have the same name).
pub const IAM_LIMIT: usize = 64;
/// Longest name of a load balancer or target group.
pub const LOAD_BALANCER_LIMIT: usize = 32;
/// Longest name of a launch template; the Auto Scaling group of the same name could be longer.
pub const LAUNCH_TEMPLATE_LIMIT: usize = 128;
/// Longest name of a security group or key pair, and of an Auto Scaling group.
pub const SECURITY_GROUP_LIMIT: usize = 255;
/// Most of the cluster's name that the name of a queue holds: 80 less `-nth`, rounded down as kOps does.
const QUEUE_LIMIT: usize = 75;
/// Most of the cluster's name that the name of an event rule holds: 64 less the longest suffix.
const EVENT_RULE_LIMIT: usize = 40;

const HASH_LENGTH: usize = 6;

/// The names of one cluster's resources.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    cluster: &'a str,
}

impl<'a> Names<'a> {
    /// The names of the cluster with this name.
    pub fn of(cluster: &'a str) -> Self {
        Names { cluster }
    }

    /// The cluster itself: VPC, gateways, DHCP options, public route table.
    pub fn cluster(self) -> &'a str {
        self.cluster
    }

    /// Something that exists once per zone or subnet: `us-east-1a.CL`.
    pub fn below(self, part: &str) -> String {
        format!("{part}.{}", self.cluster)
    }

    /// The role of IAM, its instance profile: `masters.CL`, `nodes.CL`, `bastions.CL`.
    pub fn iam(self, role: Role) -> String {
        truncate(&self.of_role(role), IAM_LIMIT)
    }

    /// The role of IAM of a service account: `NAME.NAMESPACE.sa.CL`.
    pub fn service_account_role(self, namespace: &str, name: &str) -> String {
        // IAM's names have no star.
        let namespace = namespace.replace('*', "wildcard");
        truncate(&self.below(&format!("{name}.{namespace}.sa")), IAM_LIMIT)
    }

    /// The security group of a role's machines; kOps has the bastion's in the singular.
    pub fn security_group(self, role: Role) -> String {
        match role {
            Role::Bastion => self.group("bastion"),
            _ => self.group(plural(role)),
        }
    }

    /// A security group: `api-elb.CL`.
    pub fn group(self, prefix: &str) -> String {
        truncate(&self.below(prefix), SECURITY_GROUP_LIMIT)
    }

    fn of_role(self, role: Role) -> String {
        self.below(plural(role))
    }

    /// The Auto Scaling group and the launch template of an instance group.
    pub fn instance_group(self, group: &InstanceGroup) -> String {
        let name = match group.spec.role {
            Role::ControlPlane => format!("{}.masters.{}", group.name(), self.cluster),
            Role::Node | Role::Bastion => self.below(group.name()),
        };
        truncate(&name, LAUNCH_TEMPLATE_LIMIT)
    }

    /// A load balancer or target group, always with a hash: `api-minimal-example-com-gecgf7`.
    pub fn balancer(self, prefix: &str) -> String {
        let whole = format!("{prefix}-{}", self.dashed());
        with_hash(&whole, LOAD_BALANCER_LIMIT)
    }

    /// The volume of an etcd member: `a.etcd-main.CL`.
    pub fn etcd_volume(self, member: &str, etcd_cluster: &str) -> String {
        format!("{member}.etcd-{etcd_cluster}.{}", self.cluster)
    }

    /// The queue of the termination handler.
    pub fn termination_queue(self) -> String {
        format!("{}-nth", truncate(&self.dashed(), QUEUE_LIMIT))
    }

    /// A rule that sends events to that queue.
    pub fn event_rule(self, event: &str) -> String {
        format!("{}-{event}", truncate(self.cluster, EVENT_RULE_LIMIT))
    }

    /// The key pair: it is another one, with another name, when the key changes.
    pub fn key_pair(self, public_key: &str) -> String {
        format!("{}-{}", self.group("kubernetes"), &sha256(normalised(public_key).as_bytes())[..16])
    }

    /// The name that the API server and the nodes inside call the API by.
    pub fn internal_api(self) -> String {
        format!("api.internal.{}", self.cluster)
    }

    /// The name that nodes call the controller on the control plane by.
    pub fn controller(self) -> String {
        format!("kspot-controller.internal.{}", self.cluster)
    }

    fn dashed(self) -> String {
        self.cluster.replace('.', "-")
    }
}

/// The lifecycle hook of an instance group's Auto Scaling group.
pub fn termination_hook(group: &str) -> String {
    format!("{group}-NTHLifecycleHook")
}

fn plural(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "masters",
        Role::Node => "nodes",
        Role::Bastion => "bastions",
    }
}

/// The name as it is if it fits, else cut to the limit with a hash at its end.
pub fn truncate(name: &str, limit: usize) -> String {
    if name.len() <= limit { name.to_owned() } else { with_hash(name, limit) }
}

/// Names are ASCII (validation sees to it): a cut never splits a character.
fn with_hash(name: &str, limit: usize) -> String {
    let kept = name.len().min(limit - HASH_LENGTH - 1);
    let kept = name.get(..kept).unwrap_or(name);
    format!("{kept}-{}", short_hash(name))
}

/// Six characters of the name's FNV-1a hash in base 32 (digits, then a to v): what kOps appends.
fn short_hash(name: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (0..HASH_LENGTH).map(|i| char::from(DIGITS[(hash >> (27 - 5 * i) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The hash is kOps' own: a known name of its golden files comes out.
    #[test]
    fn load_balancer_names_are_kops_names() {
        assert_eq!(Names::of("minimal.example.com").balancer("api"), "api-minimal-example-com-gecgf7");
    }

    /// The bastion's groups and roles keep kOps' odd singular and plural.
    #[test]
    fn role_names() {
        let names = Names::of("c.example.com");
        assert_eq!(names.iam(Role::ControlPlane), "masters.c.example.com");
        assert_eq!(names.security_group(Role::Bastion), "bastion.c.example.com");
        assert_eq!(names.iam(Role::Bastion), "bastions.c.example.com");
        assert_eq!(names.termination_queue(), "c-example-com-nth");
    }

    proptest! {
        /// Whatever the cluster is called, no name is over its limit, and two clusters never share one.
        #[test]
        fn names_fit_and_differ(a in "[a-z0-9]{1,60}(\\.[a-z0-9]{1,40}){1,4}", b in "[a-z0-9]{1,10}") {
            let other = format!("{a}{b}");
            let (x, y) = (Names::of(&a), Names::of(&other));
            for role in Role::ALL {
                prop_assert!(x.iam(role).len() <= IAM_LIMIT);
                prop_assert_ne!(x.iam(role), y.iam(role));
            }
            let account = |n: Names<'_>| n.service_account_role("kube-system", "aws-cloud-controller-manager");
            prop_assert!(account(x).len() <= IAM_LIMIT && !account(x).contains('*'));
            prop_assert_ne!(account(x), account(y));
            prop_assert!(x.balancer("kops-controller").len() <= LOAD_BALANCER_LIMIT);
            prop_assert!(x.termination_queue().len() <= 80);
            prop_assert!(x.event_rule("InstanceScheduledChange").len() <= 64);
            prop_assert_ne!(x.termination_queue(), y.termination_queue());
        }
    }
}
