//! Address ranges and who may connect: CIDRs with no host bits, the `/64#N` notation, prefix lists.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::scalar::scalar;

/// An IPv4 range whose address has no bits outside its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ipv4Cidr(Ipv4Net);

impl Ipv4Cidr {
    /// The range itself.
    pub fn net(self) -> Ipv4Net {
        self.0
    }
}

impl From<Ipv4Net> for Ipv4Cidr {
    fn from(net: Ipv4Net) -> Self {
        Ipv4Cidr(net.trunc())
    }
}

impl FromStr for Ipv4Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net: Ipv4Net = text.parse().map_err(|_| format!("{text:?} is not an IPv4 CIDR"))?;
        if net != net.trunc() {
            return Err(format!("{text:?} has bits set beyond its prefix, did you mean \"{}\"", net.trunc()));
        }
        Ok(Ipv4Cidr(net))
    }
}

impl fmt::Display for Ipv4Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(Ipv4Cidr, "ipv4-cidr", "an IPv4 CIDR such as 172.20.0.0/16");

/// The IPv6 range of a subnet: written out, or the N-th range of that size in the VPC's own block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ipv6Cidr {
    /// A range written out, `2001:db8:0:1::/64`.
    Net(Ipv6Net),
    /// `/64#3`: range number `index` (from 0) of length `prefix` inside the VPC's /56, which AWS assigns.
    Nth {
        /// Length of the prefix; AWS takes /44 to /64 in steps of 4.
        prefix: u8,
        /// Number of the range, counted from 0; written in hexadecimal.
        index: u32,
    },
}

impl FromStr for Ipv6Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((prefix, index)) = text.strip_prefix('/').and_then(|rest| rest.split_once('#')) {
            let bad = |_| format!("{text:?} is not of the form /64#N");
            let prefix = prefix.parse().map_err(bad)?;
            let index = u32::from_str_radix(index, 16).map_err(bad)?;
            return Ok(Ipv6Cidr::Nth { prefix, index });
        }
        let net: Ipv6Net = text.parse().map_err(|_| format!("{text:?} is not an IPv6 CIDR"))?;
        if net != net.trunc() {
            return Err(format!("{text:?} has bits set beyond its prefix, did you mean \"{}\"", net.trunc()));
        }
        Ok(Ipv6Cidr::Net(net))
    }
}

impl fmt::Display for Ipv6Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ipv6Cidr::Net(net) => net.fmt(f),
            Ipv6Cidr::Nth { prefix, index } => write!(f, "/{prefix}#{index:x}"),
        }
    }
}

scalar!(Ipv6Cidr, "ipv6-cidr", "an IPv6 CIDR such as 2001:db8::/64, or /64#0 for the first /64 of the VPC's own range");

/// Who may connect: a range of addresses or a managed prefix list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessSource {
    /// An IPv4 or IPv6 range.
    Cidr(IpNet),
    /// The id of a managed prefix list, `pl-...`.
    PrefixList(String),
}

impl AccessSource {
    /// Whether this is the whole internet of its address family.
    pub fn is_anywhere(&self) -> bool {
        matches!(self, AccessSource::Cidr(net) if net.prefix_len() == 0)
    }
}

impl FromStr for AccessSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.strip_prefix("pl-").is_some_and(|id| id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Ok(AccessSource::PrefixList(text.to_owned()));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Err(format!("{text:?} is an address, not a range, did you mean \"{}\"", IpNet::from(address)));
        }
        let net: IpNet = text.parse().map_err(|_| format!("{text:?} is neither a CIDR nor a prefix list id"))?;
        if net != net.trunc() {
            return Err(format!("{text:?} has bits set beyond its prefix, did you mean \"{}\"", net.trunc()));
        }
        Ok(AccessSource::Cidr(net))
    }
}

impl fmt::Display for AccessSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessSource::Cidr(net) => net.fmt(f),
            AccessSource::PrefixList(id) => f.write_str(id),
        }
    }
}

scalar!(
    AccessSource,
    "access-source",
    "a CIDR such as 203.0.113.0/24 or a prefix list id such as pl-0123456789abcdef0"
);

/// One IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ipv4Address(pub Ipv4Addr);

impl FromStr for Ipv4Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Ipv4Address).map_err(|_| format!("{text:?} is not an IPv4 address"))
    }
}

impl fmt::Display for Ipv4Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(Ipv4Address, "ipv4", "an IPv4 address such as 100.64.0.10");
