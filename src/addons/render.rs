//! From templates to manifests. Pure: the same context gives the same bytes.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Jinja};
use serde::Deserialize;
use serde_json::Value;

use super::catalogue::{About, Addon, Target};
use super::context::Context;
use super::images;
use super::source::{OWN_VERSION, Own, Source, Texts, source};
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
    /// As the state store holds it.
    pub fn stored(name: &str, version: &str, text: &str) -> Result<Self> {
        let objects = objects(name, text)?;
        Ok(Rendered { name: name.to_owned(), version: version.to_owned(), objects, ready: Vec::new() })
    }

    /// The objects as a stream of YAML documents.
    pub fn yaml(&self) -> String {
        let text = |object: &Value| serde_yaml::to_string(object).unwrap_or_default();
        self.objects.iter().map(|object| format!("---\n{}", text(object))).collect()
    }
}

/// What becomes ready of an addon; `None` if the addon is not wanted.
pub fn wanted(addon: &Addon, context: &Context) -> Result<Option<Vec<Target>>> {
    let about = &addon.about;
    let mut environment = environment(context).map_err(|e| failed(about, "its templates' environment", e))?;
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    let values = Jinja::from(Serde(context));
    let holds = |expression: &str| {
        let compiled = environment.compile_expression(expression).and_then(|e| e.eval(&values));
        compiled.map(|v| v.is_true()).map_err(|e| failed(about, &format!("its condition `{expression}`"), e))
    };
    if !holds(&about.when)? {
        return Ok(None);
    }
    let mut ready = Vec::new();
    for target in &about.ready {
        if target.when.as_deref().map_or(Ok(true), holds)? {
            ready.push(target.clone());
        }
    }
    Ok(Some(ready))
}

/// The addon's manifests for a cluster; `None` if it is not wanted. `texts` are the manifests that come from elsewhere, by
/// their source.
pub(super) fn render(addon: &Addon, context: &Context, texts: &Texts) -> Result<Option<Rendered>> {
    let about = &addon.about;
    let Some(ready) = wanted(addon, context)? else { return Ok(None) };
    let objects = match source(addon, context) {
        Some(source) => {
            let mut objects = objects(&about.name, text_of(texts, &about.name, &source)?)?;
            let mirror = |image: &str| mirrored(context.assets.as_ref(), image);
            objects.iter_mut().for_each(|object| images::change(object, &mirror));
            objects
        }
        None => {
            let environment = environment(context).map_err(|e| failed(about, "its templates' environment", e))?;
            let values = Jinja::from(Serde(context));
            let text = environment.render_named_str("manifest.yaml", &addon.template, &values);
            objects(&about.name, &text.map_err(|e| failed(about, "its manifest", e))?)?
        }
    };
    Ok(Some(Rendered { name: about.name.clone(), version: about.version.clone(), objects, ready }))
}

/// The addon that a manifest of the user's is.
pub(super) fn render_own(own: &Own, texts: &Texts) -> Result<Rendered> {
    let objects = objects(&own.name, text_of(texts, &own.name, &own.source)?)?;
    Ok(Rendered { name: own.name.clone(), version: OWN_VERSION.to_owned(), objects, ready: Vec::new() })
}

fn text_of<'t>(texts: &'t Texts, addon: &str, source: &Source) -> Result<&'t str> {
    let text = texts.get(source).map(String::as_str);
    text.ok_or_else(|| Error::failed(format!("addon {addon}: {source} was not fetched")))
}

fn failed(about: &About, what: &str, error: minijinja::Error) -> Error {
    Error::failed(format!("addon {}: {what}", about.name)).because(chain(&error))
}

fn objects(addon: &str, text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document)
            .map_err(|e| Error::failed(format!("addon {addon}: its manifest is not YAML")).because(e))?;
        match value {
            Value::Null => {}
            // Some sets are published as one list.
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                let items = list.remove("items").and_then(|items| serde_json::from_value(items).ok());
                for item in Option::<Vec<Value>>::unwrap_or_default(items) {
                    objects.push(labelled(addon, item)?);
                }
            }
            value => objects.push(labelled(addon, value)?),
        }
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
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    environment.set_formatter(|out, state, value| {
        if value.is_undefined() || value.as_str().is_some() {
            return minijinja::escape_formatter(out, state, value);
        }
        let json = serde_json::to_string(value)
            .map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, "not JSON").with_source(e))?;
        out.write_str(&json).map_err(Into::into)
    });
    environment.add_template("api-server.yaml", include_str!("../../addons/api-server.yaml"))?;
    environment.add_template("aws-role.yaml", include_str!("../../addons/aws-role.yaml"))?;
    let assets = context.assets.clone();
    environment.add_function("image", move |name: String| mirrored(assets.as_ref(), &name));
    environment.add_filter("regex_escape", |text: String| regex::escape(&text));
    environment.add_filter("sha256", |text: String| crate::digest::sha256(text.as_bytes()));
    Ok(environment)
}

#[cfg(test)]
mod tests;
