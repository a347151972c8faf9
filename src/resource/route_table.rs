//! Route table: where the packets of its subnets go.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Filter, ResourceType, Route, RouteOrigin, RouteState, RouteTable as AwsRouteTable, RouteTableAssociation,
    RouteTableAssociationStateCode,
};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A route table of ours, wholly: a route or an association that is not wanted goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTable {
    /// The VPC.
    pub vpc: Ref,
    /// Where packets go, by destination range (IPv4 or IPv6). The VPC's own ranges and what AWS adds by itself
    /// (gateway endpoints, propagated routes) are not listed.
    pub routes: BTreeMap<String, Target>,
    /// The subnets that use it.
    pub subnets: BTreeSet<Ref>,
    /// Its tags.
    pub tags: Tags,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// An internet gateway, or a virtual private gateway by its `vgw-` id.
    InternetGateway(Ref),
    /// A NAT gateway.
    NatGateway(Ref),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(Ref),
    /// A transit gateway.
    TransitGateway(Ref),
    /// An instance that forwards.
    Instance(Ref),
    /// A network interface that forwards.
    NetworkInterface(Ref),
    /// A peering connection.
    PeeringConnection(Ref),
    /// Observed only: a target of a sort that kspot never makes.
    Other(Ref),
    /// Observed only: the target is gone, packets are dropped.
    Blackhole(Ref),
}

