use super::*;
use crate::addons::catalogue::About;
use crate::cloud::aws::Account;
use crate::spec::complete::complete;
use crate::spec::validate::{Specs, validate};
use crate::spec::{Cluster, InstanceGroup, Object, Role};

fn context() -> Context {
    let mut cluster = Cluster::named("c.example.com");
    cluster.spec.metrics_server.get_or_insert_default().enabled = Some(true);
    let mut group = InstanceGroup::new("c.example.com", "control-plane", Role::ControlPlane);
    group.spec.subnets = vec!["us-east-1a".into()];
    let account = Account { id: "123456789012".into(), partition: "aws".into(), region: "us-east-1".into() };
    let (cluster, groups) = complete(&cluster, &[group]).unwrap();
    Context::of(&cluster, &groups, &account)
}

fn addon(when: &str, template: &str) -> Addon {
    let about = About {
        name: "demo".into(),
        version: "1.2.3".into(),
        about: "A demonstration.".into(),
        source: None,
        when: when.into(),
        after: Vec::new(),
        ready: Vec::new(),
        rights: Vec::new(),
        denied: Vec::new(),
    };
    Addon { about, template: template.to_owned() }
}

fn shown(template: &str) -> String {
    render(&addon("true", template), &context(), &Texts::new()).unwrap().unwrap().yaml()
}

/// Booleans, lists and maps come out as YAML reads them; objects get the labels by which they are pruned.
#[test]
fn values_are_yaml() {
    let template = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: demo}}
data:
  flag: {{ cluster.ipv6 }}
  list: {{ [1, 'b'] }}
  name: {{ cluster.name }}
  image: {{ image('registry.k8s.io/pause:3.10') }}
---
{%- if false %}
kind: Nothing
{%- endif %}
";
    insta::assert_snapshot!(shown(template), @r"
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: a
      labels:
        app: demo
        kspot.io/addon: demo
        app.kubernetes.io/managed-by: kspot
    data:
      flag: false
      list:
      - 1
      - b
      name: c.example.com
      image: registry.k8s.io/pause:3.10
    ");
}

/// An addon that is not wanted gives nothing, also when the block that would want it is not in the spec.
#[test]
fn unwanted_addons_are_not_rendered() {
    let wanted = |when: &str| render(&addon(when, "{{ oops }}"), &context(), &Texts::new()).map(|r| r.is_some());
    assert!(!wanted("spec.nodeProblemDetector.enabled").unwrap());
    assert!(!wanted("spec.nosuch.thing.at.all").unwrap());
    assert!(wanted("spec.metricsServer.enabled").is_err(), "it is wanted, and its template is broken");
}

/// What a template gets wrong is said with its line, never rendered as nothing.
#[test]
fn mistakes_are_errors() {
    let error = |template: &str| render(&addon("true", template), &context(), &Texts::new()).unwrap_err().chain();
    let undefined = error("kind: A\nname: {{ cluster.nosuch }}\n");
    assert!(undefined.contains("undefined value") && undefined.contains("manifest.yaml:2"), "{undefined}");
    assert!(error("a: [").contains("not YAML"));
    assert!(error("apiVersion: v1\nkind: Pod\n").contains("no Kubernetes object"));
}

/// The addons of a fixture's specs.
fn of_fixture(case: &str) -> Vec<Rendered> {
    let path = fixtures().join(case).join("specs.yaml");
    let (mut clusters, mut groups) = (Vec::new(), Vec::new());
    for object in crate::spec::parse::parse(&std::fs::read_to_string(path).unwrap(), "specs.yaml").unwrap() {
        match object {
            Object::Cluster(cluster) => clusters.push(*cluster),
            Object::InstanceGroup(group) => groups.push(*group),
        }
    }
    let account = Account { id: "123456789012".into(), partition: "aws".into(), region: "us-east-1".into() };
    let (cluster, groups) = complete(&clusters.remove(0), &groups).unwrap();
    let found = validate(&Specs { cluster: &cluster, groups: &groups, types: None });
    assert!(!found.has_errors(), "{case}: {found}");
    let context = Context::of(&cluster, &groups, &account);
    let catalogue = crate::addons::Catalogue::load().unwrap();
    catalogue.iter().filter_map(|addon| render(addon, &context, &Texts::new()).unwrap()).collect()
}

fn fixtures() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/addons")
}

const CASES: [&str; 4] = ["minimal", "full", "imds", "irsa"];

/// Every addon of these clusters is as reviewed.
#[test]
fn every_fixture_is_as_reviewed() {
    for case in CASES {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(fixtures().join(case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            let all: String =
                of_fixture(case).iter().map(|a| format!("# {} {}\n{}", a.name, a.version, a.yaml())).collect();
            insta::assert_snapshot!("addons", all);
        });
    }
}

