//! How machines prove who they are, as far as AWS is asked: a worker signs with its credentials, the control plane looks
//! at the machine and its instance profile.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_ec2::types::Filter;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::Timestamp;

use super::{AwsCloud, AwsError, Class};
use crate::digest::sha256;
use crate::error::{Context as _, Error, Result};
use crate::node::identity::token::{BODY_HEADER, sts_host};
use crate::node::identity::{Machine, Token};

/// How long a token counts: long enough for a slow answer and clocks that differ a little.
const LIFE: Duration = Duration::from_secs(300);

/// How many values a filter may have.
const FILTER_VALUES: usize = 200;

/// A token for this body, for STS of a region, signed with the credentials of this machine.
pub async fn token(config: &SdkConfig, region: &str, body: &[u8], now: Timestamp) -> Result<Token> {
    let provider = config.credentials_provider().ok_or_else(|| Error::failed("there are no AWS credentials"))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.context(|| "can't get this machine's AWS credentials".to_owned())?;
    let (host, hash) = (sts_host(region), sha256(body));
    let plain = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let failed = || "can't sign the request that proves who this machine is".to_owned();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .context(failed)?;
    let headers = [("host", host.as_str()), (BODY_HEADER, hash.as_str())];
    let request = SignableRequest::new("GET", plain.as_str(), headers.into_iter(), SignableBody::Bytes(b""));
    let (instructions, _) = sign(request.context(failed)?, &params.into()).context(failed)?.into_parts();
    let mut signed = http::Request::get(plain.as_str()).body(()).context(failed)?;
    instructions.apply_to_request_http1x(&mut signed);
    Ok(Token { url: signed.uri().to_string(), headers: BTreeMap::from([(BODY_HEADER.to_owned(), hash)]) })
}

impl AwsCloud {
    /// A machine by its id, whosever it is; none if there is none.
    pub async fn machine(&self, id: &str) -> Result<Option<Machine>> {
        let answer = self.ec2.describe_instances().instance_ids(id).customize().send().await;
        match answer.map_err(|e| AwsError::of(format!("look at instance {id}"), &e)) {
            Ok(found) => {
                let mut all = found.reservations().iter().flat_map(|r| r.instances());
                Ok(all.find(|i| i.instance_id() == Some(id)).map(machine))
            }
            Err(e) if e.class == Class::NotFound || e.code.as_deref() == Some("InvalidInstanceID.Malformed") => {
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The machines of a cluster that run, or are about to: one paged sweep.
    pub async fn machines(&self, cluster: &str) -> Result<Vec<Machine>> {
        let alive = Filter::builder().name("instance-state-name").values("pending").values("running").build();
        self.every_instance(cluster, [alive], machine).await
    }

    /// The states of instances, by id: `running`, `shutting-down`, `terminated` ...; those that EC2 does not know are left
    /// out.
    pub async fn states(&self, ids: &[String]) -> Result<BTreeMap<String, String>> {
        let mut states = BTreeMap::new();
        for some in ids.chunks(FILTER_VALUES) {
            // Asked for by a filter, what EC2 has forgotten is no error. Their tags are gone before they are.
            let these = Filter::builder().name("instance-id").set_values(Some(some.to_vec())).build();
            let mut pages = self.ec2.describe_instances().filters(these).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|e| AwsError::of("look at the instances of nodes", &e))?;
                let found = page.reservations().iter().flat_map(|r| r.instances()).map(machine);
                states.extend(found.map(|machine| (machine.id, machine.state)));
            }
        }
        Ok(states)
    }

    /// The names of the roles in an instance profile, by its ARN.
    pub async fn profile_roles(&self, arn: &str) -> Result<Vec<String>> {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let answer = self.iam.get_instance_profile().instance_profile_name(name).customize().send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("read the instance profile {name}"), &e))?;
        let roles = answer.instance_profile().map(|p| p.roles()).unwrap_or_default();
        Ok(roles.iter().map(|role| role.role_name().to_owned()).collect())
    }
}

fn machine(i: &aws_sdk_ec2::types::Instance) -> Machine {
    // Of each interface the first address alone: the others are its pods', where they have addresses of the VPC.
    let v4 = i.network_interfaces().iter().filter_map(|n| n.private_ip_address());
    let first = i.network_interfaces().iter().filter(|n| n.attachment().and_then(|a| a.device_index()) == Some(0));
    let v6 = first.flat_map(|n| n.ipv6_addresses()).filter_map(|a| a.ipv6_address());
    let main = i.private_ip_address().into_iter().chain(i.ipv6_address());
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in main.chain(v4).chain(v6).filter_map(|a| a.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    Machine {
        id: text(i.instance_id()),
        state: text(i.state().and_then(|s| s.name()).map(|n| n.as_str())),
        tags: i.tags().iter().map(|t| (text(t.key()), text(t.value()))).collect(),
        profile: i.iam_instance_profile().and_then(|p| p.arn()).map(str::to_owned),
        addresses,
        name: i.private_dns_name().filter(|name| !name.is_empty()).map(str::to_owned),
    }
}
