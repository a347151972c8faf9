//! Address ranges that people did not write: subnets' shares of the network, and `/64#N` inside the VPC's IPv6 range.

use std::net::Ipv6Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::error::{Error, Result};

use super::cluster::Cluster;
use super::derived::part;
use super::network::{Ipv4Cidr, Ipv6Cidr};
use super::networking::{Subnet, SubnetType};

/// The smallest subnet AWS makes.
pub(crate) const SMALLEST: u8 = 28;

/// Gives every subnet without a range its share of the network: public and private subnets a whole block each, utility
/// subnets an eighth of one block together. In an IPv6 cluster also the next free /64 each.
///
/// Blocks are 1, 2, 4 or 8 equal parts of the network, as few as do; what is assigned already is kept. Subnets given by
/// id keep the range they have on AWS.
///
/// # Errors
/// The network is too small or too full for the subnets.
pub fn assign(cluster: &mut Cluster) -> Result<()> {
    if cluster.spec.is_ipv6() {
        assign_ipv6(&mut cluster.spec.subnets);
    }
    let network = cluster.spec.network_cidr();
    let unassigned = |s: &Subnet| s.cidr.is_none() && s.id.is_none();
    if !cluster.spec.subnets.iter().any(unassigned) {
        return Ok(());
    }
    let full = || full(cluster.name(), network);
    let mut blocks = free_blocks(network, &cluster.spec.subnets).ok_or_else(full)?.into_iter();
    let utility = in_zone_order(&cluster.spec.subnets, |s| unassigned(s) && s.subnet_type == SubnetType::Utility);
    let others = in_zone_order(&cluster.spec.subnets, |s| unassigned(s) && s.subnet_type != SubnetType::Utility);
    let mut shares: Vec<(usize, Ipv4Net)> = Vec::new();
    if !utility.is_empty() {
        let block = blocks.next().ok_or_else(full)?;
        for (n, index) in utility.into_iter().enumerate() {
            shares.push((index, part(block, 3, n).ok_or_else(full)?));
        }
    }
    for index in others {
        shares.push((index, blocks.next().ok_or_else(full)?));
    }
    if shares.iter().any(|(_, net)| net.prefix_len() > SMALLEST) {
        return Err(full());
    }
    for (index, net) in shares {
        cluster.spec.subnets[index].cidr = Some(Ipv4Cidr::from(net));
    }
    Ok(())
}

fn full(cluster: &str, network: Ipv4Net) -> Error {
    Error::invalid(format!("the network {network} of cluster {cluster} has no room for all subnets without a range"))
        .hint("give the subnets a cidr each, or the cluster a larger networkCIDR")
}

/// The equal parts of the network that no subnet uses yet; `None` if more than 8 parts would be needed.
fn free_blocks(network: Ipv4Net, subnets: &[Subnet]) -> Option<Vec<Ipv4Net>> {
    let outside = |s: &&Subnet| s.cidr.is_some_and(|c| !network.contains(&c.net()));
    let inside = || subnets.iter().filter(|s| !outside(s));
    let large = inside().filter(|s| s.subnet_type != SubnetType::Utility).count();
    let utility = inside().any(|s| s.subnet_type == SubnetType::Utility);
    let bits = match large + usize::from(utility) {
        0..=1 => 0,
        2 => 1,
        3..=4 => 2,
        5..=8 => 3,
        _ => return None,
    };
    let taken = |block: &Ipv4Net| {
        let overlaps = |net: Ipv4Net| block.contains(&net) || net.contains(block);
        subnets.iter().filter_map(|s| s.cidr).any(|c| overlaps(c.net()))
    };
    let blocks = network.subnets(network.prefix_len().checked_add(bits)?).ok()?;
    Some(blocks.filter(|block| !taken(block)).collect())
}

/// The indices of the wanted subnets, by zone and then as written.
fn in_zone_order(subnets: &[Subnet], wanted: impl Fn(&Subnet) -> bool) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..subnets.len()).filter(|i| wanted(&subnets[*i])).collect();
    indices.sort_by(|a, b| subnets[*a].zone.cmp(&subnets[*b].zone));
    indices
}

fn assign_ipv6(subnets: &mut [Subnet]) {
    let used = |subnets: &[Subnet], n: u32| {
        subnets.iter().any(|s| s.ipv6_cidr == Some(Ipv6Cidr::Nth { prefix: 64, index: n }))
    };
    let mut next = 0;
    for i in 0..subnets.len() {
        if subnets[i].ipv6_cidr.is_none() && subnets[i].id.is_none() {
            while used(subnets, next) {
                next += 1;
            }
            subnets[i].ipv6_cidr = Some(Ipv6Cidr::Nth { prefix: 64, index: next });
        }
    }
}

