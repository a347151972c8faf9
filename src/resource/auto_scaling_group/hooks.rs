//! Lifecycle hooks, and the tag by which a sweep knows them.
//!
//! AWS lists hooks by one call per group, which a preview can't afford. So the group carries a tag that says which hooks
//! it was given. While hooks change the tag says so: it is never ahead of what is there.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{LifecycleHookSpecification, Tag};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::cloud::aws::{AwsCloud, AwsError, Call};
use crate::error::{Error, Result};
use crate::resource::iam_role::existing;

/// The tag that lists a group's hooks.
pub(super) const TAG: &str = "kspot.io/lifecycle-hooks";

/// The longest value of a tag.
const LONGEST: usize = 256;

/// How many groups are asked at once.
const CONCURRENCY: usize = 8;

/// A point at which an instance waits for somebody to say that it may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleHook {
    /// `autoscaling:EC2_INSTANCE_TERMINATING` or `autoscaling:EC2_INSTANCE_LAUNCHING`.
    pub transition: String,
    /// Seconds that it waits without a sign of life.
    pub heartbeat_timeout: u32,
    /// What happens then: `CONTINUE` or `ABANDON`.
    pub default_result: String,
}

impl LifecycleHook {
    /// A hook that is being changed: equal to no wanted one.
    fn changing() -> Self {
        LifecycleHook { transition: "changing".into(), heartbeat_timeout: 0, default_result: "changing".into() }
    }

    fn is_changing(&self) -> bool {
        *self == Self::changing()
    }

    fn specification(&self, name: &str) -> LifecycleHookSpecification {
        LifecycleHookSpecification::builder()
            .lifecycle_hook_name(name)
            .lifecycle_transition(&self.transition)
            .heartbeat_timeout(self.heartbeat_timeout.cast_signed())
            .default_result(&self.default_result)
            .build()
    }
}

/// A group's hooks by name.
pub(super) type Hooks = BTreeMap<String, LifecycleHook>;

const TRANSITION: &str = "autoscaling:EC2_INSTANCE_";

/// The value of the tag: `name:TERMINATING:300:CONTINUE`, a space between hooks; `name:` for one that is changing.
fn encode(hooks: &Hooks) -> Result<String> {
    let one = |(name, hook): (&String, &LifecycleHook)| {
        if hook.is_changing() {
            return format!("{name}:");
        }
        let transition = hook.transition.strip_prefix(TRANSITION).unwrap_or(&hook.transition);
        format!("{name}:{transition}:{}:{}", hook.heartbeat_timeout, hook.default_result)
    };
    let text = hooks.iter().map(one).collect::<Vec<_>>().join(" ");
    if text.len() > LONGEST {
        return Err(Error::failed(format!("the lifecycle hooks do not fit into a tag of {LONGEST} characters: {text}"))
            .hint("give the group fewer hooks, or shorter names"));
    }
    Ok(text)
}

/// The hooks that the value of the tag lists. What can't be read counts as changing.
pub(super) fn decode(text: &str) -> Hooks {
    let one = |entry: &str| {
        let parts: Vec<&str> = entry.split(':').collect();
        let hook = match parts.as_slice() {
            [_, transition, timeout, result] => timeout.parse().ok().map(|heartbeat_timeout| LifecycleHook {
                transition: format!("{TRANSITION}{transition}"),
                heartbeat_timeout,
                default_result: (*result).to_owned(),
            }),
            _ => None,
        };
        (parts[0].to_owned(), hook.unwrap_or_else(LifecycleHook::changing))
    };
    text.split_whitespace().map(one).collect()
}

/// The hooks as the create call of a group takes them.
pub(super) fn specifications(hooks: &Hooks) -> Option<Vec<LifecycleHookSpecification>> {
    Some(hooks.iter().map(|(name, hook)| hook.specification(name)).collect::<Vec<_>>()).filter(|h| !h.is_empty())
}

/// The tag that lists the hooks, if there are any. Instances do not get it.
pub(super) fn tag(group: &str, hooks: &Hooks) -> Result<Option<Tag>> {
    if hooks.is_empty() {
        return Ok(None);
    }
    let tag = Tag::builder().resource_id(group).resource_type("auto-scaling-group").key(TAG).value(encode(hooks)?);
    Ok(Some(tag.propagate_at_launch(false).build()))
}

