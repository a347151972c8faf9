//! IAM policies as values: statements with sorted actions, in one canonical text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::resource::policy::canonical;

/// One statement that allows something. Nothing here denies: what is not allowed is denied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
    services: BTreeSet<String>,
    provider: Option<String>,
    conditions: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Statement {
    /// Allows actions; on every resource unless [`Statement::on`] says otherwise.
    pub fn allow<'a>(actions: impl IntoIterator<Item = &'a str>) -> Self {
        Statement { actions: actions.into_iter().map(str::to_owned).collect(), ..Statement::default() }
    }

    /// On these resources only.
    #[must_use]
    pub fn on(mut self, resources: impl IntoIterator<Item = String>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// For this AWS service (in a trust or queue policy).
    #[must_use]
    pub fn by_service(mut self, service: impl Into<String>) -> Self {
        self.services.insert(service.into());
        self
    }

    /// For who brings a token of this identity provider, by its ARN (in a trust policy).
    #[must_use]
    pub fn by_provider(mut self, arn: impl Into<String>) -> Self {
        self.provider = Some(arn.into());
        self
    }

    /// Under one more condition.
    #[must_use]
    pub fn when(mut self, operator: &str, key: &str, value: impl Into<Value>) -> Self {
        self.conditions.entry(operator.to_owned()).or_default().insert(key.to_owned(), value.into());
        self
    }

    /// Only on things that carry the cluster's tag.
    #[must_use]
    pub fn tagged(self, cluster: &str) -> Self {
        self.when("StringEquals", "aws:ResourceTag/KubernetesCluster", cluster)
    }

    /// Only when the thing gets the cluster's tag in the same call.
    #[must_use]
    pub fn tagging(self, cluster: &str) -> Self {
        self.when("StringEquals", "aws:RequestTag/KubernetesCluster", cluster)
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("Effect".into(), json!("Allow"));
        if !self.services.is_empty() {
            map.insert("Principal".into(), json!({ "Service": one_or_list(&self.services) }));
        }
        if let Some(arn) = &self.provider {
            map.insert("Principal".into(), json!({ "Federated": arn }));
        }
        map.insert("Action".into(), one_or_list(&self.actions));
        if !self.resources.is_empty() {
            map.insert("Resource".into(), one_or_list(&self.resources));
        } else if self.services.is_empty() && self.provider.is_none() {
            map.insert("Resource".into(), json!("*"));
        }
        if !self.conditions.is_empty() {
            map.insert("Condition".into(), json!(self.conditions));
        }
        Value::Object(map)
    }
}

/// AWS writes a list of one as its only member.
fn one_or_list(values: &BTreeSet<String>) -> Value {
    match values.first() {
        Some(only) if values.len() == 1 => json!(only),
        _ => json!(values),
    }
}

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    statements: Vec<Value>,
}

impl Policy {
    /// A policy of these statements, in this order.
    pub fn of(statements: impl IntoIterator<Item = Statement>) -> Self {
        Policy { statements: statements.into_iter().map(|s| s.to_value()).collect() }
    }

    /// Adds the statements of a JSON list, as they are.
    pub fn append_json(&mut self, list: &str) -> serde_json::Result<()> {
        let statements: Vec<Value> = serde_json::from_str(list)?;
        self.statements.extend(statements);
        Ok(())
    }

    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The document, in canonical form.
    pub fn to_json(&self) -> String {
        canonical(&json!({ "Version": "2012-10-17", "Statement": self.statements }))
    }
}
