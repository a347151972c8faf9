//! Whether the parts of addons work, and which version the API server is: one request per kind, and one.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use serde_json::Value;

use super::again::again;
use super::kinds::gvk;
use super::seen::version;
use crate::addons::ADDON;
use crate::addons::catalogue::Target;
use crate::spec::KubernetesVersion;
use crate::validate::view::{Addon, Part, PartState};

/// The kinds that become ready: `apiVersion`, kind, plural.
const KINDS: &[(&str, &str, &str)] = &[
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices"),
];

/// The API server's version.
pub async fn server_version(client: &Client) -> Result<Option<KubernetesVersion>, kube::Error> {
    Ok(version(&again(|| client.apiserver_version()).await?.git_version))
}

/// How the parts of these addons are.
pub async fn addons(client: &Client, wanted: &[(String, Vec<Target>)]) -> Result<Vec<Addon>, kube::Error> {
    let mut there: BTreeMap<(String, String, String), DynamicObject> = BTreeMap::new();
    for (api_version, kind, plural) in KINDS {
        if !wanted.iter().flat_map(|(_, ready)| ready).any(|target| target.kind == *kind) {
            continue;
        }
        let resource = ApiResource::from_gvk_with_plural(&gvk(api_version, kind), plural);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let ours = ListParams::default().labels(ADDON);
        for object in again(|| api.list(&ours)).await? {
            let metadata = &object.metadata;
            let key = |part: &Option<String>| part.clone().unwrap_or_default();
            there.insert(((*kind).to_owned(), key(&metadata.namespace), key(&metadata.name)), object);
        }
    }
    Ok(wanted.iter().map(|(name, ready)| Addon { name: name.clone(), parts: parts(ready, &there) }).collect())
}

fn parts(ready: &[Target], there: &BTreeMap<(String, String, String), DynamicObject>) -> Vec<Part> {
    let part = |target: &Target| {
        let namespace = target.namespace.clone().unwrap_or_default();
        let slash = if namespace.is_empty() { "" } else { "/" };
        let what = format!("{} {namespace}{slash}{}", target.kind, target.name);
        let state = match there.get(&(target.kind.clone(), namespace, target.name.clone())) {
            Some(object) => state(&target.kind, object),
            None => PartState::Missing,
        };
        Part { what, state }
    };
    ready.iter().map(part).collect()
}

fn state(kind: &str, object: &DynamicObject) -> PartState {
    let status = &object.data["status"];
    let seen = status["observedGeneration"].as_i64();
    if kind != "APIService" && seen < object.metadata.generation {
        return PartState::NotReady("its controller has not seen its last change yet".to_owned());
    }
    match kind {
        "DaemonSet" => {
            let number = |field: &str| status[field].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
            let (of, ready) = (number("desiredNumberScheduled"), number("numberReady"));
            match of.saturating_sub(ready) {
                0 => PartState::Ready,
                missing => PartState::Lacks { missing, of },
            }
        }
        _ => available(status),
    }
}

/// By the condition that Deployments and APIServices have.
fn available(status: &Value) -> PartState {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    match conditions.iter().find(|c| c["type"] == "Available") {
        Some(condition) if condition["status"] == "True" => PartState::Ready,
        Some(condition) => {
            let text = |field: &str| condition[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            PartState::NotReady(text("message").or_else(|| text("reason")).unwrap_or_default())
        }
        None => PartState::NotReady("its controller has not looked at it yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::addons::Catalogue;

    fn object(generation: i64, status: Value) -> DynamicObject {
        let object = json!({"metadata": {"name": "x", "generation": generation}, "status": status});
        serde_json::from_value(object).unwrap()
    }

    /// Every kind that an addon waits for is known here: others would be missing for ever.
    #[test]
    fn every_kind_is_known() {
        for addon in Catalogue::load().unwrap().iter() {
            for target in &addon.about.ready {
                assert!(
                    KINDS.iter().any(|(_, kind, _)| *kind == target.kind),
                    "{} of {}",
                    target.kind,
                    addon.about.name
                );
            }
        }
    }

    /// A part works if its own controller says so, of its newest generation.
    #[test]
    fn what_works() {
        let daemons =
            |ready: u32| object(2, json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "numberReady": ready}));
        assert_eq!(state("DaemonSet", &daemons(3)), PartState::Ready);
        assert_eq!(state("DaemonSet", &daemons(1)), PartState::Lacks { missing: 2, of: 3 });
        let deployment = |seen: i64, available: &str| {
            let conditions = json!([{"type": "Available", "status": available, "message": "no minimum availability"}]);
            object(2, json!({"observedGeneration": seen, "conditions": conditions}))
        };
        assert_eq!(state("Deployment", &deployment(2, "True")), PartState::Ready);
        let why = PartState::NotReady("no minimum availability".into());
        assert_eq!(state("Deployment", &deployment(2, "False")), why);
        assert!(matches!(state("Deployment", &deployment(1, "True")), PartState::NotReady(_)));
        assert!(matches!(state("APIService", &object(0, json!({}))), PartState::NotReady(_)));
    }
}