/// No two objects are one, selectors choose the pods they stand beside, every service account that a pod uses is there,
/// and what shall become ready is among the objects.
#[test]
fn objects_fit_together() {
    for case in CASES {
        let mut seen = std::collections::BTreeSet::new();
        for addon in of_fixture(case) {
            let name = |o: &Value| format!("{} {} {}", o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]);
            for object in &addon.objects {
                assert!(seen.insert(name(object)), "{case}: {} is there twice", name(object));
                let pod = &object["spec"]["template"];
                if !pod.is_object() {
                    continue;
                }
                for (key, value) in object["spec"]["selector"]["matchLabels"].as_object().unwrap() {
                    assert_eq!(pod["metadata"]["labels"].get(key), Some(value), "{case}: {}", name(object));
                }
                if let Some(account) = pod["spec"]["serviceAccountName"].as_str() {
                    let is_it = |o: &&Value| o["kind"] == "ServiceAccount" && o["metadata"]["name"] == account;
                    assert!(addon.objects.iter().any(|o| is_it(&o)), "{case}: {} uses {account}", name(object));
                }
            }
            for target in &addon.ready {
                let is_it =
                    |o: &&Value| o["kind"] == target.kind.as_str() && o["metadata"]["name"] == target.name.as_str();
                assert!(addon.objects.iter().any(|o| is_it(&o)), "{case}: {} waits for {target:?}", addon.name);
            }
        }
    }
}

/// The pod of an addon that has a role brings a token for AWS to the container that calls it; no other pod does.
#[test]
fn roles_come_with_a_token() {
    let with_token: std::collections::BTreeMap<String, String> = of_fixture("irsa")
        .iter()
        .flat_map(|addon| &addon.objects)
        .filter(|o| o["spec"]["template"]["spec"]["volumes"].to_string().contains("serviceAccountToken"))
        .map(|o| {
            let pod = &o["spec"]["template"]["spec"];
            let container = &pod["containers"][0];
            let env = container["env"].as_array().unwrap();
            let value = |name: &str| env.iter().find(|e| e["name"] == name).unwrap()["value"].as_str().unwrap();
            let mounts = container["volumeMounts"].as_array().unwrap();
            let mount = mounts.iter().find(|m| m["name"] == "aws-token").unwrap()["mountPath"].as_str().unwrap();
            assert_eq!(value("AWS_WEB_IDENTITY_TOKEN_FILE"), format!("{mount}/token"));
            assert_eq!(value("AWS_REGION"), "us-east-1");
            let account = pod["serviceAccountName"].as_str().unwrap();
            (account.to_owned(), value("AWS_ROLE_ARN").to_owned())
        })
        .collect();
    let wanted =
        ["aws-cloud-controller-manager", "aws-node-termination-handler", "cluster-autoscaler", "ebs-csi-controller"]
            .map(|account| {
                let whole = format!("{account}.kube-system.sa.irsa.example.com");
                let role = crate::model::naming::truncate(&whole, crate::model::naming::IAM_LIMIT);
                (account.to_owned(), format!("arn:aws:iam::123456789012:role/{role}"))
            });
    assert_eq!(with_token, wanted.into());
    let elsewhere: Vec<Rendered> = ["minimal", "full", "imds"].into_iter().flat_map(of_fixture).collect();
    let text: String = elsewhere.iter().map(Rendered::yaml).collect();
    assert!(!text.contains("AWS_ROLE_ARN") && !text.contains("serviceAccountToken"));
}

