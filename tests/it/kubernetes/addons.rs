//! Every addon on a real API server: applied without a field that it does not know, twice without a change, removed without
//! a trace; its rights are what it needs and no more; what others manage is named, not overwritten.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kspot::addons::catalogue::Right;
use kspot::addons::context::Context;
use kspot::addons::{Catalogue, Rendered, Source, Texts, render_all};
use kspot::cloud::aws::Account;
use kspot::kube::{Options, apply, diff};
use kspot::spec::Object;
use kspot::spec::complete::complete;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Plane;

/// The context and the addons of a fixture.
fn fixture(case: &str) -> (Context, Vec<Rendered>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/addons").join(case).join("specs.yaml");
    let (mut clusters, mut groups) = (Vec::new(), Vec::new());
    for object in kspot::spec::parse::parse(&std::fs::read_to_string(path).unwrap(), "specs.yaml").unwrap() {
        match object {
            Object::Cluster(cluster) => clusters.push(*cluster),
            Object::InstanceGroup(group) => groups.push(*group),
        }
    }
    let account = Account { id: "123456789012".into(), partition: "aws".into(), region: "us-east-1".into() };
    let (cluster, groups) = complete(&clusters[0], &groups).unwrap();
    let context = Context::of(&cluster, &groups, &account);
    let addons = render_all(&context, &Texts::new()).unwrap();
    (context, addons)
}

/// Manifests of the user's own with what they may hold: a namespace and what is in it, a definition and an object of it, and
/// an object that names no namespace. Applied at once, again without a change, and removed as a whole.
#[tokio::test]
async fn own_manifests_come_and_go() {
    let plane = Plane::start().await;
    let client = plane.admin().await;
    let text = "
apiVersion: example.com/v1
kind: Crontab
metadata: {name: mine, namespace: apps}
spec: {schedule: '* * * * *'}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: no-namespace}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: inside, namespace: apps}, stringData: {a: b}}
---
apiVersion: v1
kind: Namespace
metadata: {name: apps}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: Crontab}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {schedule: {type: string}}}}
";
    let (mut context, _) = fixture("minimal");
    context.own = vec![kspot::spec::addons::AddonSpec { manifest: "mine/app.yaml".into() }];
    let texts = Texts::from([(Source::parse("mine/app.yaml"), text.to_owned())]);
    let all = |context: &Context| {
        let all = render_all(context, &texts).unwrap();
        all.into_iter().filter(|a| a.name == "app").collect::<Vec<_>>()
    };
    let own = all(&context);
    assert_eq!(own[0].objects.len(), 5);
    assert_eq!(diff(&client, &own, &[]).await.unwrap().len(), 5, "a diff before anything is there");
    let applied = apply(&client, &own, Options::default()).await.unwrap();
    assert_eq!((applied.changed.len(), applied.pruned.len()), (5, 0), "{applied:?}");
    let again = apply(&client, &own, Options::default()).await.unwrap();
    assert_eq!((again.changed.len(), again.unchanged, again.pruned.len()), (0, 5, 0), "{again:?}");
    assert!(diff(&client, &own, &[]).await.unwrap().is_empty());
    let gone = apply(&client, &[], Options::default()).await.unwrap();
    let kinds: Vec<&str> = gone.pruned.iter().map(|id| id.kind.as_str()).collect();
    assert_eq!(kinds.len(), 5, "{gone:?}");
    assert_eq!(kinds[0], "Crontab", "what needs others goes first: {kinds:?}");
}

/// A webhook that is down stops apply, diff and removal soon: each error names it and the object, and nothing is gone of what
/// should have been removed as a whole.
#[tokio::test]
async fn a_webhook_that_is_down() {
    let plane = Plane::start().await;
    let client = plane.admin().await;
    let (mut context, _) = fixture("minimal");
    context.own = vec![kspot::spec::addons::AddonSpec { manifest: "mine/app.yaml".into() }];
    let rendered = |value: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: held}}, data: {{a: {value}}}}}\n---\n\
             {{apiVersion: v1, kind: Secret, metadata: {{name: free}}, stringData: {{a: b}}}}\n"
        );
        let all = render_all(&context, &Texts::from([(Source::parse("mine/app.yaml"), text)])).unwrap();
        all.into_iter().filter(|addon| addon.name == "app").collect::<Vec<_>>()
    };
    apply(&client, &rendered("b"), Options::default()).await.unwrap();
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::default_namespaced(client.clone());
    let trial = serde_json::from_value(json!({"metadata": {"name": "trial"}})).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]});
    super::webhook_that_is_down(&client, rule, async || maps.create(&dry, &trial).await.is_err()).await;
    let start = std::time::Instant::now();
    let changed = rendered("c");
    for error in [
        apply(&client, &changed, Options::default()).await.unwrap_err(),
        diff(&client, &changed, &[]).await.unwrap_err(),
        apply(&client, &[], Options::default()).await.unwrap_err(),
    ] {
        let said = error.message();
        assert!(said.contains("ConfigMap default/held") && said.contains("down.example.com"), "{said}");
        assert!(error.hints().iter().any(|hint| hint.contains("validatingwebhookconfigurations")), "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::default_namespaced(client.clone());
    assert!(secrets.get_opt("free").await.unwrap().is_some(), "it would have been removed first");
    let held = maps.get("held").await.unwrap();
    assert_eq!(held.data.unwrap()["a"], "b");
}

/// Whether a service account may do something.
async fn may(client: &Client, right: &Right) -> bool {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, sub)) => (resource.to_owned(), Some(sub.to_owned())),
        None => (right.resource.clone(), None),
    };
    let (namespace, name) = right.service_account.split_once('/').unwrap();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{name}")),
            groups: Some(vec!["system:serviceaccounts".into(), "system:authenticated".into()]),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb.clone()),
                group: Some(right.group.clone()),
                resource: Some(resource),
                subresource,
                namespace: right.namespace.clone(),
                name: right.name.clone(),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let asked = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    asked.status.unwrap().allowed
}

