//! Server-side apply of addons, and pruning of what they no longer have.
//!
//! Every object carries the labels that [`crate::addons::render_all`] gives it. What carries them and is wanted no more is
//! removed; what carries them not is never touched, even if it has the name of something that went.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions, ValidationDirective};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::again::again;
use super::error;
use super::kinds::{KINDS, gvk, rank};
use crate::addons::{ADDON, Rendered};
use crate::error::{Error, Result};

/// Who manages the fields that kspot sets.
pub const MANAGER: &str = "kspot";

/// What all objects of addons have in common.
const SELECTOR: &str = "app.kubernetes.io/managed-by=kspot,kspot.io/addon";

/// How long a kind that was just defined may take until it is served.
const SERVED: Duration = Duration::from_secs(10);

/// How many calls run at once.
const AT_ONCE: usize = 8;

/// How an apply is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Only these addons; all, and the removal of those that are wanted no more, when empty.
    pub only: &'a [String],
    /// Take fields over that somebody else manages.
    pub force: bool,
    /// For how long an API that is coming up is waited for.
    pub wait: Duration,
}

/// An object, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Id {
    /// `v1`, `apps/v1` ...
    pub api_version: String,
    /// `Deployment` ...
    pub kind: String,
    /// Its namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {}{slash}{}", self.kind, self.namespace, self.name)
    }
}

/// What became of the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Made or changed.
    pub changed: Vec<Id>,
    /// As they were.
    pub unchanged: usize,
    /// Removed.
    pub pruned: Vec<Id>,
}

/// An object of ours that is there.
struct There {
    addon: String,
    uid: Option<String>,
    version: Option<String>,
}

/// Applies addons in their order, then removes what none of them has any more.
pub async fn apply(client: &Client, addons: &[Rendered], options: Options<'_>) -> Result<Applied> {
    let mut api = Cluster::discover(client, options.wait).await?;
    let there = api.ours().await?;
    let mut applied = Applied::default();
    let mut wanted = BTreeSet::new();
    for addon in addons {
        for (_, objects) in by_rank(&addon.objects) {
            api.learn(&objects).await?;
            let calls: Vec<_> = objects.into_iter().map(|object| api.apply(object, options.force)).collect();
            let made: Vec<(Id, Option<String>)> = futures::stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
            for (id, version) in made {
                match there.get(&id) {
                    Some(before) if before.version == version => applied.unchanged += 1,
                    _ => applied.changed.push(id.clone()),
                }
                wanted.insert(id);
            }
        }
    }
    let in_scope = |there: &There| options.only.is_empty() || options.only.contains(&there.addon);
    let mut gone: Vec<(&Id, &There)> = there.iter().filter(|(id, t)| !wanted.contains(id) && in_scope(t)).collect();
    gone.sort_by_key(|(id, _)| std::cmp::Reverse(rank_of(id)));
    // What the API would not let go of stops it before anything is gone: half an addon is worse than one too many.
    // (Not where a webhook goes that would have to be asked meanwhile: its configuration goes first.)
    if !gone.iter().any(|(id, _)| id.kind.ends_with("WebhookConfiguration")) {
        let trials: Vec<_> = gone.iter().map(|(id, there)| api.delete(id, there, true)).collect();
        futures::stream::iter(trials).buffered(AT_ONCE).try_collect::<Vec<bool>>().await?;
    }
    for (id, there) in gone {
        if api.delete(id, there, false).await? {
            applied.pruned.push(id.clone());
        }
    }
    Ok(applied)
}

/// What applying would change in one object; texts are YAML, empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object.
    pub id: Id,
    /// As it is.
    pub before: String,
    /// As it would be.
    pub after: String,
}

