//! From templates to manifests. Pure: the same context gives the same bytes.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Jinja};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::catalogue::{Addon, Target};
use super::context::Context;
use crate::error::{Error, Result, chain};
use crate::model::assets::mirrored;

/// The label that tells which addon an object belongs to.
pub const ADDON: &str = "kspot.io/addon";

/// The label that tells who looks after an object.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kspot");

/// An addon as it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its name.
    pub name: String,
    /// The release of what it runs.
    pub version: String,
    /// Its objects.
    pub objects: Vec<Value>,
    /// What must be ready before it counts as such.
    pub ready: Vec<Target>,
}

impl Rendered {
    /// The objects as a stream of YAML documents.
    pub fn yaml(&self) -> String {
        let text = |object: &Value| serde_yaml::to_string(object).unwrap_or_default();
        self.objects.iter().map(|object| format!("---\n{}", text(object))).collect()
    }
}

/// The addon's manifests for a cluster; `None` if it is not wanted.
pub fn render(addon: &Addon, context: &Context) -> Result<Option<Rendered>> {
    let about = &addon.about;
    let failed = |what: &str, error: minijinja::Error| {
        Error::failed(format!("addon {}: {what}", about.name)).because(chain(&error))
    };
    let mut environment = environment(context).map_err(|e| failed("its templates' environment", e))?;
    let values = Jinja::from(Serde(context));
    let holds = |environment: &Environment<'_>, expression: &str| {
        let compiled = environment.compile_expression(expression).and_then(|e| e.eval(&values));
        compiled.map(|v| v.is_true()).map_err(|e| failed(&format!("its condition `{expression}`"), e))
    };
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    if !holds(&environment, &about.when)? {
        return Ok(None);
    }
    let mut ready = Vec::new();
    for target in &about.ready {
        if target.when.as_deref().map_or(Ok(true), |when| holds(&environment, when))? {
            ready.push(target.clone());
        }
    }
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let text = environment
        .render_named_str("manifest.yaml", &addon.template, &values)
        .map_err(|e| failed("its manifest", e))?;
    let objects = objects(&about.name, &text)?;
    Ok(Some(Rendered { name: about.name.clone(), version: about.version.clone(), objects, ready }))
}

fn objects(addon: &str, text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document)
            .map_err(|e| Error::failed(format!("addon {addon}: its manifest is not YAML")).because(e))?;
        if value.is_null() {
            continue;
        }
        objects.push(labelled(addon, value)?);
    }
    Ok(objects)
}

/// The object with the labels by which it is found again.
fn labelled(addon: &str, mut object: Value) -> Result<Value> {
    let odd = || Error::failed(format!("addon {addon}: a document of its manifest is no Kubernetes object"));
    let named =
        object["kind"].is_string() && object["apiVersion"].is_string() && object["metadata"]["name"].is_string();
    let metadata = object["metadata"].as_object_mut().filter(|_| named).ok_or_else(odd)?;
    let labels = metadata.entry("labels").or_insert_with(|| serde_json::json!({}));
    let labels = labels.as_object_mut().ok_or_else(odd)?;
    labels.insert(ADDON.to_owned(), addon.into());
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.into());
    Ok(object)
}

/// Templates write strings as they are and everything else as JSON, which YAML reads: a `true` stays one.
fn environment(context: &Context) -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    environment.set_formatter(|out, state, value| {
        if value.is_undefined() || value.as_str().is_some() {
            return minijinja::escape_formatter(out, state, value);
        }
        let json = serde_json::to_string(value)
            .map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, "not JSON").with_source(e))?;
        out.write_str(&json).map_err(Into::into)
    });
    environment.add_template("aws-role.yaml", include_str!("../../addons/aws-role.yaml"))?;
    let assets = context.assets.clone();
    environment.add_function("image", move |name: String| mirrored(assets.as_ref(), &name));
    environment.add_filter("regex_escape", |text: String| regex::escape(&text));
    environment.add_filter("sha256", |text: String| {
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    Ok(environment)
}

#[cfg(test)]
mod tests;
