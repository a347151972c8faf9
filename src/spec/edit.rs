//! Changes one field of an object, as `kspot set` and `kspot unset` do: `spec.maxSize=5`, `spec.nodeLabels.a/b=c`.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

use super::check::{Checker, scalar, wanted};
use super::locate::{Step, Target, kind_prefix, locate};
use super::object::{Kind, Object};
use super::parse::typed;
use super::print::serialised;
use super::shape::Shape;
use super::yaml;

/// Sets a field. A list takes a comma list and is replaced; a map takes `key=value` pairs and is added to; any field
/// takes YAML in braces or brackets (`{min: 4}`, `[a, b]`). An index one past the end adds an item.
///
/// # Errors
/// There is no such field ("did you mean"), the value does not fit it, or the object would lack something it needs.
pub fn set(object: &mut Object, path: &str, value: &str) -> Result<()> {
    let target = writable(object, path)?;
    let context = Context { kind: object.kind(), path: &target.path };
    let new = context.parsed(target.shape, value).map_err(Error::usage)?;
    let mut root = to_json(object);
    let slot = descend(&mut root, &target)?;
    match (slot, new) {
        (Value::Object(old), Value::Object(new)) if matches!(target.shape, Shape::Map(_)) => old.extend(new),
        (slot, new) => *slot = new,
    }
    replace(object, root, &target)
}

/// Takes a field, a map's key or a list's item away. Whether anything was there.
///
/// # Errors
/// There is no such field ("did you mean"), or the object needs it.
pub fn unset(object: &mut Object, path: &str) -> Result<bool> {
    let target = writable(object, path)?;
    let mut root = to_json(object);
    let Some((last, blocks)) = target.steps.split_last() else {
        return Err(Error::usage("name a field to unset, for example spec.maxPrice"));
    };
    let parent = blocks.iter().try_fold(&mut root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    let removed = match (parent, last) {
        (Some(Value::Object(fields)), Step::Key(key)) => fields.shift_remove(key).is_some(),
        (Some(Value::Array(items)), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    };
    if removed {
        replace(object, root, &target)?;
    }
    Ok(removed)
}

/// The field, if it is one that may be changed.
fn writable(object: &Object, path: &str) -> Result<Target> {
    let (kind, path) = kind_prefix(path);
    if let Some(kind) = kind.filter(|k| *k != object.kind()) {
        let found = object.kind().as_str();
        let message = format!("{path} is a field of {}, and this object is {found}", kind.as_str());
        return Err(Error::usage(message));
    }
    let target = locate(object.kind(), path)?;
    match target.path.as_str() {
        "" | "metadata" | "spec" => Err(Error::usage("name a field, for example spec.kubernetesVersion")),
        "metadata.name" => Err(Error::usage("the name of an object cannot change")),
        _ => Ok(target),
    }
}

/// The field that a command-line text is for.
struct Context<'p> {
    kind: Kind,
    path: &'p str,
}

impl Context<'_> {
    /// The JSON value that a command-line text stands for, or what is wrong with it.
    fn parsed(&self, shape: &Shape, text: &str) -> std::result::Result<Value, String> {
        match shape {
            Shape::Block(_) | Shape::Map(_) | Shape::List(_) if text.starts_with(['{', '[']) => {
                self.structured(shape, text)
            }
            Shape::Block(_) => {
                Err(format!("{} is {}: set one of them, or give YAML in braces", self.path, wanted(shape)))
            }
            Shape::List(of) => {
                let items = words(text);
                items.map(|item| self.parsed(of, item)).collect::<std::result::Result<_, _>>().map(Value::Array)
            }
            Shape::Map(of) => {
                let pair = |pair: &str| {
                    let (key, value) =
                        pair.split_once('=').ok_or(format!("{}: {pair:?} is not key=value", self.path))?;
                    Ok((key.to_owned(), self.parsed(of, value)?))
                };
                words(text).map(pair).collect::<std::result::Result<Map<_, _>, String>>().map(Value::Object)
            }
            Shape::Text { format: None, .. } => Ok(Value::String(text.to_owned())),
            _ => scalar(shape, text, true).map_err(|(message, expected)| explained(self.path, &message, expected)),
        }
    }

    /// A value given as YAML in one line.
    fn structured(&self, shape: &Shape, text: &str) -> std::result::Result<Value, String> {
        let (nodes, error) = yaml::documents(text);
        if let Some(error) = error {
            return Err(format!("{}: {text:?} is not YAML: {}", self.path, error.message));
        }
        let [node] = nodes.as_slice() else { return Err(format!("{}: {text:?} is not one value", self.path)) };
        let mut checker = Checker::new(self.kind);
        let value = checker.value(node, shape, self.path);
        let findings = checker.findings.into_iter().map(|f| explained(&f.path, &f.message, f.expected));
        let findings = findings.collect::<Vec<_>>().join("; ");
        value.filter(|_| findings.is_empty()).ok_or(findings)
    }
}

