//! From desired and live to changes, including what a replacement drags along.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::diff::{diff, is_within};
use super::{Action, Change, FieldChange, Plan, Reason};
use crate::cloud::Live;
use crate::resource::{Addr, Desired, ReplaceOrder, Resource, reference};

/// The plan that turns `live` into `desired`.
pub fn build(desired: &Desired, live: &Live) -> Plan {
    let mut changes: BTreeMap<Addr, Change> = BTreeMap::new();
    for (addr, wanted) in desired {
        match live.get(addr) {
            None => {
                changes.insert(addr.clone(), create(addr, wanted));
            }
            Some(observed) => {
                let (fields, unchanged) = diff(&observed.resource.to_value(), &wanted.to_value());
                if !fields.is_empty() {
                    let change = Change {
                        addr: addr.clone(),
                        action: Action::Update,
                        reason: Reason::Changed,
                        fields,
                        unchanged,
                        live: Some(observed.clone()),
                        desired: Some(wanted.clone()),
                    };
                    changes.insert(addr.clone(), forced(change));
                }
            }
        }
    }
    cascade(desired, live, &mut changes);
    for (addr, observed) in live {
        if !desired.contains_key(addr) {
            changes.insert(addr.clone(), delete(addr, observed));
        }
    }
    let kept = desired.keys().filter(|a| !changes.contains_key(a)).count();
    Plan { changes: changes.into_values().collect(), unchanged: kept }
}

fn create(addr: &Addr, wanted: &Resource) -> Change {
    let (fields, _) = diff(&Value::Null, &wanted.to_value());
    Change {
        addr: addr.clone(),
        action: Action::Create,
        reason: Reason::Missing,
        fields,
        unchanged: 0,
        live: None,
        desired: Some(wanted.clone()),
    }
}

fn delete(addr: &Addr, observed: &crate::cloud::Observed) -> Change {
    Change {
        addr: addr.clone(),
        action: Action::Delete,
        reason: Reason::NotWanted,
        fields: Vec::new(),
        unchanged: 0,
        live: Some(observed.clone()),
        desired: None,
    }
}

/// Makes an update a replacement when a field differs that AWS can't change in place.
fn forced(mut change: Change) -> Change {
    let rules = change.addr.kind.rules();
    for field in &mut change.fields {
        let fixed = rules.forces_replacement.iter().any(|f| is_within(&field.path, f));
        field.forces_replacement = fixed || (rules.only_grows.contains(&field.path.as_str()) && shrinks(field));
    }
    if let Some(field) = change.fields.iter().find(|f| f.forces_replacement) {
        change.action = Action::replace(rules.replace);
        change.reason = Reason::Forced { field: field.path.clone() };
    }
    change
}

fn shrinks(field: &FieldChange) -> bool {
    let number = |v: &Option<Value>| v.as_ref().and_then(Value::as_f64);
    matches!((number(&field.before), number(&field.after)), (Some(before), Some(after)) if after < before)
}

/// A replaced resource has a new id: what refers to it is updated, or replaced where that reference can't be changed
/// or where the old one must go before the new one can come.
fn cascade(desired: &Desired, live: &Live, changes: &mut BTreeMap<Addr, Change>) {
    let mut open: Vec<Addr> = changes.values().filter(|c| c.action.is_replace()).map(|c| c.addr.clone()).collect();
    while let Some(replaced) = open.pop() {
        let delete_first = changes.get(&replaced).is_some_and(|c| c.action == Action::DeleteThenCreate);
        for (addr, wanted) in desired {
            let Some(observed) = live.get(addr) else { continue };
            if changes.get(addr).is_some_and(|c| c.action.is_replace()) {
                continue;
            }
            let was = paths_to(&observed.resource.to_value(), &replaced);
            let will = paths_to(&wanted.to_value(), &replaced);
            if was.is_empty() && will.is_empty() {
                continue;
            }
            let change = changes.entry(addr.clone()).or_insert_with(|| Change {
                addr: addr.clone(),
                action: Action::Update,
                reason: Reason::Replaced { by: replaced.clone() },
                fields: Vec::new(),
                unchanged: diff(&wanted.to_value(), &wanted.to_value()).1,
                live: Some(observed.clone()),
                desired: Some(wanted.clone()),
            });
            let rules = addr.kind.rules();
            let mut forces = delete_first && !was.is_empty();
            for path in will {
                let fixed = rules.forces_replacement.iter().any(|f| is_within(&path, f));
                forces |= fixed;
                if !change.fields.iter().any(|f| f.path == path) {
                    change.fields.push(FieldChange {
                        path,
                        before: Some(json!(format!("{replaced} (the old one)"))),
                        after: Some(json!(format!("{replaced} (the new one)"))),
                        forces_replacement: fixed,
                    });
                    change.unchanged = change.unchanged.saturating_sub(1);
                }
            }
            if forces {
                let order = if delete_first { ReplaceOrder::DeleteFirst } else { rules.replace };
                change.action = Action::replace(order);
                change.reason = Reason::Replaced { by: replaced.clone() };
                open.push(addr.clone());
            }
        }
    }
}

/// The paths at which a value refers to `target`.
fn paths_to(value: &Value, target: &Addr) -> Vec<String> {
    fn walk(value: &Value, path: &str, target: &Addr, found: &mut Vec<String>) {
        if let Some(r) = reference::as_ref(value) {
            if r.addr() == Some(target) {
                found.push(path.to_owned());
            }
            return;
        }
        match value {
            // A list is one field to the diff.
            Value::Array(items) if items.iter().any(|v| reference::addresses_in(v).contains(target)) => {
                found.push(path.to_owned());
            }
            Value::Object(map) => {
                for (key, inner) in map {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(inner, &below, target, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", target, &mut found);
    found
}