/// What [`apply`] would change, as the API server works it out.
pub async fn diff(client: &Client, addons: &[Rendered], only: &[String]) -> Result<Vec<Difference>> {
    let api = Cluster::discover(client, Duration::ZERO).await?;
    let there = api.ours().await?;
    let objects: Vec<&Value> = addons.iter().flat_map(|addon| &addon.objects).collect();
    let wanted: BTreeSet<Id> = objects.iter().map(|object| api.id_of(object)).collect();
    let calls: Vec<_> = objects.into_iter().map(|object| api.compare(object)).collect();
    let compared: Vec<Difference> = futures::stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let mut differences: Vec<Difference> = compared.into_iter().filter(|d| d.before != d.after).collect();
    let in_scope = |there: &There| only.is_empty() || only.contains(&there.addon);
    for (id, _) in there.iter().filter(|(id, t)| !wanted.contains(id) && in_scope(t)) {
        let objects = api.objects(id)?;
        let before = again(|| objects.get_opt(&id.name)).await.map_err(|e| error::of(&format!("read {id}"), e))?;
        differences.extend(before.map(|b| Difference { id: id.clone(), before: text(b), after: String::new() }));
    }
    Ok(differences)
}

/// The object as YAML, without what changes by itself.
fn text(mut object: DynamicObject) -> String {
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    object.metadata.generation = None;
    serde_yaml::to_string(&object).unwrap_or_default()
}

/// The objects in the order in which they are made; those of one kind together.
fn by_rank(objects: &[Value]) -> BTreeMap<usize, Vec<&Value>> {
    let mut by_rank: BTreeMap<usize, Vec<&Value>> = BTreeMap::new();
    for object in objects {
        by_rank.entry(rank(object)).or_default().push(object);
    }
    by_rank
}

fn rank_of(id: &Id) -> usize {
    KINDS.iter().position(|(version, kind)| *version == id.api_version && *kind == id.kind).unwrap_or(KINDS.len())
}

/// An API and the kinds that it knows.
struct Cluster<'a> {
    client: &'a Client,
    discovery: Discovery,
}

