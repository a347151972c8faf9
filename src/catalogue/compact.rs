//! The stored form of the list of types: what nearly every type has is left out, and put back on reading.
//!
//! A region has some 1,400 types; nine in ten are Nitro machines with EBS roots that can be spot. Leaving the usual
//! values out cuts the file by a third and the time to read it with it. Values that are empty are written as `none`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serializer};

use super::InstanceType;

const NONE: &str = "none";

pub(super) fn serialize<S: Serializer>(types: &BTreeMap<String, InstanceType>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(types.values().map(|t| {
        let mut t = t.clone();
        for_each_usual(&mut t, pack_set, pack_word);
        t
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, InstanceType>, D::Error> {
    let mut list = Vec::<InstanceType>::deserialize(d)?;
    list.iter_mut().for_each(|t| for_each_usual(t, unpack_set, unpack_word));
    Ok(list.into_iter().map(|t| (t.name.clone(), t)).collect())
}

/// Applies the two functions to each field that has a usual value, with that value.
fn for_each_usual(t: &mut InstanceType, set: fn(&mut BTreeSet<String>, &[&str]), word: fn(&mut String, &str)) {
    set(&mut t.architectures, &["x86_64"]);
    set(&mut t.usage_classes, &["on-demand", "spot"]);
    set(&mut t.root_device_types, &["ebs"]);
    set(&mut t.virtualization_types, &["hvm"]);
    set(&mut t.placement_strategies, &["cluster", "partition", "spread"]);
    word(&mut t.network.ena, "required");
    word(&mut t.ebs.optimized, "default");
    word(&mut t.ebs.encryption, "supported");
    word(&mut t.ebs.nvme, "required");
}

fn pack_set(set: &mut BTreeSet<String>, usual: &[&str]) {
    if set.is_empty() {
        set.insert(NONE.to_owned());
    } else if set.iter().eq(usual) {
        set.clear();
    }
}

fn unpack_set(set: &mut BTreeSet<String>, usual: &[&str]) {
    if set.is_empty() {
        set.extend(usual.iter().map(|&word| word.to_owned()));
    } else if set.iter().eq([NONE]) {
        set.clear();
    }
}

fn pack_word(word: &mut String, usual: &str) {
    if word.is_empty() {
        NONE.clone_into(word);
    } else if word == usual {
        word.clear();
    }
}

fn unpack_word(word: &mut String, usual: &str) {
    if word.is_empty() {
        usual.clone_into(word);
    } else if word == NONE {
        word.clear();
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::catalogue::{Catalogue, InstanceType};

    /// Usual, unusual and empty values all come back as they were.
    #[test]
    fn stored_form_is_lossless() {
        let mut usual = InstanceType { name: "m5.large".into(), ..InstanceType::default() };
        usual.usage_classes = ["on-demand", "spot"].map(String::from).into();
        usual.network.ena = "required".into();
        let mut odd = InstanceType { name: "t1.micro".into(), ..InstanceType::default() };
        odd.usage_classes = ["on-demand".to_owned()].into();
        odd.network.ena = "unsupported".into();
        let mut catalogue = Catalogue::empty("eu-west-1", Timestamp::UNIX_EPOCH);
        catalogue.types = [usual, odd].map(|t| (t.name.clone(), t)).into();
        let text = serde_json::to_string(&catalogue).unwrap();
        assert!(!text.contains("required"), "{text}");
        assert_eq!(serde_json::from_str::<Catalogue>(&text).unwrap(), catalogue);
    }
}
