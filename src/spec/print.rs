//! Writes objects as canonical YAML: fields in the order of the types, unset ones left out.

use serde::Serialize;
use serde_json::{Map, Value};

use super::breaks::Taken;
use super::cluster::Cluster;
use super::instance_group::InstanceGroup;
use super::metadata::API_VERSION;
use super::object::{Kind, Object};

/// The object as a JSON value with `apiVersion` and `kind` first.
pub fn to_value(object: &Object) -> Value {
    match object {
        Object::Cluster(cluster) => cluster_value(cluster),
        Object::InstanceGroup(group) => group_value(group),
    }
}

/// The YAML text of an object; [`parse`](super::parse::parse) reads it back as an equal value.
pub fn to_yaml(object: &Object) -> String {
    yaml(&to_value(object))
}

/// The YAML text of several objects, as documents of one stream.
pub fn to_yaml_stream<'o>(objects: impl IntoIterator<Item = &'o Object>) -> String {
    objects.into_iter().map(to_yaml).collect::<Vec<_>>().join("---\n")
}

/// The YAML text of a cluster.
pub fn cluster_yaml(cluster: &Cluster) -> String {
    yaml(&cluster_value(cluster))
}

/// The YAML text of an instance group.
pub fn group_yaml(group: &InstanceGroup) -> String {
    yaml(&group_value(group))
}

fn cluster_value(cluster: &Cluster) -> Value {
    envelope(Kind::Cluster, serialised(cluster))
}

fn group_value(group: &InstanceGroup) -> Value {
    envelope(Kind::InstanceGroup, serialised(group))
}

/// The JSON value of a spec type. Its maps have string keys and its numbers are finite, so nothing can fail.
pub(crate) fn serialised(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn envelope(kind: Kind, object: Value) -> Value {
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), API_VERSION.into());
    document.insert("kind".to_owned(), kind.as_str().into());
    if let Value::Object(fields) = object {
        document.extend(fields);
    }
    Value::Object(document)
}

fn yaml(value: &Value) -> String {
    let (value, breaks) = Taken::from(value.clone());
    breaks.restore(serde_yaml::to_string(&value).unwrap_or_default())
}