impl<'a> Cluster<'a> {
    /// Asks for all kinds, in two requests; an API that is coming up is asked again.
    async fn discover(client: &'a Client, wait: Duration) -> Result<Self> {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times()
            .build();
        let deadline = Instant::now() + wait;
        loop {
            let refused = match again(|| Discovery::new(client.clone()).run_aggregated()).await {
                Ok(discovery) => return Ok(Cluster { client, discovery }),
                Err(e) => e,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match pauses.next().filter(|_| error::passes(&refused) && !left.is_zero()) {
                Some(pause) => tokio::time::sleep(pause.min(left)).await,
                None => return Err(error::of("ask the Kubernetes API what it knows", refused)),
            }
        }
    }

    /// Asks again if one of the objects is of a kind that was defined a moment ago: it takes a second until it is served.
    async fn learn(&mut self, objects: &[&Value]) -> Result<()> {
        let deadline = Instant::now() + SERVED;
        while objects.iter().any(|object| self.resolve(&id_of(object)).is_err()) {
            *self = Cluster::discover(self.client, Duration::ZERO).await?;
            if Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// What an object is, with its namespace spelt out.
    fn id_of(&self, object: &Value) -> Id {
        let mut id = id_of(object);
        if id.namespace.is_empty() && self.resolve(&id).is_ok_and(|(_, namespaced)| namespaced) {
            "default".clone_into(&mut id.namespace);
        }
        id
    }

    fn resolve(&self, id: &Id) -> Result<(ApiResource, bool)> {
        let found = self.discovery.resolve_gvk(&gvk(&id.api_version, &id.kind));
        let (resource, capabilities) = found.ok_or_else(|| {
            Error::failed(format!("the Kubernetes API knows no kind {} of {}", id.kind, id.api_version))
                .hint("is Kubernetes too old for this addon, or a CustomResourceDefinition missing?")
        })?;
        Ok((resource, capabilities.scope == Scope::Namespaced))
    }

    fn objects(&self, id: &Id) -> Result<Api<DynamicObject>> {
        let (resource, namespaced) = self.resolve(id)?;
        Ok(match (namespaced, id.namespace.as_str()) {
            (false, _) => Api::all_with(self.client.clone(), &resource),
            (true, "") => Api::default_namespaced_with(self.client.clone(), &resource),
            (true, namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
        })
    }

    /// The kinds that objects of addons can be of: those that kspot knows, and every custom one.
    fn kinds(&self) -> Vec<ApiResource> {
        let known = KINDS.iter().filter_map(|(version, kind)| Some(self.discovery.resolve_gvk(&gvk(version, kind))?.0));
        let is_custom = |group: &&ApiGroup| group.name().contains('.') && !group.name().ends_with(".k8s.io");
        let custom = self.discovery.groups().filter(is_custom).flat_map(ApiGroup::recommended_resources);
        let listed =
            custom.filter(|(_, can)| can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE));
        known.chain(listed.map(|(resource, _)| resource)).collect()
    }

    /// Everything that carries our labels: a listing per kind, of metadata only.
    async fn ours(&self) -> Result<BTreeMap<Id, There>> {
        let listings = self.kinds().into_iter().map(|resource| async move {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let ours = ListParams::default().labels(SELECTOR);
            let listed = again(|| api.list_metadata(&ours)).await;
            let listed = listed.map_err(|e| error::of(&format!("list the {} of addons", resource.plural), e))?;
            Ok::<_, Error>((resource, listed.items))
        });
        let listed: Vec<(ApiResource, Vec<PartialObjectMeta<DynamicObject>>)> =
            futures::stream::iter(listings).buffered(AT_ONCE).try_collect().await?;
        let mut there = BTreeMap::new();
        for (resource, items) in listed {
            for item in items {
                let id = Id {
                    api_version: resource.api_version.clone(),
                    kind: resource.kind.clone(),
                    namespace: item.namespace().unwrap_or_default(),
                    name: item.name_any(),
                };
                let addon = item.labels().get(ADDON).cloned().unwrap_or_default();
                there.insert(id, There { addon, uid: item.uid(), version: item.resource_version() });
            }
        }
        Ok(there)
    }

    /// Applies one object; gives its version afterwards. A field that the API does not know is an error.
    async fn apply(&self, object: &Value, force: bool) -> Result<(Id, Option<String>)> {
        let id = self.id_of(object);
        let mut params = PatchParams::apply(MANAGER);
        params.force = force;
        params.field_validation = Some(ValidationDirective::Strict);
        let (objects, patch) = (self.objects(&id)?, Patch::Apply(object));
        let patched = again(|| objects.patch(&id.name, &params, &patch)).await;
        let patched = patched.map_err(|e| error::of(&format!("apply {id}"), e))?;
        Ok((id, patched.resource_version()))
    }

    /// The object as it is, and as it would be.
    async fn compare(&self, object: &Value) -> Result<Difference> {
        let id = self.id_of(object);
        let mut params = PatchParams::apply(MANAGER);
        (params.dry_run, params.force) = (true, true);
        params.field_validation = Some(ValidationDirective::Strict);
        let all_new =
            |id| Difference { id, before: String::new(), after: serde_yaml::to_string(object).unwrap_or_default() };
        // Its kind comes with the same addons, and is not there yet.
        let Ok(api) = self.objects(&id) else { return Ok(all_new(id)) };
        let before = again(|| api.get_opt(&id.name)).await.map_err(|e| error::of(&format!("read {id}"), e))?;
        let patch = Patch::Apply(object);
        let after = again(|| api.patch(&id.name, &params, &patch)).await;
        let after = match after {
            // So does its namespace.
            Err(kube::Error::Api(status)) if status.code == 404 && before.is_none() => return Ok(all_new(id)),
            after => after.map_err(|e| error::of(&format!("try to apply {id}"), e))?,
        };
        Ok(Difference { id, before: before.map(text).unwrap_or_default(), after: text(after) })
    }

    /// Removes an object, or tries whether it may be, unless it was replaced since it was seen. False if it was gone.
    async fn delete(&self, id: &Id, there: &There, dry_run: bool) -> Result<bool> {
        let preconditions = Preconditions { uid: there.uid.clone(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), dry_run, ..DeleteParams::background() };
        let objects = self.objects(id)?;
        match again(|| objects.delete(&id.name, &params)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(e) => Err(error::of(&format!("remove {id}"), e)),
        }
    }
}

fn id_of(object: &Value) -> Id {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Id {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
    }
}
