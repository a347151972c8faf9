//! Addons whose manifests come from elsewhere: the user's own, and third-party sets. Tier: corrected moto, and a web server
//! on loopback.

use super::Desk;
use crate::bed::Files;

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value}\n")
}

/// Puts a text into a bucket of the desk's account.
async fn put(desk: &Desk, bucket: &str, key: &str, text: &str) {
    let config = aws_sdk_s3::config::Builder::from(&desk.bed.sdk_config().await).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let body = text.as_bytes().to_vec().into();
    s3.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

/// Manifests that spec.addons lists are lines of the plan: from a URL, from a bucket, from the state store. A URL is asked
/// once; what it holds must stay the same, unless it is accepted; what is the user's own may change.
#[tokio::test]
async fn own_manifests() {
    let desk = Desk::new().small();
    let files = Files::serve();
    files.put("/releases/v1/app.yaml", &config_map("app", "one"));
    files.lead("/v1/app.yaml", "/releases/v1/app.yaml");
    let bucket = desk.store.trim_start_matches("s3://").to_owned();
    put(&desk, &bucket, "elsewhere/extra.yaml", &config_map("extra", "one")).await;
    put(&desk, &bucket, "c.k8s.local/mine/more.yaml", &config_map("more", "one")).await;
    let url = format!("{}/v1/app.yaml", files.url);
    let listed = format!(
        "spec:\n  addons:\n  - manifest: {url}\n  - manifest: s3://{bucket}/elsewhere/extra.yaml\n  - manifest: mine/more.yaml\n"
    );
    desk.file("addons.yaml", &listed);
    desk.ok("apply --merge -f addons.yaml");
    let plan = desk.ok("update cluster --yes").stdout;
    for name in ["app", "extra", "more"] {
        assert!(plan.contains(&format!("+ addon/{name}")), "{name}: {plan}");
    }
    assert!(desk.ok("addons render app").stdout.contains("kspot.io/addon: app"));
    desk.settled();
    assert_eq!(files.asked("/v1/app.yaml"), 1, "it is in the cache");

    files.put("/releases/v1/app.yaml", &config_map("app", "two"));
    std::fs::remove_dir_all(desk.kspot.home().join(".cache/kspot/manifests")).unwrap();
    let refused = desk.fails(1, "update cluster");
    assert!(refused.contains("is not what it was") && refused.contains("addons accept"), "{refused}");
    desk.ok(&format!("addons accept {url}"));
    assert!(desk.ok("update cluster --yes").stdout.contains("~ addon/app"));

    put(&desk, &bucket, "elsewhere/extra.yaml", &config_map("extra", "two")).await;
    assert!(desk.ok("update cluster --yes").stdout.contains("~ addon/extra"));
    let state = desk.json("addons list");
    let app = state["items"].as_array().unwrap().iter().find(|a| a["name"] == "app").unwrap().clone();
    assert_eq!((&app["state"], app["digest"].as_str().unwrap().len()), (&"current".into(), 12), "{app}");

    put(&desk, &bucket, "elsewhere/extra.yaml", "a: [").await;
    assert!(desk.fails(1, "update cluster").contains("addon extra: its manifest is not YAML"));
    desk.file("addons.yaml", &format!("spec:\n  addons:\n  - manifest: {}/nothing.yaml\n", files.url));
    desk.ok("apply --merge -f addons.yaml");
    let missing = desk.fails(1, "update cluster");
    assert!(missing.contains("/nothing.yaml") && missing.contains("404"), "{missing}");
    desk.ok("unset cluster spec.addons");
    let plan = desk.ok("update cluster --yes").stdout;
    for name in ["app", "extra", "more"] {
        assert!(plan.contains(&format!("- addon/{name}")), "{name}: {plan}");
    }
    desk.settled();
}

/// cert-manager comes as its project publishes it, here from the repository that the spec's assets name.
#[test]
fn third_party_sets() {
    let desk = Desk::new().small();
    let files = Files::serve();
    let path = "/mirror/cert-manager/cert-manager/releases/download/v1.19.5/cert-manager.yaml";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: cert-manager}\nspec: {containers: [{name: c, image: 'quay.io/jetstack/controller:v1'}]}\n";
    files.put(path, pod);
    desk.ok(&format!("set cluster spec.certManager.enabled=true spec.assets.fileRepository={}/mirror", files.url));
    assert!(desk.ok("update cluster --yes").stdout.contains("+ addon/cert-manager"));
    assert_eq!(files.asked(path), 1);
    desk.settled();
    // What a mirror has to hold is told, with where it is published.
    desk.ok("set cluster spec.assets.containerRegistry=registry.example.com");
    let assets = desk.json("get assets");
    let taken = |canonical: &str| {
        let found =
            assets["items"].as_array().unwrap().iter().find(|a| a["canonical"].as_str().unwrap().contains(canonical));
        found.unwrap_or_else(|| panic!("{canonical}: {assets}"))["location"].as_str().unwrap().to_owned()
    };
    assert_eq!(taken("cert-manager.yaml"), format!("{}{path}", files.url));
    assert!(taken("https://dl.k8s.io/release").starts_with(&format!("{}/mirror/release", files.url)));
    assert!(taken("registry.k8s.io/kube-apiserver:v1.36.4").starts_with("registry.example.com/kube-apiserver"));
    assert_eq!(taken("registry.k8s.io/coredns/coredns:v1.14.2"), "registry.example.com/coredns/coredns:v1.14.2");
    assert!(taken("registry.k8s.io/kube-proxy:v1.36.4").starts_with("registry.example.com/kube-proxy"));
    for part in ["registry.k8s.io/pause:", "registry.k8s.io/etcd:", "kube-scheduler:", "kube-controller-manager:"] {
        assert!(taken(part).starts_with("registry.example.com/"), "{part}");
    }
    assert!(taken("quay.io/jetstack/controller:v1").starts_with("registry.example.com/jetstack/controller"));
    assert!(taken("flannel-io/flannel:").starts_with("registry.example.com/flannel-io/"));
    assert!(desk.fails(2, "set cluster spec.certManager.defaultIssuer=le").contains("managed: false"));
    desk.ok("set cluster spec.certManager.managed=false");
    assert!(desk.ok("update cluster --yes").stdout.contains("- addon/cert-manager"));
}
