//! How packets leave the network: one table for all public subnets, one per zone for private ones, NAT gateways between.

use std::collections::{BTreeMap, BTreeSet};

use super::{Input, shared, tags};
use crate::error::{Error, Result};
use crate::resource::route_table::Target;
use crate::resource::{Desired, EgressOnlyInternetGateway, ElasticIp, Kind, NatGateway, Ref, RouteTable};
use crate::spec::networking::{NatGateways, Route};
use crate::spec::{Subnet, SubnetType};

const EVERYWHERE_IPV4: &str = "0.0.0.0/0";
const EVERYWHERE_IPV6: &str = "::/0";
/// The range in which NAT gateways present IPv4 addresses to machines that speak IPv6 only.
const NAT64: &str = "64:ff9b::/96";

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    public(input, desired)?;
    let zones = private_zones(input);
    if zones.values().flatten().any(|s| s.ipv6_cidr.is_some()) {
        let name = input.cluster.name();
        let gateway = EgressOnlyInternetGateway { vpc: shared::vpc(input), tags: tags::owned(input, name) };
        input.add(desired, name, gateway)?;
    }
    let mut gateways = BTreeSet::new();
    for (zone, subnets) in &zones {
        let egress = egress(input, zone, subnets, &zones)?;
        if let Some(gateway) = egress.gateway.filter(|g| gateways.insert(g.zone.clone())) {
            nat_gateway(input, desired, gateway)?;
        }
        private(input, desired, (zone, subnets), egress.target)?;
    }
    Ok(())
}

/// The private subnets that are ours, by zone; a zone whose routes are somebody else's has no table of ours.
fn private_zones<'a>(input: &Input<'a>) -> BTreeMap<&'a str, Vec<&'a Subnet>> {
    let mut zones: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    let private = shared::own_subnets(input).filter(|s| s.subnet_type.is_private());
    for subnet in private.filter(|s| s.egress.as_deref() != Some("External")) {
        zones.entry(&subnet.zone).or_default().push(subnet);
    }
    zones
}

fn public(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let subnets: BTreeSet<Ref> =
        shared::own_subnets(input).filter(|s| !s.subnet_type.is_private()).map(|s| shared::subnet(input, s)).collect();
    if subnets.is_empty() {
        return Ok(());
    }
    let out = || shared::internet_gateway(input).map(Target::InternetGateway);
    let name = input.cluster.name();
    let table = RouteTable {
        vpc: shared::vpc(input),
        routes: BTreeMap::from([(EVERYWHERE_IPV4.to_owned(), out()?), (EVERYWHERE_IPV6.to_owned(), out()?)]),
        subnets,
        tags: with_role(input, name, "public"),
    };
    input.add(desired, name, table)
}

fn private(
    input: &Input<'_>,
    desired: &mut Desired,
    (zone, subnets): (&str, &[&Subnet]),
    out: Option<Target>,
) -> Result<()> {
    let role = format!("private-{zone}");
    let name = input.names().below(&role);
    let mut routes: BTreeMap<String, Target> = BTreeMap::new();
    if subnets.iter().any(|s| s.ipv6_cidr.is_some()) {
        let gateway = Ref::to(Kind::EgressOnlyInternetGateway, input.cluster.name());
        routes.insert(EVERYWHERE_IPV6.to_owned(), Target::EgressOnlyInternetGateway(gateway));
        if let Some(nat @ Target::NatGateway(_)) = &out {
            routes.insert(NAT64.to_owned(), nat.clone());
        }
    }
    routes.extend(out.map(|target| (EVERYWHERE_IPV4.to_owned(), target)));
    for route in subnets.iter().flat_map(|s| &s.additional_routes) {
        routes.insert(route.cidr.to_string(), additional(route)?);
    }
    let table = RouteTable {
        vpc: shared::vpc(input),
        routes,
        subnets: subnets.iter().map(|s| shared::subnet(input, s)).collect(),
        tags: with_role(input, &name, &role),
    };
    input.add(desired, &name, table)
}

fn with_role(input: &Input<'_>, name: &str, role: &str) -> crate::resource::Tags {
    let mut all = tags::owned(input, name);
    all.insert("kubernetes.io/kops/role".to_owned(), role.to_owned());
    all
}

fn additional(route: &Route) -> Result<Target> {
    by_prefix(&route.target)
        .ok_or_else(|| Error::invalid(format!("the route to {} has the unknown target {}", route.cidr, route.target)))
}

/// A sort of target, made of a reference.
type Make = fn(Ref) -> Target;

