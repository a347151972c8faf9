//! Fields of one text over those of an object: what `apply --merge` does.

use serde_json::Value;

use super::print::{to_value, to_yaml};
use super::{Kind, Object};
use crate::error::{Context as _, Error, Result};

/// Some fields for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// The kind of the object; a text that does not say it is about the cluster.
    pub kind: Kind,
    /// The object's name, which an instance group's patch must give.
    pub name: Option<String>,
    value: Value,
    file: String,
}

/// The patches of a text of YAML documents; `file` is the name shown with problems.
pub fn patches(text: &str, file: &str) -> Result<Vec<Patch>> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value: Value = serde::Deserialize::deserialize(document).context(|| format!("{file} is not YAML"))?;
        if value.is_null() {
            continue;
        }
        let kind = match value.get("kind").and_then(Value::as_str) {
            None | Some("Cluster") => Kind::Cluster,
            Some("InstanceGroup") => Kind::InstanceGroup,
            Some(other) => return Err(Error::invalid(format!("{file}: there is no kind {other}"))),
        };
        let name = value.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        if kind == Kind::InstanceGroup && name.is_none() {
            return Err(Error::invalid(format!("{file}: an InstanceGroup without metadata.name")));
        }
        found.push(Patch { kind, name, value, file: file.to_owned() });
    }
    Ok(found)
}

impl Patch {
    /// The object with the patch's fields: maps are merged field by field, everything else is replaced, and `null`
    /// takes a field away. The result is read as strictly as any spec.
    pub fn apply(&self, object: &Object) -> Result<Object> {
        let mut value = to_value(object);
        // Which API version the patch is written in is nothing to merge.
        let mut patch = self.value.clone();
        if let Some(fields) = patch.as_object_mut() {
            fields.remove("apiVersion");
        }
        overlay(&mut value, &patch);
        let text = serde_yaml::to_string(&value).context(|| format!("{} can't be merged", self.file))?;
        let mut objects = super::parse::parse(&text, &self.file)?;
        objects.pop().ok_or_else(|| Error::invalid(format!("{}: nothing is left after the merge", self.file)))
    }

    /// As [`Patch::apply`], text in, text out.
    pub fn apply_to(&self, text: &str, file: &str) -> Result<String> {
        let object = super::parse::parse(text, file)?.pop();
        let object = object.ok_or_else(|| Error::invalid(format!("{file} holds no spec")))?;
        Ok(to_yaml(&self.apply(&object)?))
    }
}

fn overlay(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(key);
                } else {
                    overlay(base.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{InstanceGroup, Role};

    /// The tutorial's label fragment changes that label and nothing else; `null` takes a field away.
    #[test]
    fn fields_are_laid_over() {
        let mut group = InstanceGroup::new("c.example.com", "nodes", Role::Node);
        group.spec.min_size = Some(1);
        group.spec.node_labels.insert("a".into(), "b".into());
        let object = Object::InstanceGroup(Box::new(group));
        let text = "kind: InstanceGroup\nmetadata: {name: nodes}\nspec:\n  minSize: null\n  nodeLabels:\n    kops.k8s.io/lifecycle: OnDemand\n";
        let patch = patches(text, "f").unwrap().remove(0);
        let Object::InstanceGroup(merged) = patch.apply(&object).unwrap() else { panic!("another kind") };
        assert_eq!(merged.spec.min_size, None);
        assert_eq!(merged.spec.node_labels.len(), 2);
    }

    /// A patch is read as strictly as a spec.
    #[test]
    fn unknown_fields_are_refused() {
        let object = Object::InstanceGroup(Box::new(InstanceGroup::new("c.example.com", "nodes", Role::Node)));
        let patch =
            patches("kind: InstanceGroup\nmetadata: {name: nodes}\nspec: {minSise: 1}\n", "f").unwrap().remove(0);
        assert!(patch.apply(&object).is_err());
    }
}
