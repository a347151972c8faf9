//! The JSON schema of the types, and the same as a tree that parsing, `explain`, `set` and `unset` walk.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::cluster::Cluster;
use super::instance_group::InstanceGroup;
use super::metadata::API_VERSION;
use super::object::Kind;

/// What a field may hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Named fields.
    Block(Vec<Field>),
    /// Free keys with like values.
    Map(Box<Shape>),
    /// Any number of like values.
    List(Box<Shape>),
    /// One of these words, each with its meaning.
    Choice(Vec<(String, String)>),
    /// A string; with a format name when it has a syntax of its own, and whether a number will do.
    Text { format: Option<String>, number_too: bool },
    /// A whole number in a range.
    Integer { min: i64, max: i64 },
    /// Any number.
    Number,
    /// `true` or `false`.
    Flag,
}

/// A field of a block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

impl Shape {
    /// The shape of an object of this kind: `metadata` and `spec`.
    pub(crate) fn of(kind: Kind) -> &'static Shape {
        static SHAPES: LazyLock<BTreeMap<Kind, Shape>> =
            LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, from_schema(&inline_schema(kind)))).collect());
        &SHAPES[&kind]
    }

    /// The field of a block.
    #[cfg(test)]
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        match self {
            Shape::Block(fields) => fields.iter().find(|f| f.name == name),
            _ => None,
        }
    }

    /// The type in a few words: `list of strings`, `map of string to string`, `integer`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Shape::Block(_) => "block".to_owned(),
            Shape::Map(of) => format!("map of string to {}", of.describe()),
            Shape::List(of) => format!("list of {}", of.describe()),
            Shape::Choice(_) => "choice".to_owned(),
            Shape::Text { format: None, .. } => "string".to_owned(),
            Shape::Text { format: Some(format), .. } => format.clone(),
            Shape::Integer { .. } => "integer".to_owned(),
            Shape::Number => "number".to_owned(),
            Shape::Flag => "boolean".to_owned(),
        }
    }
}

/// The JSON schema (draft 2020-12) of an object of this kind, with apiVersion and kind, for editors and other tools.
pub fn schema(kind: Kind) -> Value {
    let mut schema = match kind {
        Kind::Cluster => schemars::schema_for!(Cluster),
        Kind::InstanceGroup => schemars::schema_for!(InstanceGroup),
    }
    .to_value();
    if let Some(properties) = schema["properties"].as_object_mut() {
        let fixed = |text: &str| serde_json::json!({ "type": "string", "const": text });
        properties.insert("apiVersion".to_owned(), fixed(API_VERSION));
        properties.insert("kind".to_owned(), fixed(kind.as_str()));
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.extend(["apiVersion".into(), "kind".into()]);
    }
    schema
}

fn inline_schema(kind: Kind) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    match kind {
        Kind::Cluster => settings.into_generator().into_root_schema_for::<Cluster>(),
        Kind::InstanceGroup => settings.into_generator().into_root_schema_for::<InstanceGroup>(),
    }
    .to_value()
}

fn from_schema(schema: &Value) -> Shape {
    if let Some(inner) = optional(schema) {
        return from_schema(inner);
    }
    if let Some(choices) = choices(schema) {
        return Shape::Choice(choices);
    }
    match types(schema).as_slice() {
        ["object"] => object(schema),
        ["array"] => Shape::List(Box::new(from_schema(&schema["items"]))),
        ["boolean"] => Shape::Flag,
        ["integer"] => integer(schema),
        ["number"] => Shape::Number,
        types => {
            let format = schema["format"].as_str().map(str::to_owned);
            Shape::Text { format, number_too: types.contains(&"number") }
        }
    }
}

/// The schema inside `anyOf: [schema, null]`.
fn optional(schema: &Value) -> Option<&Value> {
    let [inner, null] = schema["anyOf"].as_array()?.as_slice() else { return None };
    (null["type"] == "null").then_some(inner)
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect(),
        _ => Vec::new(),
    }
}

/// The words of an enum: with docs they are a `oneOf` of constants (or of enums), without an `enum`.
fn choices(schema: &Value) -> Option<Vec<(String, String)>> {
    if let Some(variants) = schema["oneOf"].as_array() {
        return Some(variants.iter().flat_map(|v| choices(v).unwrap_or_default()).collect());
    }
    let doc = schema["description"].as_str().unwrap_or_default();
    let word = |value: &Value| value.as_str().map(|word| (word.to_owned(), doc.to_owned()));
    match (&schema["const"], &schema["enum"]) {
        (Value::Null, Value::Array(words)) => Some(words.iter().filter_map(word).collect()),
        (Value::Null, _) => None,
        (constant, _) => Some(word(constant).into_iter().collect()),
    }
}

fn object(schema: &Value) -> Shape {
    let Some(properties) = schema["properties"].as_object() else {
        return match &schema["additionalProperties"] {
            values @ Value::Object(_) => Shape::Map(Box::new(from_schema(values))),
            _ => Shape::Block(Vec::new()),
        };
    };
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |(name, schema): (&String, &Value)| Field {
        name: name.clone(),
        doc: schema["description"].as_str().unwrap_or_default().to_owned(),
        required: required.iter().any(|r| r == name),
        shape: from_schema(schema),
    };
    Shape::Block(properties.iter().map(field).collect())
}

fn integer(schema: &Value) -> Shape {
    let (min, max) = match schema["format"].as_str() {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("int16") => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    Shape::Integer { min, max }
}