/// What flannel's pod gives the runtime has the node's range, whatever its size, and comes once flannel has told it.
#[test]
fn the_runtime_gets_the_nodes_range() {
    let addons = of_fixture("minimal");
    let flannel = addons.iter().find(|addon| addon.name == "flannel").unwrap();
    let script = flannel.objects.iter().find_map(|o| o["data"]["install-cni.sh"].as_str()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let script =
        script.replace("/run/flannel", here).replace("/etc/cni/net.d", here).replace("/opt/bin/install-conf", "cp");
    for (gateway, network) in [("100.96.5.1/24", "100.96.5.0/24"), ("100.96.5.65/26", "100.96.5.64/26")] {
        let installing = std::process::Command::new("sh").args(["-c", &script]).spawn();
        let told =
            format!("FLANNEL_NETWORK=100.96.0.0/11\nFLANNEL_SUBNET={gateway}\nFLANNEL_MTU=8951\nFLANNEL_IPMASQ=true\n");
        std::fs::write(directory.path().join("told"), told).unwrap();
        std::fs::rename(directory.path().join("told"), directory.path().join("subnet.env")).unwrap();
        assert!(installing.unwrap().wait().unwrap().success());
        let text = std::fs::read_to_string(directory.path().join("10-flannel.conflist")).unwrap();
        let bridge = &serde_json::from_str::<Value>(&text).unwrap()["plugins"][0];
        assert_eq!(bridge["mtu"], 8951);
        assert_eq!(bridge["ipam"]["ranges"][0][0]["subnet"], network);
        assert_eq!(bridge["ipam"]["routes"][0]["dst"], "100.96.0.0/11");
        std::fs::remove_file(directory.path().join("subnet.env")).unwrap();
    }
}

/// Pods on their machine's network, and no others, reach an API server that answers on loopback; the cache for names asks
/// none.
#[test]
fn pods_of_machines_reach_the_api_on_loopback() {
    let (host, port) = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT");
    for case in CASES {
        for object in of_fixture(case).iter().flat_map(|addon| &addon.objects) {
            let pod = &object["spec"]["template"]["spec"];
            let containers = pod["containers"].as_array().into_iter().flatten();
            let told: Vec<(&str, &str)> = containers
                .flat_map(|c| c["env"].as_array().into_iter().flatten())
                .filter_map(|env| Some((env["name"].as_str()?, env["value"].as_str()?)))
                .filter(|(name, _)| [host, port].contains(name))
                .collect();
            let name = &object["metadata"]["name"];
            let asks = pod["hostNetwork"] == true && name != "node-local-dns";
            assert_eq!(!told.is_empty(), asks, "{case}: {name}");
            assert!(
                told.chunks(2).all(|pair| pair == [(host, "127.0.0.1"), (port, "3991")]),
                "{case}: {name}: {told:?}"
            );
        }
    }
}

/// No service account may do everything, and no image floats.
#[test]
fn rights_are_small_and_images_pinned() {
    for case in CASES {
        for addon in of_fixture(case) {
            for object in &addon.objects {
                for rule in object["rules"].as_array().into_iter().flatten() {
                    assert!(!rule.to_string().contains("\"*\""), "{case}: {}: {rule}", addon.name);
                }
                let text = object.to_string();
                assert!(!text.contains(":latest\"") && !text.contains("insecure-tls"), "{case}: {}", addon.name);
            }
        }
    }
}

/// Strings that stand for other types stay strings.
#[test]
fn filters_escape() {
    let text = shown("{apiVersion: v1, kind: A, metadata: {name: a}, re: {{ 'a.b*' | regex_escape | tojson }}}\n");
    assert!(text.contains(r"re: a\.b\*"), "{text}");
}

/// The autoscaler's priorities of a cluster with these worker groups: rank and patterns, highest first.
fn priorities(groups: &[(&str, bool, i16)]) -> Vec<(i64, Vec<String>)> {
    let mut cluster = Cluster::named("c.example.com");
    let autoscaler = cluster.spec.cluster_autoscaler.get_or_insert_default();
    autoscaler.enabled = Some(true);
    autoscaler.expander = Some(crate::spec::addons::Expander::Priority);
    let group = |(name, spot, priority): &(&str, bool, i16)| {
        let mut group = InstanceGroup::new("c.example.com", name, Role::Node);
        group.spec.subnets = vec!["us-east-1a".into()];
        group.spec.autoscale_priority = (*priority != 0).then_some(*priority);
        if *spot {
            let policy = group.spec.mixed_instances_policy.get_or_insert_default();
            policy.instances = vec!["m5.large".into(), "m5a.large".into()];
            policy.on_demand_above_base = Some(0);
        }
        group
    };
    let groups: Vec<InstanceGroup> = groups.iter().map(group).collect();
    let account = Account { id: "123456789012".into(), partition: "aws".into(), region: "us-east-1".into() };
    let (cluster, groups) = complete(&cluster, &groups).unwrap();
    let context = Context::of(&cluster, &groups, &account);
    let catalogue = crate::addons::Catalogue::load().unwrap();
    let addon = catalogue.iter().find(|a| a.about.name == "cluster-autoscaler").unwrap();
    let rendered = render(addon, &context, &Texts::new()).unwrap().unwrap();
    let config = rendered.objects.iter().find(|o| o["kind"] == "ConfigMap").unwrap();
    let text = config["data"]["priorities"].as_str().unwrap();
    let read: std::collections::BTreeMap<i64, Vec<String>> = serde_yaml::from_str(text).unwrap();
    // Every group is matched by exactly one pattern: one that none matches would never be chosen.
    for group in &context.groups {
        let patterns = read.values().flatten().map(|p| regex::Regex::new(p).unwrap());
        assert_eq!(patterns.filter(|p| p.is_match(&group.asg)).count(), 1, "{} in {text}", group.asg);
    }
    read.into_iter().rev().collect()
}

/// The priority expander is told of every group: spot before on-demand of the same priority, higher priorities first, and
/// names are matched whole.
#[test]
fn the_autoscaler_prefers_spot() {
    let pattern = |name: &str| format!(r"^{name}\.c\.example\.com$");
    assert_eq!(
        priorities(&[("nodes", false, 0), ("spot", true, 0), ("spot-2", true, 0)]),
        [(5, vec![pattern(r"spot"), pattern(r"spot\-2")]), (0, vec![pattern("nodes")])]
    );
    assert_eq!(
        priorities(&[("cheap", false, 2), ("spot", true, 1), ("nodes", false, 1)]),
        [(20, vec![pattern("cheap")]), (15, vec![pattern("spot")]), (10, vec![pattern("nodes")])]
    );
    assert_eq!(priorities(&[("nodes", false, 0)]), [(0, vec![pattern("nodes")])]);
}
