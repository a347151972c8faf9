//! `POST /bootstrap`: a worker proves who it is and gets its configuration and its certificates, or the reason why not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Parts;
use super::addresses::Fleet;
use super::lookups::Lookups;
use super::status::BootStatus;
use crate::error::{Error, Result};
use crate::kube::connect::in_time;
use crate::kube::nodes;
use crate::model::naming::Names;
use crate::node::configuration::Cloud;
use crate::node::identity::caller::{self, Caller};
use crate::node::identity::check::{Expected, check};
use crate::node::identity::machine::{Claim, is_id};
use crate::node::identity::{Denied, Machine, Token};
use crate::node::join::{Grant, PHASE, Request};
use crate::pki::issue::PublicKey;
use crate::pki::kubelet;
use crate::spec::Role;

/// How long the API server is waited for; it may be away.
const API: Duration = Duration::from_secs(3);

/// Why a worker gets nothing now.
#[derive(Debug)]
pub enum Failure {
    /// It gets nothing.
    Denied(Denied),
    /// Nobody can tell now; it should ask again.
    Unknown(Error),
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Failure::Denied(denied)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Unknown(error)
    }
}

/// What a worker sent.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// From where.
    pub peer: IpAddr,
    /// The identity header.
    pub token: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What is known of who asks, while it is found out.
#[derive(Default)]
struct Known {
    instance: String,
    group: String,
    /// STS has said that it is this instance.
    proven: bool,
}

/// Answers a worker, and writes down what came of it.
pub async fn answer(parts: &Parts, asked: Asked<'_>) -> Result<Grant, Failure> {
    let mut known = Known::default();
    let answer = grant(parts, asked, &mut known).await;
    let Known { instance, group, proven } = &known;
    match &answer {
        Ok(_) => tracing::info!(%instance, %group, peer = %asked.peer, "granted"),
        Err(Failure::Denied(why)) => {
            tracing::warn!(%instance, %group, peer = %asked.peer, reason = %why, "refused");
            keep(parts, asked.peer, instance, *proven, why.to_string()).await;
        }
        Err(Failure::Unknown(why)) => {
            tracing::error!(%instance, %group, peer = %asked.peer, reason = why.line(), "not decided");
            keep(parts, asked.peer, instance, *proven, why.line()).await;
        }
    }
    answer
}

async fn grant(parts: &Parts, asked: Asked<'_>, known: &mut Known) -> Result<Grant, Failure> {
    let home = &parts.home;
    let request: Request = serde_json::from_slice(asked.body).map_err(|e| Denied::Unreadable(e.to_string()))?;
    if !is_id(&request.instance) {
        return Err(Denied::NoId(request.instance).into());
    }
    known.instance.clone_from(&request.instance);
    if request.cluster != home.cluster {
        return Err(Denied::OtherCluster(request.cluster).into());
    }
    let key = |what: &'static str, pem: &str| PublicKey::of_request(pem).map_err(|e| Denied::BadKey(what, e.chain()));
    let (client, server) = (key("client's", &request.client)?, key("server's", &request.server)?);

    let role = caller(parts, asked, &request.instance).await?;
    known.proven = true;
    let machine = machine(parts, &parts.proven, &request.instance).await?;
    known.group = machine.group().unwrap_or_default().to_owned();
    let claim = Claim {
        cluster: &home.cluster,
        peer: asked.peer,
        profiles: &home.profiles,
        configuration: &request.configuration,
    };
    let (_, profile) = machine.check(&claim)?;
    if !has_role(parts, profile, &role).await? {
        return Err(Denied::OtherRole { is: role }.into());
    }
    not_taken(parts, &machine).await?;
    let configuration = home.store.store().get(&request.configuration).await?;
    let configuration = configuration.ok_or_else(|| Denied::NoConfiguration(request.configuration.clone()))?;
    let (authority, now) = (home.authority()?, home.context.now());
    let own = machine.addresses.iter().map(ToString::to_string);
    let names = [Some(machine.id.clone()), machine.name.clone()].into_iter().flatten().chain(own).collect();
    Ok(Grant {
        configuration: configuration.text(&request.configuration)?,
        authorities: home.authorities()?,
        client: kubelet::client(&authority, &machine.id, &client, now)?,
        server: kubelet::server(&authority, &machine.id, names, &server, now)?,
        api_addresses: addresses(parts).await?,
    })
}

