//! Flags that stand for several filters. They fill only filters that were left unset.

use super::query::Query;
use super::scope::Scope;
use super::value::{Mib, Range};
use crate::catalogue::InstanceType;
use crate::error::{Error, Result, did_you_mean};

/// What `--flexible` allows where no pattern is given: general families without local disks or other specialities.
const FLEXIBLE_FAMILIES: &str = r"^[cmr]([3-9]|[1-9][0-9])[agi]?\..*$|^t[2-9][gi]?\..*$";

/// The query with its base instance type and `--flexible` spelt out as filters.
pub fn expand(scope: &Scope<'_>, query: &Query) -> Result<Query> {
    let mut full = query.clone().normalized()?;
    if let Some(name) = &query.base_instance_type {
        like(&mut full, base_type(scope, name)?);
    }
    if query.flexible {
        flexible(&mut full)?;
    }
    Ok(full)
}

/// The base type by name; an unknown one is an error that names the nearest.
pub fn base_type<'a>(scope: &Scope<'a>, name: &str) -> Result<&'a InstanceType> {
    scope.find(name).ok_or_else(|| {
        let known = scope.catalogue().types.keys().map(String::as_str);
        let error = Error::failed(format!("region {} has no instance type {name}", scope.catalogue().region));
        match did_you_mean(name, known) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
    })
}

/// Why `--service` is refused.
pub fn service_refused(service: &str) -> Error {
    Error::usage(format!("--service {service} is not supported: the peers' list of types for it ends in 2021"))
        .hint("say what the service needs: --root-device-type ebs --virtualization-type hvm --current-generation")
}

fn like(query: &mut Query, base: &InstanceType) {
    query.baremetal.get_or_insert(base.bare_metal);
    query.fpga_support.get_or_insert(base.fpga.is_some());
    query.gpus.get_or_insert(Range::exactly(base.gpu.as_ref().map_or(0, |gpu| u64::from(gpu.count()))));
    query.vcpus.get_or_insert(Range { min: share_of(base.vcpus, 0.9), max: share_of(base.vcpus, 1.2) });
    query.memory.get_or_insert(Range { min: share_mib(base.memory_mib, 0.9), max: share_mib(base.memory_mib, 1.2) });
    fill_only(&mut query.cpu_architecture, &base.architectures);
    fill_only(&mut query.virtualization_type, &base.virtualization_types);
}

/// Sets a word that is unset, if the base type leaves no choice.
fn fill_only(word: &mut Option<String>, choices: &std::collections::BTreeSet<String>) {
    if let (None, 1, Some(only)) = (&word, choices.len(), choices.first()) {
        *word = Some(only.clone());
    }
}

/// Truncated, in single precision as the peers compute it, so that 4 virtual CPUs become 3 to 4.
fn share_of(vcpus: u32, factor: f32) -> u64 {
    (vcpus as f32 * factor) as u64
}

/// Truncated, in double precision.
fn share_mib(mib: u64, factor: f64) -> Mib {
    Mib((mib as f64 * factor) as u64)
}

fn flexible(query: &mut Query) -> Result<()> {
    query.cpu_architecture.get_or_insert_with(|| "x86_64".to_owned());
    query.baremetal.get_or_insert(false);
    query.fpga_support.get_or_insert(false);
    if query.allow_list.is_none() {
        query.allow_list = Some(FLEXIBLE_FAMILIES.parse()?);
    }
    if query.vcpus.is_none() && query.memory.is_none() {
        query.vcpus = Some(Range::exactly(4));
    }
    Ok(())
}
