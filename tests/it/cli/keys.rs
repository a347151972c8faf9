//! The cluster's keys and ways in, by the commands. Tier: corrected moto.

use super::{CLUSTER, Desk, SMALL};

/// The states of a keyset's keys, oldest first.
fn states(desk: &Desk, keyset: &str) -> Vec<String> {
    let listed = desk.json("get keypairs");
    let all = listed["items"].as_array().unwrap();
    let of = all.iter().filter(|key| key["keyset"] == keyset);
    of.map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// The object of the keys in the store, as text.
pub(super) async fn keysets(desk: &Desk) -> String {
    let config = aws_sdk_s3::config::Builder::from(&desk.bed.sdk_config().await).force_path_style(true).build();
    let bucket = desk.store.trim_start_matches("s3://");
    let object =
        aws_sdk_s3::Client::from_conf(config).get_object().bucket(bucket).key(format!("{CLUSTER}/pki/keysets"));
    let bytes = object.send().await.unwrap().body.collect().await.unwrap().to_vec();
    String::from_utf8(bytes).unwrap()
}

/// The first update makes the keys, a second one leaves them; machines know the cluster by its authority, which no plan
/// shows as a change later.
#[tokio::test]
async fn keys_are_made_by_the_first_update() {
    let desk = Desk::new().small();
    assert!(states(&desk, "kubernetes-ca").is_empty());
    assert!(desk.fails(1, "export kubeconfig --admin").contains("has no keys yet"));
    desk.ok("update cluster --yes");
    let before = keysets(&desk).await;
    desk.settled();
    desk.ok("update cluster --yes");
    assert_eq!(keysets(&desk).await, before);
    for keyset in ["kubernetes-ca", "etcd-ca", "front-proxy-ca", "service-account"] {
        assert_eq!(states(&desk, keyset), ["primary"], "{keyset}");
    }
    let ec2 = aws_sdk_ec2::Client::new(&desk.bed.sdk_config().await);
    let versions = ec2.describe_launch_template_versions().versions("$Default").send().await.unwrap();
    for version in versions.launch_template_versions() {
        let data = version.launch_template_data().unwrap().user_data().unwrap();
        let text = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap())
            .unwrap();
        assert!(!text.contains("PRIVATE KEY"), "no secret in user data");
        let worker = version.launch_template_name().unwrap().starts_with("spot.");
        assert!(!worker || text.contains("BEGIN CERTIFICATE"), "workers know the authority: {text}");
    }
}

/// A key is replaced in steps, each of which the next update brings to the machines; a step out of order is refused.
#[test]
fn keys_rotate() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    assert!(desk.fails(1, "distrust keypair kubernetes-ca").contains("no trusted key that is older"));
    assert!(desk.fails(1, "promote keypair kubernetes-ca").contains("signs already"));
    assert_eq!(desk.ok("create keypair kubernetes-ca").stdout, "0002\n");
    assert_eq!(states(&desk, "kubernetes-ca"), ["primary", "trusted"]);
    assert_eq!(desk.run("update cluster --detailed-exitcode").exit, 2, "machines must learn to trust the new key");
    desk.ok("update cluster --yes");
    desk.ok("promote keypair kubernetes-ca");
    assert_eq!(states(&desk, "kubernetes-ca"), ["trusted", "primary"]);
    assert!(desk.fails(1, "distrust keypair kubernetes-ca 0002").contains("can't be distrusted"));
    desk.ok("distrust keypair kubernetes-ca");
    assert_eq!(states(&desk, "kubernetes-ca"), ["distrusted", "primary"]);
    desk.ok("update cluster --yes");
    desk.settled();
    assert_eq!(states(&desk, "etcd-ca"), ["primary"]);
}

/// With a key of KMS the store holds no private key in clear, and whoever may use KMS gets in all the same.
#[tokio::test]
async fn private_keys_are_sealed() {
    let desk = Desk::new();
    let kms = aws_sdk_kms::Client::new(&desk.bed.sdk_config().await);
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    kms.create_alias().alias_name("alias/kspot").target_key_id(&key).send().await.unwrap();
    let sealed = SMALL.replacen("  kubernetesApiAccess:", "  keyStoreKMSKey: alias/kspot\n  kubernetesApiAccess:", 1);
    desk.file("sealed.yaml", &sealed);
    desk.ok("create -f sealed.yaml");
    desk.ok("update cluster --yes");
    let stored = keysets(&desk).await;
    assert!(!stored.contains("PRIVATE KEY") && stored.contains("\"dataKey\""), "{}", stored.len());
    desk.ok("export kubeconfig --admin --kubeconfig ./config");
    let config = std::fs::read_to_string(desk.kspot.home().join("config")).unwrap();
    assert!(config.contains("client-key-data"));
    desk.ok("create keypair service-account");
    assert!(!keysets(&desk).await.contains("PRIVATE KEY"));
}