/// Every addon of four clusters: applied, applied again, its rights asked for, and removed.
#[tokio::test]
async fn addons_come_and_go() {
    let plane = Plane::start().await;
    let client = plane.admin().await;
    for case in ["minimal", "full", "imds", "irsa"] {
        let (context, addons) = fixture(case);
        let objects: usize = addons.iter().map(|a| a.objects.len()).sum();
        let first =
            apply(&client, &addons, Options::default()).await.unwrap_or_else(|e| panic!("{case}: {}", e.chain()));
        assert!(!first.changed.is_empty() && first.pruned.is_empty(), "{case}: {first:?}");
        let again = apply(&client, &addons, Options::default()).await.unwrap();
        assert_eq!(
            (again.changed.len(), again.unchanged, again.pruned.len()),
            (0, objects, 0),
            "{case}: {:?}",
            again.changed
        );
        assert_eq!(diff(&client, &addons, &[]).await.unwrap(), [], "{case}");
        for addon in Catalogue::load().unwrap().iter().filter(|a| addons.iter().any(|r| r.name == a.about.name)) {
            for (rights, wanted) in [(&addon.about.rights, true), (&addon.about.denied, false)] {
                for right in rights.iter().filter(|r| r.when.is_none()) {
                    assert_eq!(may(&client, right).await, wanted, "{case}: {right:?}");
                }
            }
        }
        let gone = apply(&client, &[], Options::default()).await.unwrap();
        assert_eq!(gone.pruned.len(), objects, "{case}");
        assert_eq!(context.cluster.account, "123456789012");
    }
}

/// Of one addon alone: the others stay, also those that no spec asks for; switching its mode removes what the mode had.
#[tokio::test]
async fn switching_a_mode_removes_what_it_had() {
    let plane = Plane::start().await;
    let client = plane.admin().await;
    let (_, queue) = fixture("full");
    let (_, imds) = fixture("imds");
    apply(&client, &queue, Options::default()).await.unwrap();
    let name = ["aws-node-termination-handler".to_owned()];
    let only = |all: &[Rendered]| all.iter().filter(|a| a.name == name[0]).cloned().collect::<Vec<_>>();
    let switched = apply(&client, &only(&imds), Options { only: &name, ..Options::default() }).await.unwrap();
    assert!(switched.pruned.iter().any(|id| id.kind == "Deployment"), "{switched:?}");
    assert!(switched.changed.iter().any(|id| id.kind == "DaemonSet"), "{switched:?}");
    assert!(switched.pruned.iter().all(|id| id.name.contains("termination-handler")), "{switched:?}");
    let deployments = Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(client.clone(), "kube-system");
    assert!(deployments.get_opt("metrics-server").await.unwrap().is_some());
}

/// A field that somebody else manages stops the apply, which names them; --force-conflicts takes it. What is not ours is
/// never removed, whatever it is called.
#[tokio::test]
async fn others_are_respected() {
    let plane = Plane::start().await;
    let client = plane.admin().await;
    let (_, addons) = fixture("full");
    apply(&client, &addons, Options::default()).await.unwrap();
    let deployments = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "kube-system",
        &kube::core::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()),
    );
    let edit = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "metrics-server"}, "spec": {"replicas": 7}});
    deployments.patch("metrics-server", &PatchParams::apply("somebody").force(), &Patch::Apply(&edit)).await.unwrap();
    let error = apply(&client, &addons, Options::default()).await.unwrap_err();
    assert!(error.message().contains("Deployment kube-system/metrics-server"), "{error}");
    assert!(
        error.details()[0].contains("spec.replicas") && error.details()[0].contains("somebody"),
        "{:?}",
        error.details()
    );
    let differences = diff(&client, &addons, &[]).await.unwrap();
    assert!(differences.len() == 1 && differences[0].before.contains("replicas: 7"), "{differences:?}");
    apply(&client, &addons, Options { force: true, ..Options::default() }).await.unwrap();

    let mine = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "kube-system", "labels": {"kspot.io/addon": "metrics-server"}}});
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client.clone(), "kube-system");
    maps.create(&PostParams::default(), &serde_json::from_value(mine).unwrap()).await.unwrap();
    apply(&client, &[], Options::default()).await.unwrap();
    let left = maps.list(&ListParams::default()).await.unwrap().items;
    assert!(left.iter().any(|m| m.metadata.name.as_deref() == Some("mine")));
}

/// An API that does not answer is waited for as long as was asked, and then named.
#[tokio::test]
async fn waiting_has_an_end() {
    let nowhere = kspot::pki::kubeconfig::Entry {
        name: "c".into(),
        server: "https://127.0.0.1:1".into(),
        tls_server_name: None,
        authority: kspot::pki::issue::authority(kspot::pki::Name::KubernetesCa, "c", jiff::Timestamp::now())
            .unwrap()
            .public,
        client: None,
    };
    let client = kspot::kube::connect(&nowhere).await.unwrap();
    let start = std::time::Instant::now();
    let options = Options { wait: Duration::from_secs(1), ..Options::default() };
    let error = apply(&client, &[], options).await.unwrap_err();
    assert!(
        start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    assert!(error.message().contains("does not answer"), "{error}");
}
