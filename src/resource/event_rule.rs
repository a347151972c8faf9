//! EventBridge rule: which of AWS's events go into the queue.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_eventbridge::types::{Rule, RuleState, Tag, Target};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::iam_role::{existing, foreign};
use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, policy, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, Class, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Context, Error, Result};

/// A rule on the default bus with one target. Its id is its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRule {
    /// The cluster's name, for the tags that the rule is made with: reading them costs a call per rule, so they are
    /// looked at before a rule is changed or deleted, and not compared.
    pub cluster: String,
    /// Which events, in [canonical](policy) form.
    pub pattern: String,
    /// Whether it is at work.
    pub enabled: bool,
    /// The queue that gets them.
    pub target: Ref,
}

impl Model for EventRule {
    const KIND: Kind = Kind::EventRule;
    const RULES: Rules = Rules {
        noun: "EventBridge rule",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &["pattern"],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

/// The id of the one target within its rule.
const TARGET: &str = "1";

/// What all names begin with: `ListRules` takes one prefix.
fn common_prefix<'a>(names: &BTreeSet<&'a str>) -> &'a str {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return "" };
    let same = first.char_indices().zip(last.chars()).take_while(|((_, a), b)| a == b);
    let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
    &first[..end]
}

async fn rules(cloud: &AwsCloud, names: &BTreeSet<&str>) -> Result<Vec<Rule>> {
    let prefix = common_prefix(names);
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = cloud.events.list_rules().set_name_prefix(Some(prefix.to_owned()).filter(|p| !p.is_empty()));
        let page = page.set_next_token(token).customize().send().await.map_err(|e| AwsError::of("list event rules", &e))?;
        found.extend(page.rules.unwrap_or_default().into_iter().filter(|r| r.name().is_some_and(|n| names.contains(n))));
        token = page.next_token;
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// Names of the rules that have the queue as a target.
async fn rules_to(cloud: &AwsCloud, queue: &str) -> Result<BTreeSet<String>> {
    let (mut found, mut token) = (BTreeSet::new(), None);
    loop {
        let page = cloud.events.list_rule_names_by_target().target_arn(queue).set_next_token(token).customize().send().await;
        let page = page.map_err(|e| AwsError::of(format!("list the event rules of {queue}"), &e))?;
        found.extend(page.rule_names.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// The ARN of a queue in the account and region of a rule's ARN.
fn queue_arn(rule: &str, queue: &str) -> Option<String> {
    let mut parts = rule.splitn(6, ':').skip(1);
    let (partition, _events, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(format!("arn:{partition}:sqs:{region}:{account}:{queue}"))
}

/// Refuses to touch a rule of the same name that does not carry the cluster's tags.
async fn must_be_ours(call: &Call<'_>, arn: &str, cluster: &str) -> Result<()> {
    let answer = call.cloud.events.list_tags_for_resource().resource_arn(arn).customize().send().await;
    let answer = existing(answer.map_err(|e| AwsError::of(call.doing("read the tags of"), &e)))?;
    let Some(answer) = answer else { return Ok(()) };
    let tags: Tags = answer.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
    if tags::is_owned(&Scope::of(cluster), &tags) { Ok(()) } else { Err(foreign("event rule", &call.addr.name)) }
}

impl EventRule {
    fn tags(&self, name: &str) -> Result<Vec<Tag>> {
        let tag = |(k, v): (String, String)| Tag::builder().key(k).value(v).build();
        let tags = tags::owned(&self.cluster, name).into_iter().map(tag);
        tags.collect::<std::result::Result<_, _>>().context(|| "can't make EventBridge tags".to_owned())
    }

    /// Makes or changes the rule; AWS takes tags only for a new one. Repeating it is safe.
    async fn put(&self, call: &Call<'_>, tags: Option<Vec<Tag>>) -> Result<String> {
        let state = if self.enabled { RuleState::Enabled } else { RuleState::Disabled };
        let put = call.cloud.events.put_rule().name(&call.addr.name).event_pattern(policy::compact(&self.pattern));
        let put = put.state(state).set_tags(tags).customize().send().await;
        let put = put.map_err(|e| AwsError::of(call.doing("put"), &e))?;
        Ok(put.rule_arn.unwrap_or_default())
    }

    async fn put_target(&self, call: &Call<'_>) -> Result<()> {
        let queue = call.id(&self.target)?;
        let target = Target::builder().id(TARGET).arn(&queue).build();
        let target = target.context(|| format!("can't make the target of {}", call.addr))?;
        let put = call.cloud.events.put_targets().rule(&call.addr.name).targets(target).customize().send().await;
        let put = put.map_err(|e| AwsError::of(call.doing("set the target of"), &e))?;
        match put.failed_entries().first() {
            None => Ok(()),
            Some(failed) => Err(Error::failed(format!(
                "can't set the target of {}: {}: {}",
                call.addr,
                failed.error_code().unwrap_or("refused"),
                failed.error_message().unwrap_or_default()
            ))),
        }
    }
}

#[async_trait]
impl Aws for EventRule {
    /// Two requests for all rules: the rules, and which of them go to the queue.
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let names: BTreeSet<&str> = scope.names(Kind::EventRule).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let rules = rules(cloud, &names).await?;
        let Some(arn) = rules.first().and_then(Rule::arn) else { return Ok(Vec::new()) };
        let queues: Vec<String> = scope.names(Kind::Queue).filter_map(|q| queue_arn(arn, q)).collect();
        let targets = try_join_all(queues.iter().map(|q| rules_to(cloud, q))).await?;
        let target_of: BTreeMap<&String, &String> =
            queues.iter().zip(&targets).flat_map(|(queue, rules)| rules.iter().map(move |r| (r, queue))).collect();
        Ok(rules
            .iter()
            .map(|rule| {
                let name = rule.name().unwrap_or_default().to_owned();
                // A rule without our target has an empty one, which is never equal to a wanted one.
                let target = target_of.get(&name).map(|q| (*q).clone()).unwrap_or_default();
                let resource = EventRule {
                    cluster: scope.cluster.clone(),
                    pattern: policy::canonical_text(rule.event_pattern().unwrap_or_default()),
                    enabled: rule.state() == Some(&RuleState::Enabled),
                    target: Ref::id(target),
                };
                Found { name, id: rule.arn().unwrap_or_default().to_owned(), attrs: Attrs::new(), resource }
            })
            .collect())
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let id = self.put(call, Some(self.tags(&call.addr.name)?)).await?;
        self.put_target(call).await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        must_be_ours(call, &live.id, &self.cluster).await?;
        if changed.any(&["pattern", "enabled"]) {
            self.put(call, None).await?;
        }
        if changed.has("target") {
            self.put_target(call).await?;
        }
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        must_be_ours(call, &live.id, &live.resource.cluster).await?;
        let events = &call.cloud.events;
        let remove = events.remove_targets().rule(&call.addr.name).ids(TARGET).customize().send().await;
        match remove.map_err(|e| AwsError::of(call.doing("take the target from"), &e)) {
            Err(e) if e.class == Class::NotFound => return Ok(()),
            Err(e) => return Err(e.into()),
            Ok(_) => {}
        }
        once::deleted(12, || async {
            let delete = events.delete_rule().name(&call.addr.name).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One prefix asks for all names of the cluster, and only for those.
    #[test]
    fn names_have_a_common_prefix() {
        let names = |n: &[&'static str]| n.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(common_prefix(&names(&["c.example.com-Spot", "c.example.com-State"])), "c.example.com-S");
        assert_eq!(common_prefix(&names(&["only"])), "only");
        assert_eq!(common_prefix(&names(&["a", "b"])), "");
        assert_eq!(common_prefix(&names(&[])), "");
    }

    /// The queue's ARN follows from a rule's, in any partition.
    #[test]
    fn the_queue_is_in_the_rules_account() {
        let arn = queue_arn("arn:aws-cn:events:cn-north-1:123456789012:rule/c-Spot", "c-nth");
        assert_eq!(arn.as_deref(), Some("arn:aws-cn:sqs:cn-north-1:123456789012:c-nth"));
        assert_eq!(queue_arn("nonsense", "c-nth"), None);
    }
}