/// The kubeconfig gets the cluster and keeps what else it had; an update can write it; who has no credentials of ours
/// learns where the cluster is.
#[test]
fn kubeconfigs_are_merged() {
    let desk = Desk::new().small();
    let mine = "apiVersion: v1\nkind: Config\nclusters:\n- name: mine\n  cluster: {server: 'https://mine'}\ncurrent-context: mine\n";
    let path = desk.file(".kube/config", mine);
    desk.ok("update cluster --yes --admin=2h");
    let merged = std::fs::read_to_string(&path).unwrap();
    assert!(merged.contains("https://mine") && merged.contains(&format!("current-context: {CLUSTER}")), "{merged}");
    assert!(merged.contains("tls-server-name: api.internal.c.k8s.local"), "{merged}");
    desk.ok("export kubeconfig --all --kubeconfig ./all");
    let all = std::fs::read_to_string(desk.kspot.home().join("all")).unwrap();
    assert!(all.contains("server: https://api-c-k8s-local-") && !all.contains("client-key-data"), "{all}");
    assert!(desk.fails(2, "export kubeconfig --admin=1m").contains("not between 10m and 8760h"));
    desk.file("bad", "- a\n");
    assert!(desk.fails(1, "export kubeconfig --kubeconfig ./bad").contains("can't be changed"));
    assert_eq!(std::fs::read_to_string(desk.kspot.home().join("bad")).unwrap(), "- a\n");
    // A deleted cluster's entries go, and nothing else.
    let said = desk.ok(&format!("delete cluster {CLUSTER} --yes")).stderr;
    assert!(said.contains(&format!("cluster {CLUSTER} is removed")), "{said}");
    let left = std::fs::read_to_string(&path).unwrap();
    assert!(left.contains("https://mine") && !left.contains(CLUSTER), "{left}");
}

/// Addons are lines of the plan: each is added, changed and removed as the spec says.
#[test]
fn addons_are_in_the_plan() {
    let desk = Desk::new().small();
    let state = |name: &str| {
        let listed = desk.json("addons list");
        let found = listed["items"].as_array().unwrap().iter().find(|a| a["name"] == name).unwrap().clone();
        found["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state("flannel").as_str(), state("metrics-server").as_str()), ("missing", "unwanted"));
    desk.ok("update cluster --yes");
    desk.ok("set cluster spec.metricsServer.enabled=true");
    assert_eq!((state("flannel").as_str(), state("metrics-server").as_str()), ("current", "missing"));
    // What is applied before the update is not what the controller will apply.
    let warned = |addons: &str| desk.fails(1, &format!("addons apply {addons} --kubeconfig ./none"));
    for addons in ["", "metrics-server"] {
        let told = warned(addons);
        assert!(told.contains("other addons than the spec: metrics-server (to be added);"), "{told}");
        assert!(told.contains("kspot update cluster c.k8s.local --yes"), "{told}");
    }
    assert!(!warned("flannel").contains("other addons"));
    assert!(desk.ok("update cluster --yes").stdout.contains("+ addon/metrics-server"));
    let rendered = desk.ok("addons render metrics-server").stdout;
    assert!(rendered.contains("kind: Deployment") && rendered.contains("kspot.io/addon: metrics-server"), "{rendered}");
    desk.ok("set cluster spec.metricsServer.image=example.com/metrics-server:v9");
    assert_eq!(state("metrics-server"), "changed");
    assert!(desk.ok("update cluster --yes").stdout.contains("~ addon/metrics-server"));
    desk.ok("unset cluster spec.metricsServer");
    assert_eq!(state("metrics-server"), "superfluous");
    assert!(desk.ok("update cluster --yes").stdout.contains("- addon/metrics-server"));
    desk.settled();
    assert!(desk.fails(1, "addons render metrics-server").contains("is not wanted by the spec"));
    assert!(desk.fails(1, "addons render metric-server").contains("is no addon"));
}
