//! A word out of a closed list, and makers and models of accelerators.

use std::collections::BTreeSet;

use super::Filter;
use crate::catalogue::InstanceType;
use crate::catalogue::instance_type::{Accelerators, Device};
use crate::select::query::Query;

pub(super) fn filters<'a>(q: &Query) -> Vec<Filter<'a>> {
    [
        among("cpu-architecture", &q.cpu_architecture, |t| &t.architectures),
        among("usage-class", &q.usage_class, |t| &t.usage_classes),
        among("root-device-type", &q.root_device_type, |t| &t.root_device_types),
        among("virtualization-type", &q.virtualization_type, |t| &t.virtualization_types),
        among("placement-group-strategy", &q.placement_group_strategy, |t| &t.placement_strategies),
        equal("cpu-manufacturer", &q.cpu_manufacturer, |t| t.manufacturer.as_deref()),
        equal("hypervisor", &q.hypervisor, |t| t.hypervisor.as_deref()),
        equal("disk-type", &q.disk_type, |t| t.instance_storage.as_ref()?.disk_type.as_deref()),
        device("gpu-manufacturer", &q.gpu_manufacturer, |t| t.gpu.as_ref(), |d| d.manufacturer.as_deref()),
        device("gpu-model", &q.gpu_model, |t| t.gpu.as_ref(), |d| Some(&d.name)),
        device(
            "inference-accelerator-manufacturer",
            &q.inference_accelerator_manufacturer,
            |t| t.inference.as_ref(),
            |d| d.manufacturer.as_deref(),
        ),
        device(
            "inference-accelerator-model",
            &q.inference_accelerator_model,
            |t| t.inference.as_ref(),
            |d| Some(&d.name),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The word is one of those that the type has.
fn among<'a>(
    flag: &'static str,
    wanted: &Option<String>,
    words: fn(&InstanceType) -> &BTreeSet<String>,
) -> Option<Filter<'a>> {
    let wanted = wanted.clone()?;
    Some(Filter::new(flag, wanted.clone(), move |t| {
        let words = words(t);
        if words.iter().any(|word| word.eq_ignore_ascii_case(&wanted)) {
            return Ok(());
        }
        Err(listed(words.iter().map(String::as_str)))
    }))
}

/// The type's one word is this one.
fn equal<'a>(
    flag: &'static str,
    wanted: &Option<String>,
    word: fn(&InstanceType) -> Option<&str>,
) -> Option<Filter<'a>> {
    let wanted = wanted.clone()?;
    Some(Filter::new(flag, wanted.clone(), move |t| match word(t) {
        Some(word) if word.eq_ignore_ascii_case(&wanted) => Ok(()),
        word => Err(word.unwrap_or("none").to_owned()),
    }))
}

/// Some accelerator of the sort has this maker or model.
fn device<'a>(
    flag: &'static str,
    wanted: &Option<String>,
    sort: fn(&InstanceType) -> Option<&Accelerators>,
    word: fn(&Device) -> Option<&str>,
) -> Option<Filter<'a>> {
    let wanted = wanted.clone()?;
    Some(Filter::new(flag, wanted.clone(), move |t| {
        let devices = sort(t).map_or(&[][..], |found| &found.devices);
        let words: Vec<&str> = devices.iter().filter_map(word).collect();
        if words.iter().any(|word| word.eq_ignore_ascii_case(&wanted)) {
            return Ok(());
        }
        Err(listed(words.into_iter()))
    }))
}

fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
