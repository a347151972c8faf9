//! Every reason to refuse a worker, with the sentence that the operator reads; `docs/joining.md` says what to do about each.

use std::net::IpAddr;

/// Why a worker gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The request's body is no request.
    #[error("the request can't be read: {0}")]
    Unreadable(String),
    /// The identity header is missing, or no token.
    #[error("the identity can't be read: {0}")]
    UnreadableToken(String),
    /// A key's request is damaged, or not signed by that key.
    #[error("the {0} key's request is not one: {1}")]
    BadKey(&'static str, String),

    /// The signed request would go out in clear.
    #[error("the signed request is for {0}, not for https")]
    NotHttps(String),
    /// The signed request is for somebody who could answer what he likes.
    #[error("the signed request is for {is}, not for {wanted}")]
    OtherHost {
        /// For whom it is.
        is: String,
        /// For whom it has to be.
        wanted: String,
    },
    /// STS has one path.
    #[error("the signed request has the path {0:?}")]
    OtherPath(String),
    /// Characters in the query that two readers may read in two ways.
    #[error("the signed request's query is not written as a signed one is")]
    OddQuery,
    /// Another call than `GetCallerIdentity`.
    #[error("the signed request is for {0:?}, not for GetCallerIdentity")]
    OtherAction(String),
    /// A parameter has another value than the only possible one.
    #[error("the signed request has {0}={1:?}")]
    OtherValue(&'static str, String),
    /// A parameter is not there.
    #[error("the signed request lacks {0}")]
    Missing(&'static str),
    /// A parameter is there twice.
    #[error("the signed request has {0} more than once")]
    Repeated(String),
    /// A parameter that a signed `GetCallerIdentity` does not have.
    #[error("the signed request has a parameter more: {0}")]
    ExtraParameter(String),
    /// A header that nobody needs.
    #[error("the signed request has a header more: {0}")]
    ExtraHeader(String),
    /// A header that the signature does not cover.
    #[error("the signature does not cover the header {0}")]
    Unsigned(&'static str),
    /// The signature is for something else.
    #[error("the signature is for another request than this one")]
    OtherBody,
    /// Signed too long ago.
    #[error("it was signed {0} s ago, more than {max}: is the clock of the worker late, or the control plane's early?", max = super::check::AGE.as_secs())]
    TooOld(i64),
    /// Signed in the future.
    #[error("it was signed {0} s in the future, more than {max}: is the clock of the worker early, or the control plane's late?", max = super::check::AGE.as_secs())]
    Future(i64),
    /// The signature counts for too long.
    #[error("the signature counts for {0} s, more than {max}", max = super::check::LIFE)]
    LastsTooLong(u64),

    /// STS does not believe the signature.
    #[error("STS does not take the signature: {0}")]
    Sts(String),
    /// Somebody else has used this very request.
    #[error("{0} has used the same signed request already")]
    Replayed(IpAddr),
    /// Credentials of another account.
    #[error("the credentials are of account {is}, the cluster is in {wanted}")]
    OtherAccount {
        /// Whose they are.
        is: String,
        /// Whose they have to be.
        wanted: String,
    },
    /// Credentials of another partition of AWS.
    #[error("the credentials are of the partition {is}, the cluster is in {wanted}")]
    OtherPartition {
        /// Where they count.
        is: String,
        /// Where they have to count.
        wanted: String,
    },
    /// Credentials of a person, or of a role that is not an instance's.
    #[error("the credentials are {0}, no instance's")]
    NoInstance(String),
    /// Credentials of another instance.
    #[error("the credentials are {is}'s, the request is {wanted}'s")]
    OtherInstance {
        /// Whose they are.
        is: String,
        /// Whose they have to be.
        wanted: String,
    },

    /// A worker of another cluster.
    #[error("the request is for cluster {0}, this is another one")]
    OtherCluster(String),
    /// What is no instance id.
    #[error("{0:?} is no instance id")]
    NoId(String),
    /// EC2 has no such instance.
    #[error("EC2 has no instance {0}")]
    NoMachine(String),
    /// The machine is going.
    #[error("instance {id} is {state}")]
    NotRunning {
        /// Which.
        id: String,
        /// Its state.
        state: String,
    },
    /// The machine's tags say that it is no machine of the cluster's.
    #[error("instance {0} is not the cluster's: it lacks its tags KubernetesCluster and kspot.io/cluster")]
    ForeignMachine(String),
    /// A machine of the control plane has the keys itself.
    #[error("instance {0} is the control plane's, which joins without this")]
    ControlPlane(String),
    /// No tag names the group.
    #[error("instance {0} has no tag that names its instance group")]
    NoGroup(String),
    /// The machine has another instance profile than the groups' machines have.
    #[error("instance {id} has the instance profile {profile:?}, which is no worker's of this cluster")]
    OtherProfile {
        /// Which.
        id: String,
        /// Its profile; empty if it has none.
        profile: String,
    },
    /// The credentials are not of the machine's own profile.
    #[error("the credentials are of role {is}, which is not in the instance's profile")]
    OtherRole {
        /// Whose they are.
        is: String,
    },
    /// Asked from elsewhere.
    #[error("it was asked from {is}, which is no address of instance {id}: {}", list(.known))]
    OtherAddress {
        /// From where.
        is: IpAddr,
        /// Which machine.
        id: String,
        /// Its addresses.
        known: Vec<IpAddr>,
    },
    /// A configuration of another group.
    #[error("the configuration {asked:?} is not one of group {group}'s")]
    OtherConfiguration {
        /// What was asked for.
        asked: String,
        /// The machine's group.
        group: String,
    },
    /// The store has no such configuration.
    #[error("the state store has no configuration {0}")]
    NoConfiguration(String),
    /// A node of that name is another machine's, and works.
    #[error("node {node} is ready, and is {provider}'s")]
    NodeTaken {
        /// The node's name.
        node: String,
        /// Its machine.
        provider: String,
    },
    /// Too many requests from one address.
    #[error("too many requests from {0}")]
    TooMany(IpAddr),
}

impl Denied {
    /// The HTTP status of the refusal.
    pub fn status(&self) -> u16 {
        match self {
            Denied::Unreadable(_) | Denied::BadKey(..) | Denied::NoId(_) => 400,
            Denied::UnreadableToken(_) => 401,
            Denied::NoConfiguration(_) => 404,
            Denied::NodeTaken { .. } => 409,
            Denied::TooMany(_) => 429,
            _ => 403,
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