/// Where the API server is; EC2 is asked if nobody has looked yet.
async fn addresses(parts: &Parts) -> Result<Vec<IpAddr>> {
    let known = parts.seen.borrow().control_plane();
    if !known.is_empty() {
        return Ok(known);
    }
    let asked = Instant::now();
    Ok(Fleet::new(parts.home.aws.machines(&parts.home.cluster).await?, asked).control_plane())
}

/// What EC2 says of a machine: as it was seen last, or, where that is long ago or it came since, looked up.
pub async fn machine(parts: &Parts, lookups: &Lookups, id: &str) -> Result<Machine, Failure> {
    let (fleet, now) = (Arc::clone(&parts.seen.borrow()), Instant::now());
    if let Some(machine) = fleet.fresh(id, now) {
        return Ok(machine.clone());
    }
    let found = lookups.find(id, now, parts.home.aws.machine(id)).await?;
    Ok(found.ok_or_else(|| Denied::NoMachine(id.to_owned()))?)
}

/// The role of the credentials that the token was signed with, if they are the instance's.
async fn caller(parts: &Parts, asked: Asked<'_>, instance: &str) -> Result<String, Failure> {
    let (home, now) = (&parts.home, parts.home.context.now());
    let expected = Expected { host: home.sts.host(), region: &home.cloud.region, body: asked.body, now };
    let token = check(&Token::decode(asked.token)?, &expected)?;
    let said = home.sts.ask(&token).await?;
    if !said.believed {
        return Err(Denied::Sts(caller::refusal(&said.text).unwrap_or_default()).into());
    }
    let caller = Caller::parse(&said.text);
    let caller = caller.ok_or_else(|| Error::failed(format!("{} answers what is no identity", home.sts.host())))?;
    let role = caller.role_of(instance, &home.cloud)?;
    parts.used.by(asked.peer, &token.signature, token.ends, now)?;
    Ok(role)
}

/// Whether a role is the instance profile's: of kspot's own profiles it has the profile's name.
async fn has_role(parts: &Parts, profile: &str, role: &str) -> Result<bool> {
    let own = Names::of(&parts.home.cluster).iam(Role::Node);
    let Cloud { account, partition, .. } = &parts.home.cloud;
    if profile == format!("arn:{partition}:iam::{account}:instance-profile/{own}") {
        return Ok(role == own);
    }
    if let Some(roles) = parts.profiles.lock().await.get(profile) {
        // A role may have come since.
        if roles.iter().any(|r| r == role) {
            return Ok(true);
        }
    }
    let roles = parts.home.aws.profile_roles(profile).await?;
    let has = roles.iter().any(|r| r == role);
    parts.profiles.lock().await.insert(profile.to_owned(), roles);
    Ok(has)
}

/// Nobody takes the place of a node that works. An API server that is away says nothing against anybody.
async fn not_taken(parts: &Parts, machine: &Machine) -> Result<(), Denied> {
    let asked = async { nodes::standing(&parts.home.door.client().await?, &machine.id).await };
    match in_time(API, asked).await {
        Ok(Some((true, provider))) if provider.rsplit('/').next() != Some(machine.id.as_str()) => {
            Err(Denied::NodeTaken { node: machine.id.clone(), provider })
        }
        Ok(_) => Ok(()),
        Err(e) => {
            tracing::info!(instance = machine.id, error = e.line(), "the API server is not asked about the node");
            Ok(())
        }
    }
}

/// Keeps a refusal as the machine's status, if it is the machine's own: proven, or from its address. Anybody can name a
/// machine.
async fn keep(parts: &Parts, peer: IpAddr, instance: &str, proven: bool, error: String) {
    let fleet = parts.seen.borrow().clone();
    let Some(machine) = fleet.machines.get(instance) else { return };
    if proven || machine.addresses.contains(&peer) {
        let status = BootStatus {
            instance: instance.to_owned(),
            phase: PHASE.to_owned(),
            error: Some(error),
            began: None,
            since: None,
            when: parts.home.context.now(),
        };
        parts.book.tell(status).await;
    }
}
