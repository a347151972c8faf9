//! Golden fixtures: specs in, desired state and what machines are given out.

use serde_json::{Value, json};

use super::{Fixture, cases, directory};
use crate::model::user_data;
use crate::resource::{Desired, Kind, Resource, tags};
use crate::spec::validate::{Specs, validate};

/// Every fixture's desired state, its machines' scripts and configurations are as reviewed.
#[test]
fn every_fixture_is_as_reviewed() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let desired = fixture.build();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(directory().join(&case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_yaml_snapshot!("desired", shown(fixture.cluster.name(), &desired));
            insta::assert_snapshot!("machines", machines(&desired));
        });
    }
}

/// What no user could write proves nothing: the specs of the fixtures are valid.
#[test]
fn fixtures_are_valid() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let found = validate(&Specs { cluster: &fixture.cluster, groups: &fixture.groups, types: None });
        assert!(!found.has_errors(), "{case}: {found}");
    }
}

/// The desired state, shorter than it is without losing anything: rules by their names (which say all), texts that are
/// shown elsewhere by their first line, tags without those that everything has.
fn shown(cluster: &str, desired: &Desired) -> Value {
    let mut kinds = serde_json::Map::new();
    for (addr, resource) in desired {
        let kind = kinds.entry(addr.kind.as_str()).or_insert_with(|| json!({}));
        let mut value = resource.to_value();
        if addr.kind == Kind::SecurityGroupRule {
            value = json!({});
        }
        if addr.kind == Kind::Addon {
            // The manifests have goldens of their own.
            value = json!({});
        }
        shorten(cluster, &addr.name, &mut value);
        kind.as_object_mut().unwrap().insert(addr.name.clone(), value);
    }
    Value::Object(kinds)
}

fn shorten(cluster: &str, name: &str, value: &mut Value) {
    let owned = tags::owned(cluster, name);
    let Some(map) = value.as_object_mut() else { return };
    if let Some(tags) = map.get_mut("tags").and_then(Value::as_object_mut) {
        tags.retain(|key, value| owned.get(key).map(String::as_str) != value.as_str());
    }
    // A policy's text is a JSON document: a change of one statement should show as that.
    for text in map.values_mut().filter(|value| value.is_string()) {
        let parsed = text.as_str().and_then(|t| serde_json::from_str::<Value>(t).ok());
        if let Some(document) = parsed.filter(Value::is_object) {
            *text = document;
        }
    }
    if map.contains_key("launchTemplateContent") {
        map.insert("launchTemplateContent".into(), json!("(of the launch template)"));
    }
    if let Some(data) = map.get_mut("data").and_then(Value::as_object_mut) {
        data.insert("userData".into(), json!("(see machines)"));
        data.insert("instanceTags".into(), json!("(as tags)"));
    }
}

/// The user data and the configuration of each group; the parts that are the same everywhere by their file's name.
fn machines(desired: &Desired) -> String {
    let mut text = String::new();
    for (addr, resource) in desired {
        match resource {
            Resource::LaunchTemplate(template) => {
                assert_eq!(template.data.instance_tags, template.tags, "{addr}");
                let mut script = template.data.user_data.clone();
                for (name, part) in user_data::PARTS {
                    script = script.replace(part, &format!("({name})\n"));
                }
                text.push_str(&format!("===== {addr}\n{script}\n"));
            }
            Resource::NodeConfig(config) => text.push_str(&format!("===== {addr}\n{}\n", config.text)),
            _ => {}
        }
    }
    text
}
