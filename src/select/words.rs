//! The words that AWS has a closed list for, with the aliases that people type.

use crate::error::{Error, Result, did_you_mean};

/// What may be typed, and what AWS calls it.
pub type Words = &'static [(&'static str, &'static str)];

/// Processor architectures.
pub const ARCHITECTURE: Words = &[
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("arm64", "arm64"),
    ("i386", "i386"),
    ("x86_64_mac", "x86_64_mac"),
    ("arm64_mac", "arm64_mac"),
];
/// Processor makers.
pub const CPU_MANUFACTURER: Words = &[("intel", "Intel"), ("amd", "AMD"), ("aws", "AWS"), ("apple", "Apple")];
/// Ways to buy.
pub const USAGE_CLASS: Words = &[("spot", "spot"), ("on-demand", "on-demand"), ("capacity-block", "capacity-block")];
/// Root devices.
pub const ROOT_DEVICE_TYPE: Words = &[("ebs", "ebs"), ("instance-store", "instance-store")];
/// Virtualisation.
pub const VIRTUALIZATION_TYPE: Words = &[("hvm", "hvm"), ("paravirtual", "paravirtual"), ("pv", "paravirtual")];
/// Hypervisors.
pub const HYPERVISOR: Words = &[("nitro", "nitro"), ("xen", "xen")];
/// Placement group strategies.
pub const PLACEMENT_STRATEGY: Words = &[("cluster", "cluster"), ("partition", "partition"), ("spread", "spread")];
/// Local disks.
pub const DISK_TYPE: Words = &[("ssd", "ssd"), ("hdd", "hdd")];

/// AWS's word for the given one, in any case; an unknown word is a usage error that lists the possible ones.
pub fn canonical(flag: &str, given: &str, allowed: Words) -> Result<&'static str> {
    if let Some((_, word)) = allowed.iter().find(|(typed, _)| typed.eq_ignore_ascii_case(given)) {
        return Ok(word);
    }
    let typed: Vec<&str> = allowed.iter().map(|(typed, _)| *typed).collect();
    let error = Error::usage(format!("--{flag} {given}: must be one of {}", typed.join(", ")));
    Err(match did_you_mean(given, typed) {
        Some(near) => error.hint(format!("did you mean --{flag} {near}?")),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aliases and case do not matter; an unknown word names the possible ones and the nearest.
    #[test]
    fn words_are_folded_and_checked() {
        assert_eq!(canonical("cpu-architecture", "AMD64", ARCHITECTURE).unwrap(), "x86_64");
        assert_eq!(canonical("virtualization-type", "PV", VIRTUALIZATION_TYPE).unwrap(), "paravirtual");
        let error = canonical("hypervisor", "nitr", HYPERVISOR).unwrap_err();
        assert!(error.message().contains("nitro, xen"), "{error}");
        assert_eq!(error.hints(), ["did you mean --hypervisor nitro?"]);
    }
}