/// What an id stands for.
fn by_prefix(id: &str) -> Option<Target> {
    let kinds: [(&str, Make); 6] = [
        ("eigw-", Target::EgressOnlyInternetGateway),
        ("igw-", Target::InternetGateway),
        ("i-", Target::Instance),
        ("nat-", Target::NatGateway),
        ("pcx-", Target::PeeringConnection),
        ("tgw-", Target::TransitGateway),
    ];
    kinds.into_iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, target)| target(Ref::id(id)))
}

/// How IPv4 packets leave a zone's private subnets, and the NAT gateway of ours that this takes.
#[derive(Default)]
struct Egress<'a> {
    target: Option<Target>,
    gateway: Option<Gateway<'a>>,
}

/// A NAT gateway of ours: where it stands, and the existing address it speaks from, if one is given.
struct Gateway<'a> {
    zone: String,
    subnet: &'a Subnet,
    address: Option<String>,
}

fn egress<'a>(
    input: &Input<'a>,
    zone: &str,
    subnets: &[&'a Subnet],
    zones: &BTreeMap<&str, Vec<&'a Subnet>>,
) -> Result<Egress<'a>> {
    let given: BTreeSet<Option<&str>> = subnets.iter().map(|s| s.egress.as_deref()).collect();
    if given.len() > 1 {
        return Err(Error::invalid(format!("the private subnets of zone {zone} have different egress"))
            .hint("subnets of one zone share a route table: give all of them the same egress"));
    }
    let given = given.into_iter().flatten().next();
    if let Some(id) = given.filter(|id| !id.starts_with("eipalloc-")) {
        let target = by_prefix(id).ok_or_else(|| Error::invalid(format!("{id} is no way out of zone {zone}")))?;
        return Ok(Egress { target: Some(target), gateway: None });
    }
    let place = match input.cluster.spec.nat() {
        NatGateways::None => return Ok(Egress::default()),
        // An address of its own asks for a gateway of its own.
        NatGateways::PerZone => zone,
        NatGateways::Single if given.is_some() => zone,
        NatGateways::Single => first_zone(input, zones).unwrap_or(zone),
    };
    let gateway = Gateway {
        zone: place.to_owned(),
        subnet: standing_place(input, place)?,
        address: match given {
            Some(id) => Some(id.to_owned()),
            None => named_address(input, zones.get(place).map_or(subnets, Vec::as_slice))?,
        },
    };
    let target = Target::NatGateway(Ref::to(Kind::NatGateway, input.names().below(place)));
    Ok(Egress { target: Some(target), gateway: Some(gateway) })
}

/// The zone whose NAT gateway serves all: the first that needs one and has a place for it.
fn first_zone<'a>(input: &Input<'_>, zones: &BTreeMap<&'a str, Vec<&Subnet>>) -> Option<&'a str> {
    let needs = |subnets: &[&Subnet]| subnets.iter().all(|s| s.egress.is_none());
    zones.iter().find(|(zone, subnets)| needs(subnets) && standing_place(input, zone).is_ok()).map(|(zone, _)| *zone)
}

/// The subnet with a way to the internet where a zone's NAT gateway stands: utility before public.
fn standing_place<'a>(input: &Input<'a>, zone: &str) -> Result<&'a Subnet> {
    let of_type = |t| input.cluster.spec.subnets.iter().find(move |s| s.zone == zone && s.subnet_type == t);
    of_type(SubnetType::Utility).or_else(|| of_type(SubnetType::Public)).ok_or_else(|| {
        Error::invalid(format!("zone {zone} has private subnets and no public or utility subnet for a NAT gateway"))
            .hint("add a subnet of type Utility to the zone, or set topology.nat or the subnets' egress")
    })
}

/// The existing address that a zone's subnets name by its number.
fn named_address(input: &Input<'_>, subnets: &[&Subnet]) -> Result<Option<String>> {
    let Some(ip) = subnets.iter().find_map(|s| s.public_ip.as_ref()) else { return Ok(None) };
    let known = input.facts.elastic_ips.get(ip);
    let missing = || Error::invalid(format!("{ip} is no elastic IP of this account in {}", input.account.region));
    known.cloned().map(Some).ok_or_else(missing)
}

fn nat_gateway(input: &Input<'_>, desired: &mut Desired, gateway: Gateway<'_>) -> Result<()> {
    let name = input.names().below(&gateway.zone);
    let address = match gateway.address {
        Some(id) => Ref::id(id),
        None => {
            input.add(desired, &name, ElasticIp { tags: tags::owned(input, &name) })?;
            Ref::to(Kind::ElasticIp, &name)
        }
    };
    let subnet = shared::subnet(input, gateway.subnet);
    input.add(desired, &name, NatGateway { subnet, address, tags: tags::owned(input, &name) })
}