impl Model for RouteTable {
    const KIND: Kind = Kind::RouteTable;
    const RULES: Rules = Rules {
        noun: "route table",
        forces_replacement: &["vpc"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("route-table"),
        only_grows: &[],
        loses_data: None,
    };
}

impl Target {
    /// The same with the id in place of an address.
    fn with_id(&self, call: &Call<'_>) -> Result<Target> {
        let (kind, to): (fn(Ref) -> Target, &Ref) = match self {
            Target::InternetGateway(r) => (Target::InternetGateway, r),
            Target::NatGateway(r) => (Target::NatGateway, r),
            Target::EgressOnlyInternetGateway(r) => (Target::EgressOnlyInternetGateway, r),
            Target::TransitGateway(r) => (Target::TransitGateway, r),
            Target::Instance(r) => (Target::Instance, r),
            Target::NetworkInterface(r) => (Target::NetworkInterface, r),
            Target::PeeringConnection(r) => (Target::PeeringConnection, r),
            Target::Other(r) => (Target::Other, r),
            Target::Blackhole(r) => (Target::Blackhole, r),
        };
        Ok(kind(Ref::Id(call.id(to)?)))
    }
}

/// Makes a target of a reference.
type Make = fn(Ref) -> Target;

fn target(route: &Route) -> Target {
    // A route to an instance names the instance's interface as well.
    let kinds: [(Option<&str>, Make); 10] = [
        (route.nat_gateway_id(), Target::NatGateway),
        (route.egress_only_internet_gateway_id(), Target::EgressOnlyInternetGateway),
        (route.transit_gateway_id(), Target::TransitGateway),
        (route.vpc_peering_connection_id(), Target::PeeringConnection),
        (route.instance_id(), Target::Instance),
        (route.network_interface_id(), Target::NetworkInterface),
        (route.local_gateway_id(), Target::Other),
        (route.carrier_gateway_id(), Target::Other),
        (route.core_network_arn(), Target::Other),
        (route.gateway_id(), Target::InternetGateway),
    ];
    let (id, kind) = kinds.into_iter().find_map(|(id, kind)| Some((id?, kind))).unwrap_or(("", Target::Other));
    match route.state() {
        Some(RouteState::Blackhole) => Target::Blackhole(Ref::id(id)),
        _ => kind(Ref::id(id)),
    }
}

/// The routes that somebody asked for: not those of the VPC itself, of gateway endpoints, of propagation.
fn routes(table: &AwsRouteTable) -> BTreeMap<String, Target> {
    let asked = table.routes().iter().filter(|r| {
        let by_aws = matches!(r.origin(), Some(RouteOrigin::CreateRouteTable | RouteOrigin::EnableVgwRoutePropagation));
        !by_aws && r.gateway_id() != Some("local")
    });
    // A destination that is a prefix list is a gateway endpoint's.
    let keyed = asked.filter_map(|r| {
        let destination = r.destination_cidr_block().or(r.destination_ipv6_cidr_block())?;
        Some((destination.to_owned(), target(r)))
    });
    keyed.collect()
}

fn subnet_associations(table: &AwsRouteTable) -> impl Iterator<Item = (&str, &str)> {
    let there = |a: &&RouteTableAssociation| {
        use RouteTableAssociationStateCode as S;
        let state = a.association_state().and_then(|s| s.state());
        !matches!(state, Some(S::Disassociating | S::Disassociated | S::Failed))
    };
    let associations = table.associations().iter().filter(there);
    associations.filter_map(|a| Some((a.subnet_id()?, a.route_table_association_id()?)))
}

fn by_destination(cidr: &str) -> (Option<String>, Option<String>) {
    let cidr = Some(cidr.to_owned());
    if cidr.as_deref().is_some_and(|c| c.contains(':')) { (None, cidr) } else { (cidr, None) }
}

/// Fills a route's target into a create or replace request: both have the same setters, and no type in common.
macro_rules! to_target {
    ($request:expr, $target:expr, $call:expr) => {{
        let (request, call): (_, &Call<'_>) = ($request, $call);
        match $target {
            Target::InternetGateway(r) => request.gateway_id(call.id(r)?),
            Target::NatGateway(r) => request.nat_gateway_id(call.id(r)?),
            Target::EgressOnlyInternetGateway(r) => request.egress_only_internet_gateway_id(call.id(r)?),
            Target::TransitGateway(r) => request.transit_gateway_id(call.id(r)?),
            Target::Instance(r) => request.instance_id(call.id(r)?),
            Target::NetworkInterface(r) => request.network_interface_id(call.id(r)?),
            Target::PeeringConnection(r) => request.vpc_peering_connection_id(call.id(r)?),
            Target::Other(r) | Target::Blackhole(r) => {
                return Err(Error::failed(format!("{} can't be given a route to {r}", call.addr)));
            }
        }
    }};
}

async fn set_route(call: &Call<'_>, table: &str, destination: &str, target: &Target) -> Result<()> {
    let ec2 = &call.cloud.ec2;
    let (v4, v6) = by_destination(destination);
    let create = ec2.create_route().route_table_id(table);
    let create = create.set_destination_cidr_block(v4.clone()).set_destination_ipv6_cidr_block(v6.clone());
    let create = to_target!(create, target, call);
    let replace = ec2.replace_route().route_table_id(table);
    let replace = to_target!(replace.set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6), target, call);
    // There already after a lost answer, or with another target: replacing is right for both.
    once::settled(12, || async {
        let doing = || call.doing(&format!("route {destination} in"));
        match create.clone().customize().send().await.map_err(|e| AwsError::of(doing(), &e)) {
            Err(e) if e.class == Class::Exists => {
                replace.clone().customize().send().await.map(drop).map_err(|e| AwsError::of(doing(), &e))
            }
            other => other.map(drop),
        }
    })
    .await
}

async fn remove_route(call: &Call<'_>, table: &str, destination: &str) -> Result<()> {
    let (v4, v6) = by_destination(destination);
    once::deleted(12, || async {
        let delete = call.cloud.ec2.delete_route().route_table_id(table);
        let delete = delete.set_destination_cidr_block(v4.clone()).set_destination_ipv6_cidr_block(v6.clone());
        delete.customize().send().await.map_err(|e| AwsError::of(call.doing(&format!("remove {destination} from")), &e))
    })
    .await
}

/// Which table each of the subnets uses by an association of its own: subnet to (table, association).
async fn used(call: &Call<'_>, subnets: &[String]) -> std::result::Result<BTreeMap<String, (String, String)>, AwsError> {
    let filter = Filter::builder().name("association.subnet-id").set_values(Some(subnets.to_vec())).build();
    let mut pages = call.cloud.ec2.describe_route_tables().filters(filter).into_paginator().items().send();
    let mut used = BTreeMap::new();
    while let Some(table) = pages.next().await {
        let table = table.map_err(|e| AwsError::of(call.doing("read the associations of"), &e))?;
        let id = table.route_table_id().unwrap_or_default();
        for (subnet, association) in subnet_associations(&table) {
            used.insert(subnet.to_owned(), (id.to_owned(), association.to_owned()));
        }
    }
    Ok(used)
}

/// Makes the subnets use the table, taking them from another where they have one.
async fn associate(call: &Call<'_>, table: &str, subnets: &[String]) -> Result<()> {
    if subnets.is_empty() {
        return Ok(());
    }
    // Between the look and the change an association may come (a lost answer) or go (the other table's own update).
    let look_again = |e: AwsError| match e.class {
        Class::Exists => AwsError { class: Class::NotYetVisible, ..e },
        _ => e,
    };
    once::settled(12, || async {
        let used = used(call, subnets).await?;
        for subnet in subnets {
            let doing = || call.doing(&format!("give {subnet}"));
            let ec2 = &call.cloud.ec2;
            match used.get(subnet) {
                Some((current, _)) if current == table => {}
                Some((_, association)) => {
                    let replace = ec2.replace_route_table_association().association_id(association);
                    let done = replace.route_table_id(table).customize().send().await;
                    done.map_err(|e| AwsError::of(doing(), &e))?;
                }
                None => {
                    let done = ec2.associate_route_table().subnet_id(subnet).route_table_id(table).customize().send().await;
                    done.map_err(|e| look_again(AwsError::of(doing(), &e)))?;
                }
            }
        }
        Ok(())
    })
    .await
}

/// The table as it is now, or none if it is gone.
async fn read(call: &Call<'_>, id: &str) -> Result<Option<AwsRouteTable>> {
    match call.cloud.ec2.describe_route_tables().route_table_ids(id).customize().send().await {
        Ok(answer) => Ok(answer.route_tables.and_then(|t| t.into_iter().next())),
        Err(e) => match AwsError::of(call.doing("read"), &e) {
            e if e.class == Class::NotFound => Ok(None),
            e => Err(e.into()),
        },
    }
}

/// Takes the table from every subnet but those in `keep`.
async fn disassociate(call: &Call<'_>, table: &AwsRouteTable, keep: &[String]) -> Result<()> {
    for (subnet, association) in subnet_associations(table) {
        if !keep.iter().any(|k| k == subnet) {
            once::deleted(12, || async {
                let take = call.cloud.ec2.disassociate_route_table().association_id(association).customize().send().await;
                take.map_err(|e| AwsError::of(call.doing(&format!("take {subnet} from")), &e))
            })
            .await?;
        }
    }
    Ok(())
}

impl RouteTable {
    /// Makes the routes of the table `now` the wanted ones. They are compared by id: a target may have been replaced
    /// under the same address.
    async fn set_routes(&self, call: &Call<'_>, id: &str, now: &AwsRouteTable) -> Result<()> {
        let there = routes(now);
        for (destination, target) in &self.routes {
            if there.get(destination) != Some(&target.with_id(call)?) {
                set_route(call, id, destination, target).await?;
            }
        }
        for destination in there.keys().filter(|d| !self.routes.contains_key(*d)) {
            remove_route(call, id, destination).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Aws for RouteTable {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let filter = ec2_cluster_filter(&scope.cluster);
        let mut pages = cloud.ec2.describe_route_tables().filters(filter).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(table) = pages.next().await {
            let table = table.map_err(|e| AwsError::of("list route tables", &e))?;
            let tags = from_ec2_tags(scope, table.tags());
            if !tags::is_owned(scope, &tags) {
                continue;
            }
            found.push(Found {
                name: tags.get(tags::NAME).cloned().unwrap_or_default(),
                id: table.route_table_id().unwrap_or_default().to_owned(),
                attrs: Attrs::new(),
                resource: RouteTable {
                    vpc: Ref::id(table.vpc_id().unwrap_or_default()),
                    routes: routes(&table),
                    subnets: subnet_associations(&table).map(|(subnet, _)| Ref::id(subnet)).collect(),
                    tags,
                },
            });
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let request = call
            .cloud
            .ec2
            .create_route_table()
            .client_token(call.token)
            .vpc_id(call.id(&self.vpc)?)
            .tag_specifications(ec2_tag_spec(ResourceType::RouteTable, &self.tags));
        let made = once::settled(12, || async {
            request.clone().customize().send().await.map_err(|e| AwsError::of(call.doing("create"), &e))
        })
        .await?;
        let id = made.route_table().and_then(|t| t.route_table_id()).unwrap_or_default().to_owned();
        for (destination, target) in &self.routes {
            set_route(call, &id, destination, target).await?;
        }
        associate(call, &id, &call.all(&self.subnets)?).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.any(&["routes", "subnets"]) {
            let gone = || Error::failed(format!("{} ({}) is gone", call.addr, live.id));
            let now = read(call, &live.id).await?.ok_or_else(gone)?;
            self.set_routes(call, &live.id, &now).await?;
            let subnets = call.all(&self.subnets)?;
            associate(call, &live.id, &subnets).await?;
            disassociate(call, &now, &subnets).await?;
        }
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let Some(now) = read(call, &live.id).await? else { return Ok(()) };
        disassociate(call, &now, &[]).await?;
        once::deleted(30, || async {
            let delete = call.cloud.ec2.delete_route_table().route_table_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