/// The items of a comma list.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn explained(path: &str, message: &str, expected: Option<String>) -> String {
    let expected = expected.map(|expected| format!(" (expected {expected})")).unwrap_or_default();
    format!("{path}: {message}{expected}")
}

fn to_json(object: &Object) -> Value {
    match object {
        Object::Cluster(cluster) => serialised(cluster),
        Object::InstanceGroup(group) => serialised(group),
    }
}

/// The place of the target in the JSON value, with the blocks on the way made if they are missing.
fn descend<'v>(root: &'v mut Value, target: &Target) -> Result<&'v mut Value> {
    target.steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            Ok(&mut value[key.as_str()])
        }
        Step::Index(index) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let length = value.as_array().map_or(0, Vec::len);
            if *index > length {
                let message = format!("{}: the list has {length} items, so {index} cannot be set", target.path);
                return Err(Error::usage(message));
            }
            if let Some(items) = value.as_array_mut().filter(|_| *index == length) {
                items.push(Value::Null);
            }
            Ok(&mut value[*index])
        }
    })
}

/// Reads the changed JSON value back into the object.
fn replace(object: &mut Object, root: Value, target: &Target) -> Result<()> {
    *object = typed(object.kind(), root).map_err(|e| Error::usage(format!("{}: {e}", target.path)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cluster::Cluster;
    use super::super::instance_group::{InstanceGroup, Role};
    use super::super::print::to_yaml;
    use super::*;

    fn group() -> Object {
        InstanceGroup::new("c.example.com", "nodes", Role::Node).into()
    }

    fn after(mut object: Object, settings: &[(&str, &str)]) -> String {
        for (path, value) in settings {
            set(&mut object, path, value).unwrap();
        }
        to_yaml(&object).split_once("spec:\n").unwrap().1.to_owned()
    }

    /// Every kind of field is set from the text of a command line, typed by the field.
    #[test]
    fn each_shape_is_set() {
        let settings = [
            ("spec.maxSize", "5"),
            ("spec.autoscale", "false"),
            ("spec.maxPrice", "0.1"),
            ("ig.spec.role", "ControlPlane"),
            ("spec.subnets", "us-east-1a, us-east-1b"),
            ("spec.subnets[2]", "us-east-1c"),
            ("spec.nodeLabels.kops.k8s.io/lifecycle", "OnDemand"),
            ("spec.cloudLabels", "team=a,env=b"),
            ("spec.taints", "a=b:NoSchedule"),
            ("spec.mixedInstancesPolicy.instanceRequirements.memory.min", "8Gi"),
            ("spec.maxInstanceLifetime", "24h"),
            ("spec.volumes[0]", "{device: /dev/sdb, size: 100}"),
            ("spec.rollingUpdate.maxSurge", "25%"),
        ];
        insta::assert_snapshot!(after(group(), &settings), @r#"
        role: ControlPlane
        maxSize: 5
        autoscale: false
        subnets:
        - us-east-1a
        - us-east-1b
        - us-east-1c
        mixedInstancesPolicy:
          instanceRequirements:
            memory:
              min: 8Gi
        maxPrice: '0.1'
        nodeLabels:
          kops.k8s.io/lifecycle: OnDemand
        taints:
        - a=b:NoSchedule
        cloudLabels:
          env: b
          team: a
        volumes:
        - device: /dev/sdb
          size: 100
        maxInstanceLifetime: 24h0m0s
        rollingUpdate:
          maxSurge: 25%
        "#);
    }

    /// kOps' path of the termination handler works.
    #[test]
    fn kops_paths_are_understood() {
        let cluster = Cluster::named("c.example.com").into();
        let path = "spec.cloudProvider.aws.nodeTerminationHandler.enabled";
        assert_eq!(after(cluster, &[(path, "true")]), "  nodeTerminationHandler:\n    enabled: true\n");
    }

    /// A map is added to, a list is replaced.
    #[test]
    fn maps_grow_and_lists_are_replaced() {
        let twice =
            [("spec.nodeLabels", "a=1"), ("spec.nodeLabels", "b=2"), ("spec.subnets", "x"), ("spec.subnets", "y")];
        assert_eq!(after(group(), &twice), "  role: Node\n  subnets:\n  - y\n  nodeLabels:\n    a: '1'\n    b: '2'\n");
    }

    /// What cannot be set is refused with the way out, and the object stays as it was.
    #[test]
    fn bad_settings_are_refused() {
        let refusals = [
            ("spec.nodeLabel.a", "b"),
            ("maxSize", "5"),
            ("spec.warmPool.minSize", "1"),
            ("spec.maxSize", "many"),
            ("spec.taints", "a=b"),
            ("spec.iam", "x"),
            ("spec.maxSize.a", "1"),
            ("spec.subnets.a", "1"),
            ("spec.subnets[7]", "a"),
            ("spec.volumes[0].size", "10"),
            ("spec.volumes", "[{device: /dev/sdb, sise: 1, size: 2}]"),
            ("metadata.name", "x"),
            ("cluster.spec.channel", "x"),
        ];
        let refusal = |(path, value): &(&str, &str)| {
            let mut object = group();
            let error = set(&mut object, path, value).unwrap_err();
            assert_eq!(object, group());
            let hints = error.hints().into_iter().map(|h| format!(" | {h}")).collect::<String>();
            format!("{error}{hints}")
        };
        insta::assert_snapshot!(refusals.iter().map(refusal).collect::<Vec<_>>().join("\n"), @r#"
        InstanceGroup has no field spec.nodeLabel | did you mean spec.nodeLabels
        InstanceGroup has no field maxSize | fields start with spec., for example spec.kubernetesVersion
        spec.warmPool has no meaning here: warm pools can't hold spot machines; use minSize
        spec.maxSize: "many" is not a whole number
        spec.taints: taint "a=b" has no effect (expected a taint key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute)
        spec.iam is a block of fields: profile: set one of them, or give YAML in braces
        spec.maxSize holds one integer, it has no field a
        spec.subnets is a list: name one of its items | for example spec.subnets[0]
        spec.subnets[7]: the list has 0 items, so 7 cannot be set
        spec.volumes[0].size: missing field `device`
        spec.volumes[0].sise: unknown field sise, did you mean size
        the name of an object cannot change
        spec.channel is a field of Cluster, and this object is InstanceGroup
        "#);
    }

    /// Unsetting takes exactly the named thing away and says whether it was there.
    #[test]
    fn unset_removes_one_thing() {
        let mut object = group();
        set(&mut object, "spec.nodeLabels", "a/b.c=1,d=2").unwrap();
        set(&mut object, "spec.subnets", "x,y").unwrap();
        assert!(unset(&mut object, "spec.nodeLabels.a/b.c").unwrap());
        assert!(unset(&mut object, "spec.subnets[0]").unwrap());
        assert!(!unset(&mut object, "spec.maxPrice").unwrap());
        assert!(!unset(&mut object, "spec.iam.profile").unwrap());
        assert!(unset(&mut object, "spec.role").is_ok());
        assert_eq!(after(object, &[]), "  role: Node\n  subnets:\n  - y\n  nodeLabels:\n    d: '2'\n");
        assert!(unset(&mut group(), "spec.maxPrise").unwrap_err().hints()[0].contains("maxPrice"));
    }

    proptest! {
        /// What is set under any key of a map is found under that key, and unsetting it restores the object.
        #[test]
        fn set_then_unset_is_nothing(key in "[a-z0-9./\\[\\]=-]{1,20}", value in "\\PC{0,12}") {
            let mut object = group();
            let path = format!("spec.nodeLabels.{key}");
            set(&mut object, &path, &value).unwrap();
            let Object::InstanceGroup(changed) = &object else { panic!("a group") };
            prop_assert_eq!(changed.spec.node_labels.get(&key), Some(&value));
            prop_assert!(unset(&mut object, &path).unwrap());
            prop_assert_eq!(object, group());
        }
    }
}
