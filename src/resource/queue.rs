//! SQS queue: where AWS tells of interruptions before they happen.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};

use super::iam_role::existing;
use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, Tags, policy, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A standard queue. Its id is its ARN; attributes: `url`, `arn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Seconds that a message is kept: 60 to 1209600.
    pub retention: u32,
    /// Who may send, in [canonical](policy) form.
    pub policy: Option<String>,
    /// Whether messages are encrypted with SQS's own key.
    pub managed_encryption: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Model for Queue {
    const KIND: Kind = Kind::Queue;
    const RULES: Rules = Rules {
        noun: "SQS queue",
        forces_replacement: &[],
        replace: ReplaceOrder::DeleteFirst,
        text: &["policy"],
        ec2_type: None,
        only_grows: &[],
        loses_data: None,
    };
}

const URL: &str = "url";

/// The queue of that name, whoever's it is: its URL, then attributes and tags at once.
async fn read(cloud: &AwsCloud, scope: &Scope, name: &str) -> Result<Option<Found<Queue>>> {
    let url = cloud.sqs.get_queue_url().queue_name(name).customize().send().await;
    let url = existing(url.map_err(|e| AwsError::of(format!("look for queue {name}"), &e)))?.and_then(|u| u.queue_url);
    let Some(url) = url else { return Ok(None) };
    let attributes = async {
        let all = cloud.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All).customize().send().await;
        existing(all.map_err(|e| AwsError::of(format!("read queue {name}"), &e)))
    };
    let labels = async {
        let all = cloud.sqs.list_queue_tags().queue_url(&url).customize().send().await;
        existing(all.map_err(|e| AwsError::of(format!("read the tags of queue {name}"), &e)))
    };
    // A deleted queue's name is still answered for a minute.
    let (Some(attributes), Some(labels)) = try_join(attributes, labels).await? else { return Ok(None) };
    let attributes = attributes.attributes.unwrap_or_default();
    let value = |key: QueueAttributeName| attributes.get(&key).map(String::as_str).filter(|v| !v.is_empty());
    let arn = value(QueueAttributeName::QueueArn).unwrap_or_default().to_owned();
    Ok(Some(Found {
        name: name.to_owned(),
        id: arn.clone(),
        attrs: facts(url, arn),
        resource: Queue {
            retention: value(QueueAttributeName::MessageRetentionPeriod).and_then(|v| v.parse().ok()).unwrap_or_default(),
            policy: value(QueueAttributeName::Policy).map(policy::canonical_text),
            managed_encryption: value(QueueAttributeName::SqsManagedSseEnabled) == Some("true"),
            tags: tags::managed(scope, labels.tags.unwrap_or_default()),
        },
    }))
}

fn facts(url: String, arn: String) -> Attrs {
    Attrs::from([(URL.to_owned(), url), ("arn".to_owned(), arn)])
}

fn url_of(call: &Call<'_>, live: &Found<Queue>) -> Result<String> {
    live.attrs.get(URL).cloned().ok_or_else(|| Error::failed(format!("{} was observed without its URL", call.addr)))
}

impl Queue {
    fn attributes(&self) -> HashMap<QueueAttributeName, String> {
        HashMap::from([
            (QueueAttributeName::MessageRetentionPeriod, self.retention.to_string()),
            // An empty policy removes the one that is there.
            (QueueAttributeName::Policy, self.policy.as_deref().map(policy::compact).unwrap_or_default()),
            (QueueAttributeName::SqsManagedSseEnabled, self.managed_encryption.to_string()),
        ])
    }

    /// Sends the create call, which AWS refuses for 60 s after a queue of that name was deleted.
    async fn make(&self, call: &Call<'_>) -> Result<String> {
        let mut attributes = self.attributes();
        attributes.retain(|_, value| !value.is_empty());
        let made = once::settled(24, || async {
            let create = call.cloud.sqs.create_queue().queue_name(&call.addr.name);
            let create = create.set_attributes(Some(attributes.clone()));
            let create = create.set_tags(Some(self.tags.clone().into_iter().collect()));
            create.customize().send().await.map_err(|e| AwsError::of(call.doing("create"), &e))
        });
        Ok(made.await?.queue_url.unwrap_or_default())
    }
}

#[async_trait]
impl Aws for Queue {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let found = try_join_all(scope.names(Kind::Queue).map(|name| read(cloud, scope, name))).await?;
        Ok(found.into_iter().flatten().filter(|f| tags::is_owned(scope, &f.resource.tags)).collect())
    }

    /// `CreateQueue` answers the existing queue when its attributes are equal, so repeating it is safe.
    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let url = match self.make(call).await {
            Ok(url) => url,
            Err(refused) => match read(call.cloud, &tags::scope_of(&self.tags), &call.addr.name).await? {
                // Ours from an earlier try, with other attributes.
                Some(found) if tags::is_owned(&tags::scope_of(&self.tags), &found.resource.tags) => {
                    self.update(call, &found, &Changed::from_paths(["retention", "policy", "managedEncryption"])).await?;
                    return Ok(Created { id: found.id, attrs: found.attrs });
                }
                _ => return Err(refused),
            },
        };
        let arn = once::settled(12, || async {
            let ask = call.cloud.sqs.get_queue_attributes().queue_url(&url);
            let ask = ask.attribute_names(QueueAttributeName::QueueArn).customize().send().await;
            ask.map_err(|e| AwsError::of(call.doing("read"), &e))
        })
        .await?;
        let arn = arn.attributes.and_then(|mut a| a.remove(&QueueAttributeName::QueueArn)).unwrap_or_default();
        Ok(Created { id: arn.clone(), attrs: facts(url, arn) })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        let (sqs, url) = (&call.cloud.sqs, url_of(call, live)?);
        if changed.any(&["retention", "policy", "managedEncryption"]) {
            let set = sqs.set_queue_attributes().queue_url(&url).set_attributes(Some(self.attributes()));
            set.customize().send().await.map_err(|e| AwsError::of(call.doing("change"), &e))?;
        }
        let (set, remove) = tags::difference(&live.resource.tags, &self.tags);
        if !set.is_empty() {
            let tag = sqs.tag_queue().queue_url(&url).set_tags(Some(set.into_iter().collect()));
            tag.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        if !remove.is_empty() {
            let untag = sqs.untag_queue().queue_url(&url).set_tag_keys(Some(remove));
            untag.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let url = url_of(call, live)?;
        once::deleted(12, || async {
            let delete = call.cloud.sqs.delete_queue().queue_url(&url).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