impl Ipv6Cidr {
    /// The range itself, given the VPC's; `None` if the VPC's range has no such part.
    pub fn resolve(self, vpc: Ipv6Net) -> Option<Ipv6Net> {
        match self {
            Ipv6Cidr::Net(net) => Some(net),
            Ipv6Cidr::Nth { prefix, index } => {
                let bits = prefix.checked_sub(vpc.prefix_len())?;
                let fits = prefix <= 128 && (bits >= 32 || u64::from(index) < 1 << bits);
                let offset = u128::from(index).checked_shl(u32::from(128 - prefix.min(128))).unwrap_or(0);
                let address = u128::from(vpc.network()) | offset;
                fits.then(|| Ipv6Net::new(Ipv6Addr::from(address), prefix).ok()).flatten()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cluster(network: &str, subnets: &[(&str, SubnetType)]) -> Cluster {
        let mut cluster = Cluster::named("c.example.com");
        cluster.spec.network_cidr = Some(network.parse().unwrap());
        cluster.spec.subnets = subnets
            .iter()
            .map(|(zone, subnet_type)| Subnet {
                name: format!("{zone}-{}", subnet_type.as_str()),
                zone: (*zone).to_owned(),
                subnet_type: *subnet_type,
                ..Subnet::default()
            })
            .collect();
        cluster
    }

    fn cidrs(cluster: &Cluster) -> Vec<String> {
        cluster.spec.subnets.iter().map(|s| s.cidr.unwrap().to_string()).collect()
    }

    fn assigned(network: &str, subnets: &[(&str, SubnetType)]) -> Vec<String> {
        let mut cluster = cluster(network, subnets);
        assign(&mut cluster).unwrap();
        cidrs(&cluster)
    }

    use SubnetType::{Private, Public, Utility};

    /// The splits that kOps makes for the usual layouts.
    #[test]
    fn usual_layouts() {
        let net = "172.20.0.0/16";
        assert_eq!(assigned(net, &[("a1a", Public)]), ["172.20.0.0/16"]);
        assert_eq!(assigned(net, &[("a1a", Public), ("a1b", Public)]), ["172.20.0.0/17", "172.20.128.0/17"]);
        assert_eq!(
            assigned(net, &[("a1a", Public), ("a1b", Public), ("a1c", Public)]),
            ["172.20.0.0/18", "172.20.64.0/18", "172.20.128.0/18"]
        );
        assert_eq!(assigned(net, &[("a1a", Private), ("a1a", Utility)]), ["172.20.128.0/17", "172.20.0.0/20"]);
    }

    /// Three private zones: blocks for the machines, eighths of the first block for the utility subnets.
    #[test]
    fn private_three_zones() {
        let zones = ["a1a", "a1b", "a1c"];
        let subnets: Vec<_> = zones.iter().map(|z| (*z, Private)).chain(zones.iter().map(|z| (*z, Utility))).collect();
        assert_eq!(
            assigned("10.0.0.0/16", &subnets),
            ["10.0.64.0/18", "10.0.128.0/18", "10.0.192.0/18", "10.0.0.0/21", "10.0.8.0/21", "10.0.16.0/21"]
        );
    }

    /// Ranges that stand in the spec stay, and nothing is laid over them.
    #[test]
    fn given_ranges_stay() {
        let mut cluster = cluster("10.0.0.0/16", &[("a1a", Public), ("a1b", Public)]);
        cluster.spec.subnets[1].cidr = Some("10.0.0.0/24".parse().unwrap());
        assign(&mut cluster).unwrap();
        assert_eq!(cidrs(&cluster), ["10.0.128.0/17", "10.0.0.0/24"]);
    }

    /// Too many subnets, or a network too small for them, is an error with a way out.
    #[test]
    fn no_room_is_an_error() {
        let nine: Vec<_> = (0..9).map(|_| ("a1a", Public)).collect();
        let error = assign(&mut cluster("10.0.0.0/16", &nine)).unwrap_err();
        assert_eq!(error.hints(), ["give the subnets a cidr each, or the cluster a larger networkCIDR"]);
        assert!(assign(&mut cluster("10.0.0.0/28", &[("a1a", Public), ("a1b", Public)])).is_err());
    }

    /// `/64#N` is the N-th /64, and only if the VPC has so many.
    #[test]
    fn nth_ipv6_range() {
        let vpc: Ipv6Net = "2600:1f14:abc:de00::/56".parse().unwrap();
        let nth = |text: &str| text.parse::<Ipv6Cidr>().unwrap().resolve(vpc).map(|n| n.to_string());
        assert_eq!(nth("/64#0").as_deref(), Some("2600:1f14:abc:de00::/64"));
        assert_eq!(nth("/64#1f").as_deref(), Some("2600:1f14:abc:de1f::/64"));
        assert_eq!(nth("/64#100"), None);
        assert_eq!(nth("/48#0"), None);
    }

    /// An IPv6 cluster's subnets get different /64s, given ones are kept.
    #[test]
    fn ipv6_shares() {
        let mut cluster = cluster("10.0.0.0/16", &[("a1a", Private), ("a1a", Utility), ("a1b", Private)]);
        cluster.spec.non_masquerade_cidr = Some("::/0".parse().unwrap());
        cluster.spec.subnets[1].ipv6_cidr = Some("/64#0".parse().unwrap());
        assign(&mut cluster).unwrap();
        let all: Vec<_> = cluster.spec.subnets.iter().map(|s| s.ipv6_cidr.unwrap().to_string()).collect();
        assert_eq!(all, ["/64#1", "/64#0", "/64#2"]);
    }

    proptest! {
        /// Whatever is assigned lies in the network, overlaps nothing, and assigning again changes nothing.
        #[test]
        fn shares_never_overlap(
            len in 14u8..=26,
            kinds in prop::collection::vec(prop::sample::select(vec![Public, Private, Utility]), 1..12),
            zones in prop::collection::vec(prop::sample::select(vec!["a1a", "a1b", "a1c"]), 12),
        ) {
            let subnets: Vec<_> = zones.into_iter().zip(kinds).collect();
            let mut cluster = cluster(&format!("10.64.0.0/{len}"), &subnets);
            if assign(&mut cluster).is_ok() {
                let nets: Vec<Ipv4Net> = cluster.spec.subnets.iter().map(|s| s.cidr.unwrap().net()).collect();
                for (i, a) in nets.iter().enumerate() {
                    prop_assert!(cluster.spec.network_cidr().contains(a) && a.prefix_len() <= SMALLEST);
                    prop_assert!(nets[i + 1..].iter().all(|b| !a.contains(b) && !b.contains(a)));
                }
                let before = cluster.clone();
                assign(&mut cluster).unwrap();
                prop_assert_eq!(before, cluster);
            }
        }
    }
}
