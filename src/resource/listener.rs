//! Listener: one port of the load balancer.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, Certificate, Listener as AwsListener, ProtocolEnum};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, load_balancer, tags};
use super::elb::{self, no_retry};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Live, Scope};
use crate::error::Result;

/// A listener, named `<load balancer>:<port>`. Its id is its ARN. It belongs to whom its load balancer belongs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The cluster's name, for the tags it is made with: they are written once and not compared.
    pub cluster: String,
    /// The load balancer.
    pub load_balancer: Ref,
    /// The port.
    pub port: u16,
    /// `TCP` or `TLS`.
    pub protocol: String,
    /// Where connections go.
    pub target_group: Ref,
    /// ARN of the certificate, of `TLS`.
    pub certificate: Option<String>,
    /// The policy of ciphers, of `TLS`.
    pub ssl_policy: Option<String>,
}

impl Model for Listener {
    const KIND: Kind = Kind::Listener;
    const RULES: Rules = Rules {
        noun: "listener",
        forces_replacement: &["loadBalancer", "port"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };

    /// A listener of somebody else's load balancer is not ours, whatever that one is called.
    fn finish(self, _attrs: &Attrs, _live: &Live) -> Option<Self> {
        self.load_balancer.addr().is_some().then_some(self)
    }
}

async fn listeners(cloud: &AwsCloud, balancer: &str) -> Result<Vec<AwsListener>> {
    let mut pages = cloud.elb.describe_listeners().load_balancer_arn(balancer).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(listener) = pages.next().await {
        found.push(listener.map_err(|e| AwsError::of(format!("list the listeners of {balancer}"), &e))?);
    }
    Ok(found)
}

fn normalise(scope: &Scope, balancer: &str, listener: &AwsListener) -> Found<Listener> {
    let port = listener.port().and_then(|p| u16::try_from(p).ok()).unwrap_or_default();
    let tls = listener.protocol() == Some(&ProtocolEnum::Tls);
    let target = listener.default_actions().first().and_then(Action::target_group_arn).unwrap_or_default();
    Found {
        name: format!("{balancer}:{port}"),
        id: listener.listener_arn().unwrap_or_default().to_owned(),
        attrs: Attrs::new(),
        resource: Listener {
            cluster: scope.cluster.clone(),
            load_balancer: Ref::id(listener.load_balancer_arn().unwrap_or_default()),
            port,
            protocol: listener.protocol().map(|p| p.as_str().to_owned()).unwrap_or_default(),
            target_group: Ref::id(target),
            certificate: listener.certificates().first().and_then(|c| c.certificate_arn()).map(str::to_owned),
            ssl_policy: listener.ssl_policy().filter(|_| tls).map(str::to_owned),
        },
    }
}

impl Listener {
    fn certificates(&self) -> Option<Vec<Certificate>> {
        self.certificate.iter().map(|arn| vec![Certificate::builder().certificate_arn(arn).build()]).next()
    }

    fn forward(&self, call: &Call<'_>) -> Result<Action> {
        let target = call.id(&self.target_group)?;
        Ok(Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(target).build())
    }
}

#[async_trait]
impl Aws for Listener {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let balancers = load_balancer::named(cloud, scope).await?;
        let found = try_join_all(balancers.iter().map(|balancer| async {
            let all = listeners(cloud, balancer.load_balancer_arn().unwrap_or_default()).await?;
            let name = balancer.load_balancer_name().unwrap_or_default();
            Ok::<_, crate::Error>(all.iter().map(|l| normalise(scope, name, l)).collect::<Vec<_>>())
        }));
        Ok(found.await?.into_iter().flatten().collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let (balancer, forward) = (call.id(&self.load_balancer)?, self.forward(call)?);
        let made_with = elb::to_tags(&tags::owned(&self.cluster, &call.addr.name));
        let id = once::create_once(
            || async {
                let made = call
                    .cloud
                    .elb
                    .create_listener()
                    .load_balancer_arn(&balancer)
                    .port(self.port.into())
                    .protocol(self.protocol.as_str().into())
                    .default_actions(forward.clone())
                    .set_certificates(self.certificates())
                    .set_ssl_policy(self.ssl_policy.clone())
                    .set_tags(Some(made_with.clone()))
                    .customize()
                    .config_override(no_retry())
                    .send()
                    .await
                    .map_err(|e| AwsError::of(call.doing("create"), &e))?;
                Ok(made.listeners().first().and_then(AwsListener::listener_arn).unwrap_or_default().to_owned())
            },
            || async {
                let all = listeners(call.cloud, &balancer).await?;
                let ours = all.iter().find(|l| l.port() == Some(self.port.into()));
                Ok(ours.and_then(AwsListener::listener_arn).map(str::to_owned))
            },
        )
        .await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, _changed: &Changed) -> Result<Attrs> {
        let modify = call
            .cloud
            .elb
            .modify_listener()
            .listener_arn(&live.id)
            .protocol(self.protocol.as_str().into())
            .default_actions(self.forward(call)?)
            .set_certificates(self.certificates())
            .set_ssl_policy(self.ssl_policy.clone());
        modify.customize().send().await.map_err(|e| AwsError::of(call.doing("change"), &e))?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        once::deleted(20, || async {
            let delete = call.cloud.elb.delete_listener().listener_arn(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
