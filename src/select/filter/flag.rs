//! Filters that ask yes or no.

use super::Filter;
use crate::catalogue::InstanceType;
use crate::select::query::Query;

pub(super) fn filters<'a>(q: &Query) -> Vec<Filter<'a>> {
    [
        has("ena-support", q.ena_support, |t| is_supported(&t.network.ena)),
        has("efa-support", q.efa_support, |t| t.network.efa),
        has("hibernation-support", q.hibernation_support, |t| t.hibernation),
        has("fpga-support", q.fpga_support, |t| t.fpga.is_some()),
        has("burst-support", q.burst_support, |t| t.burstable),
        has("baremetal", q.baremetal, |t| t.bare_metal),
        has("current-generation", q.current_generation, |t| t.current_generation),
        has("network-encryption", q.network_encryption, |t| t.network.encryption_in_transit),
        has("ipv6", q.ipv6, |t| t.network.ipv6),
        has("free-tier", q.free_tier, |t| t.free_tier),
        has("auto-recovery", q.auto_recovery, |t| t.auto_recovery),
        has("dedicated-hosts", q.dedicated_hosts, |t| t.dedicated_hosts),
        has("ebs-optimized", q.ebs_optimized, |t| is_supported(&t.ebs.optimized)),
        has("disk-encryption", q.disk_encryption, |t| disk(t, |local| &local.encryption, &t.ebs.encryption)),
        has("nvme", q.nvme, |t| disk(t, |local| &local.nvme, &t.ebs.nvme)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn has<'a>(flag: &'static str, wanted: Option<bool>, datum: fn(&InstanceType) -> bool) -> Option<Filter<'a>> {
    let wanted = wanted?;
    Some(Filter::new(flag, yes_no(wanted), move |t| {
        let found = datum(t);
        if found == wanted { Ok(()) } else { Err(yes_no(found).to_owned()) }
    }))
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn is_supported(word: &str) -> bool {
    ["required", "supported", "default"].contains(&word)
}

/// What the local disks say if the type has any that say it, else what EBS says.
fn disk(
    t: &InstanceType,
    local: fn(&crate::catalogue::instance_type::InstanceStorage) -> &Option<String>,
    ebs: &str,
) -> bool {
    is_supported(t.instance_storage.as_ref().and_then(|storage| local(storage).as_deref()).unwrap_or(ebs))
}