async fn write_tag(call: &Call<'_>, hooks: &Hooks) -> Result<()> {
    let autoscaling = &call.cloud.autoscaling;
    match tag(&call.addr.name, hooks)? {
        Some(tag) => {
            let write = autoscaling.create_or_update_tags().tags(tag);
            write.customize().send().await.map_err(|e| AwsError::of(call.doing("tag"), &e))?;
        }
        None => {
            let tag = Tag::builder().resource_id(&call.addr.name).resource_type("auto-scaling-group").key(TAG).build();
            let delete = autoscaling.delete_tags().tags(tag);
            delete.customize().send().await.map_err(|e| AwsError::of(call.doing("untag"), &e))?;
        }
    }
    Ok(())
}

/// Turns a group's `live` hooks into those that are wanted.
pub(super) async fn change(call: &Call<'_>, live: &Hooks, wanted: &Hooks) -> Result<()> {
    let differing = |name: &&String| live.get(*name) != wanted.get(*name);
    let names: BTreeSet<&String> = live.keys().chain(wanted.keys()).filter(differing).collect();
    let mut between = live.clone();
    between.extend(names.iter().map(|name| ((*name).clone(), LifecycleHook::changing())));
    write_tag(call, &between).await?;
    for name in names {
        match wanted.get(name) {
            Some(hook) => put(call, name, hook).await?,
            None => delete(call, name).await?,
        }
    }
    write_tag(call, wanted).await
}

async fn put(call: &Call<'_>, name: &str, hook: &LifecycleHook) -> Result<()> {
    let put = call
        .cloud
        .autoscaling
        .put_lifecycle_hook()
        .auto_scaling_group_name(&call.addr.name)
        .lifecycle_hook_name(name)
        .lifecycle_transition(&hook.transition)
        .heartbeat_timeout(hook.heartbeat_timeout.cast_signed())
        .default_result(&hook.default_result);
    put.customize().send().await.map_err(|e| AwsError::of(call.doing(&format!("put hook {name} on")), &e))?;
    Ok(())
}

/// Deletes a hook; one that is gone is fine. Instances that wait at it go on.
pub(super) async fn delete(call: &Call<'_>, name: &str) -> Result<()> {
    let delete = call.cloud.autoscaling.delete_lifecycle_hook();
    let delete = delete.auto_scaling_group_name(&call.addr.name).lifecycle_hook_name(name).customize().send().await;
    existing(delete.map_err(|e| AwsError::of(call.doing(&format!("delete hook {name} of")), &e))).map(drop)
}

/// The hooks that the groups really have, by a call per group: for a deep check of what the tag says.
pub async fn verify_hooks(
    cloud: &AwsCloud,
    groups: &[String],
) -> Result<BTreeMap<String, BTreeMap<String, LifecycleHook>>> {
    let asked = futures::stream::iter(groups).map(|group| async move {
        let answer = cloud.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group).customize().send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("read the lifecycle hooks of {group}"), &e))?;
        let hooks = answer.lifecycle_hooks().iter().map(|hook| {
            let read = LifecycleHook {
                transition: hook.lifecycle_transition().unwrap_or_default().to_owned(),
                heartbeat_timeout: hook.heartbeat_timeout().and_then(|t| u32::try_from(t).ok()).unwrap_or_default(),
                default_result: hook.default_result().unwrap_or_default().to_owned(),
            };
            (hook.lifecycle_hook_name().unwrap_or_default().to_owned(), read)
        });
        Ok((group.clone(), hooks.collect()))
    });
    asked.buffer_unordered(CONCURRENCY).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hooks() -> impl Strategy<Value = Hooks> {
        let hook = prop_oneof![
            Just(LifecycleHook::changing()),
            ("TERMINATING|LAUNCHING", 30..7200u32, "CONTINUE|ABANDON").prop_map(|(t, heartbeat_timeout, r)| {
                LifecycleHook { transition: format!("{TRANSITION}{t}"), heartbeat_timeout, default_result: r }
            }),
        ];
        prop::collection::btree_map("[A-Za-z0-9_/-]{1,30}", hook, 0..4)
    }

    proptest! {
        /// The tag says all there is to know of the hooks, in characters that AWS takes in a tag.
        #[test]
        fn the_tag_tells_the_hooks(hooks in hooks()) {
            let text = encode(&hooks).unwrap();
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)));
            prop_assert_eq!(decode(&text), hooks);
        }
    }

    /// Hooks that do not fit are refused before anything is sent, not cut.
    #[test]
    fn too_many_hooks_are_refused() {
        let many: Hooks = (0..20).map(|n| (format!("hook-with-a-long-name-{n}"), LifecycleHook::changing())).collect();
        assert!(encode(&many).is_err());
    }

    /// A tag that somebody spoilt is no wanted hook.
    #[test]
    fn a_spoilt_tag_shows_up() {
        assert!(decode("x:TERMINATING:soon:CONTINUE")["x"].is_changing());
        assert!(decode("x")["x"].is_changing());
    }
}
