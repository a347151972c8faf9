use crate::spec::fixtures::{KOPS_1_23, KOPS_1_36};
use crate::spec::networking::DnsType;
use crate::spec::object::Object;
use crate::spec::parse::{parse, read};
use crate::spec::{CLUSTER_LABEL, Problems, Role};

fn problems(text: &str) -> String {
    parse(text, "f.yaml").unwrap_err().to_string()
}

fn group(spec: &str) -> String {
    format!("apiVersion: kspot.io/v1alpha1\nkind: InstanceGroup\nmetadata:\n  name: nodes\nspec:\n  role: Node\n{spec}")
}

fn cluster(spec: &str) -> String {
    format!("apiVersion: kspot.io/v1alpha1\nkind: Cluster\nmetadata:\n  name: a.example.com\nspec:\n{spec}")
}

/// Every mistake of a document is told in one go, each with its line, column, path and what would be right.
#[test]
fn all_problems_at_once() {
    let text = group(
        "  minSize: many\n  maxSize: \"5\"\n  nodeLabel:\n    a: b\n  autoscale: yes\n  taints:\n  - a=b:NoShedule\n  \
         mixedInstancesPolicy:\n    spotAllocationStrategy: diversified\n    onDemandBase: -1\n  cloudLabels:\n    env: true\n  \
         maxInstanceLifetime: 86400\n  subnets: us-east-1a\n  minSize: 3\n",
    );
    insta::assert_snapshot!(problems(&text), @r#"
    f.yaml:7:12: spec.minSize: "many" is not a whole number
    f.yaml:8:12: spec.maxSize: "5" is a string here (expected 5 without quotes)
    f.yaml:9:3: spec.nodeLabel: unknown field nodeLabel, did you mean nodeLabels
    f.yaml:11:14: spec.autoscale: "yes" is not true or false
    f.yaml:13:5: spec.taints[0]: taint "a=b:NoShedule" has the unknown effect "NoShedule", did you mean NoSchedule (expected a taint key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute)
    f.yaml:15:29: spec.mixedInstancesPolicy.spotAllocationStrategy: "diversified" is not a choice here: that belongs to Spot Fleet, use price-capacity-optimized with many types (expected one of price-capacity-optimized, capacity-optimized, capacity-optimized-prioritized, lowest-price)
    f.yaml:16:19: spec.mixedInstancesPolicy.onDemandBase: -1 is too small (expected 0 or more)
    f.yaml:18:10: spec.cloudLabels.env: true is not a string here (expected a string: "true")
    f.yaml:19:24: spec.maxInstanceLifetime: "86400" is a duration without a unit, write "86400s" or "86400m" (expected a duration such as 30s, 10m0s or 1h30m)
    f.yaml:20:12: spec.subnets: found "us-east-1a" (expected a list, each item a string)
    f.yaml:21:3: spec.minSize: minSize stands here again, first on line 7
    "#);
}

/// A cluster's own syntaxes are checked where they stand.
#[test]
fn bad_values_of_a_cluster() {
    let text = cluster(
        "  kubernetesVersion: 1.36\n  networkCIDR: 172.20.1.0/16\n  subnets:\n  - name: a\n    cidr: 172.20.0.0\n  - zone: us-east-1a\n    \
         type: Privat\n  kubernetesApiAccess: [203.0.113.7, 10.0.0.0/33]\n  nodeTerminationHandler:\n    cpuRequest: 200mb\n  etcdClusters:\n  - name: main\n    \
         etcdMembers: []\n    manager: {backupInterval: 15}\n",
    );
    insta::assert_snapshot!(problems(&text), @r#"
    f.yaml:6:22: spec.kubernetesVersion: "1.36" lacks the patch release, write "1.36.N" (expected a release of Kubernetes such as 1.36.4)
    f.yaml:7:16: spec.networkCIDR: "172.20.1.0/16" has bits set beyond its prefix, did you mean "172.20.0.0/16" (expected an IPv4 CIDR such as 172.20.0.0/16)
    f.yaml:9:5: spec.subnets[0].zone: zone is missing (expected availability zone, for example us-east-1a)
    f.yaml:10:11: spec.subnets[0].cidr: "172.20.0.0" is not an IPv4 CIDR (expected an IPv4 CIDR such as 172.20.0.0/16)
    f.yaml:11:5: spec.subnets[1].name: name is missing (expected name that instance groups refer to; for public and private subnets usually the zone)
    f.yaml:12:11: spec.subnets[1].type: "Privat" is not a choice here, did you mean Private (expected one of Public, Private, Utility, DualStack)
    f.yaml:13:25: spec.kubernetesApiAccess[0]: "203.0.113.7" is an address, not a range, did you mean "203.0.113.7/32" (expected a CIDR such as 203.0.113.0/24 or a prefix list id such as pl-0123456789abcdef0)
    f.yaml:13:38: spec.kubernetesApiAccess[1]: "10.0.0.0/33" is neither a CIDR nor a prefix list id (expected a CIDR such as 203.0.113.0/24 or a prefix list id such as pl-0123456789abcdef0)
    f.yaml:15:17: spec.nodeTerminationHandler.cpuRequest: "200mb" is not a quantity: the unit "mb" does not exist, did you mean "200Mi" (expected a Kubernetes quantity such as 100m, 2, 300Mi or 1.5Gi)
    f.yaml:19:31: spec.etcdClusters[0].manager.backupInterval: "15" is a duration without a unit, write "15s" or "15m" (expected a duration such as 30s, 10m0s or 1h30m)
    "#);
}

/// A kOps field without meaning is named, and what to do instead is said.
#[test]
fn meaningless_fields_get_advice() {
    let text = cluster(
        "  docker: {}\n  target: {}\n  masterKubelet: {}\n  networking:\n    calico: {}\n  karpenter:\n    enabled: true\n  channel: stable\n",
    );
    insta::assert_snapshot!(problems(&text), @r#"
    f.yaml:6:3: spec.docker: docker has no meaning here: containerd is the only runtime; use containerd
    f.yaml:7:3: spec.target: target has no meaning here: kspot writes no Terraform; use update cluster --out plan.json for review
    f.yaml:8:3: spec.masterKubelet: unknown field masterKubelet, it is called spec.controlPlaneKubelet here
    f.yaml:10:5: spec.networking.calico: calico has no meaning here: use flannel, which comes with network policies, or networking.cni
    f.yaml:11:3: spec.karpenter: karpenter has no meaning here: use clusterAutoscaler with mixedInstancesPolicy
    f.yaml:13:3: spec.channel: channel has no meaning here: the release of kspot decides; set kubernetesVersion and image
    "#);
}

/// What is no spec at all is told so, and the good documents before it do not hide it.
#[test]
fn what_is_no_spec() {
    insta::assert_snapshot!(problems("- a\n---\nkind: Clutser\n---\napiVersion: v1\nkind: Cluster\n"), @r#"
    f.yaml:1:1: a list or a single value stands here (expected a Cluster or an InstanceGroup: apiVersion, kind, metadata, spec)
    f.yaml:3:1: apiVersion: apiVersion is missing (expected kspot.io/v1alpha1 or kops.k8s.io/v1alpha2)
    f.yaml:3:7: kind: "Clutser" is not known, did you mean Cluster (expected Cluster or InstanceGroup)
    f.yaml:5:13: apiVersion: "v1" is not known (expected kspot.io/v1alpha1 or kops.k8s.io/v1alpha2)
    "#);
    insta::assert_snapshot!(problems(&(group("") + "---\nkind: [Cluster\n")), @r#"f.yaml:8:7: not YAML: unclosed bracket '['"#);
    insta::assert_snapshot!(problems("apiVersion: kspot.io/v1alpha1\nkind: Cluster\n"), @r#"
    f.yaml:1:1: metadata: metadata is missing (expected a block of fields: name, labels, annotations, creationTimestamp, generation)
    f.yaml:1:1: spec: spec is missing (expected a block of fields: kubernetesVersion, deletionProtection, networkCIDR, additionalNetworkCIDRs, networkID, subnets, topology, networking, ...)
    "#);
}

/// A text whose aliases multiply is refused instead of filling the memory.
#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let previous = format!("*a{}", i - 1);
        text += &format!("a{i}: &a{i} [{}]\n", [previous.as_str(); 10].join(","));
    }
    assert!(problems(&text).contains("more than 200000 values"));
}

/// The manifest of the tutorial's own kOps is read; what was left out is told, nothing else is.
#[test]
fn kops_1_23_manifest_is_read() {
    let parsed = read(KOPS_1_23, "kops.yaml").unwrap();
    let [cluster, master, nodes] = parsed.documents.as_slice() else { panic!("three documents") };
    let (Object::Cluster(cluster), Object::InstanceGroup(master), Object::InstanceGroup(nodes)) =
        (&cluster.object, &master.object, &nodes.object)
    else {
        panic!("a cluster and two groups")
    };
    assert_eq!(master.spec.role, Role::ControlPlane);
    assert_eq!(nodes.spec.node_labels["kops.k8s.io/lifecycle"], "OnDemand");
    assert_eq!(nodes.metadata.labels[CLUSTER_LABEL], "spot-kops-cluster.k8s.local");
    assert_eq!(cluster.dns_type(), DnsType::None);
    assert_eq!(cluster.api_public_name().as_deref(), Some("api.spot-kops-cluster.k8s.local"));
    assert!(cluster.spec.enabled_cluster_autoscaler().is_some());
    assert!(cluster.spec.flannel().is_some());
    insta::assert_snapshot!(parsed.warnings, @r#"
    kops.yaml:9:14: warning: spec.api.loadBalancer.class: a network load balancer is made instead of a classic one
    kops.yaml:12:5: warning: spec.authorization.rbac: kspot has no such setting and needs none: left out
    kops.yaml:15:3: warning: spec.channel: kspot has no such setting and needs none: left out
    kops.yaml:16:3: warning: spec.cloudProvider: kspot has no such setting and needs none: left out
    kops.yaml:29:3: warning: spec.configBase: kspot has no such setting and needs none: left out
    kops.yaml:47:5: warning: spec.iam.legacy: kspot has no such setting and needs none: left out
    kops.yaml:59:5: warning: spec.networking.kubenet: flannel is used instead of kubenet
    kops.yaml:77:5: warning: spec.topology.masters: kspot has no such setting and needs none: left out
    kops.yaml:78:5: warning: spec.topology.nodes: kspot has no such setting and needs none: left out
    kops.yaml:111:3: warning: spec.manager: kspot has no such setting and needs none: left out
    "#);
}

/// The manifest of a current kOps is read, its default pod network replaced as a whole.
#[test]
fn kops_1_36_manifest_is_read() {
    let parsed = read(KOPS_1_36, "kops.yaml").unwrap();
    let Object::Cluster(cluster) = &parsed.documents[0].object else { panic!("a cluster") };
    assert_eq!(cluster.spec.kube_proxy.as_ref().unwrap().enabled, None);
    assert_eq!(cluster.metadata.generation, Some(2));
    insta::assert_snapshot!(parsed.warnings, @r#"
    kops.yaml:13:5: warning: spec.authorization.rbac: kspot has no such setting and needs none: left out
    kops.yaml:14:3: warning: spec.channel: kspot has no such setting and needs none: left out
    kops.yaml:15:3: warning: spec.cloudProvider: kspot has no such setting and needs none: left out
    kops.yaml:16:3: warning: spec.configBase: kspot has no such setting and needs none: left out
    kops.yaml:29:5: warning: spec.iam.legacy: kspot has no such setting and needs none: left out
    kops.yaml:31:5: warning: spec.kubeProxy.enabled: flannel needs kube-proxy: it stays on
    kops.yaml:40:5: warning: spec.networking.cilium: flannel is used instead of cilium
    "#);
}

/// A pod network that somebody configured is not replaced behind their back.
#[test]
fn configured_cilium_is_an_error() {
    let text = KOPS_1_36.replace("enableNodePort: true", "hubble: {enabled: true}");
    assert!(problems(&text).contains("spec.networking.cilium: cilium has no meaning here: use flannel"));
}

/// kOps' default of the DNS type is kept when its manifest is silent, because ours is another.
#[test]
fn silent_kops_dns_is_public() {
    let text = KOPS_1_36.replace("  topology:\n    dns:\n      type: None\n", "");
    let Object::Cluster(cluster) = &parse(&text, "f").unwrap()[0] else { panic!("a cluster") };
    assert_eq!(cluster.dns_type(), DnsType::Public);
}

/// The same field in another order is the same object.
#[test]
fn field_order_is_no_difference() {
    let a = group("  minSize: 1\n  maxSize: 2\n");
    let b = "spec: {maxSize: 2, minSize: 1, role: Node}\nmetadata: {name: nodes}\nkind: InstanceGroup\napiVersion: kspot.io/v1alpha1\n";
    assert_eq!(parse(&a, "a").unwrap(), parse(b, "b").unwrap());
}

/// Comments, empty documents, nulls and JSON are YAML too.
#[test]
fn harmless_texts_are_read() {
    assert_eq!(parse("# nothing\n---\n---\n", "f"), Ok(vec![]));
    assert_eq!(parse(&group("  # a\n  image: null\n  taints:\n"), "f"), parse(&group(""), "f"));
    let json = r#"{"apiVersion":"kspot.io/v1alpha1","kind":"InstanceGroup","metadata":{"name":"nodes"},"spec":{"role":"Node"}}"#;
    assert_eq!(parse(json, "f"), parse(&group(""), "f"));
}

/// Problems become one error of the class "invalid" with a line each.
#[test]
fn problems_become_an_error() {
    let problems: Problems = parse(&group("  minSiz: 1\n"), "f.yaml").unwrap_err();
    let error = crate::Error::from(problems);
    assert_eq!(error.kind().exit_code(), 3);
    assert_eq!(error.details(), ["f.yaml:7:3: spec.minSiz: unknown field minSiz, did you mean minSize"]);
}
