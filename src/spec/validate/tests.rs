use super::change::{validate_change, validate_skew};
use super::*;
use crate::spec::Object;
use crate::spec::edit;
use crate::spec::fixtures::KOPS_1_23;
use crate::spec::parse::read;

/// A cluster that keeps every rule, and its groups.
const GOOD: &str = "apiVersion: kspot.io/v1alpha1
kind: Cluster
metadata: {name: a.example.com}
spec:
  networkCIDR: 10.0.0.0/16
  subnets:
  - {name: us-east-1a, zone: us-east-1a, cidr: 10.0.0.0/18}
  - {name: private-1b, zone: us-east-1b, type: Private, cidr: 10.0.64.0/18}
  - {name: utility-1b, zone: us-east-1b, type: Utility, cidr: 10.0.128.0/20}
  etcdClusters:
  - name: main
    etcdMembers:
    - {name: a, instanceGroup: control-plane-a}
  clusterAutoscaler: {enabled: true}
  nodeTerminationHandler: {enabled: true}
---
apiVersion: kspot.io/v1alpha1
kind: InstanceGroup
metadata: {name: control-plane-a, labels: {kspot.io/cluster: a.example.com}}
spec: {role: ControlPlane, subnets: [us-east-1a], machineType: m5.large}
---
apiVersion: kspot.io/v1alpha1
kind: InstanceGroup
metadata: {name: nodes, labels: {kspot.io/cluster: a.example.com}}
spec:
  role: Node
  subnets: [us-east-1a]
  minSize: 1
  maxSize: 5
  mixedInstancesPolicy: {instances: [m5.large, m5a.large], onDemandAboveBase: 0}
";

/// A few types, as the catalogue would know them.
struct SomeTypes;

impl TypeFacts for SomeTypes {
    fn facts(&self, instance_type: &str) -> Option<Facts> {
        use Architecture::{Amd64, Arm64};
        let (vcpus, memory_mib, arch, gpus) = match instance_type {
            "m5.large" | "m5a.large" => (2, 8192, Amd64, 0),
            "m6g.large" => (2, 8192, Arm64, 0),
            "c5.large" => (2, 4096, Amd64, 0),
            "m5.xlarge" => (4, 16384, Amd64, 0),
            "near.large" => (2, 7800, Amd64, 0),
            "g4dn.large" => (2, 8192, Amd64, 1),
            _ => return None,
        };
        Some(Facts { vcpus, memory_mib, arch, gpus })
    }

    fn nearest(&self, unknown: &str) -> Option<String> {
        (unknown == "m5.lagre").then(|| "m5.large".to_owned())
    }
}

/// The problems of the good specs after `KIND NAME PATH = VALUE` edits.
fn problems(edits: &[(&str, &str, &str)]) -> Vec<String> {
    let mut documents = read(GOOD, "f").unwrap().documents;
    for (name, path, value) in edits {
        let document = documents.iter_mut().find(|d| d.object.name() == *name).unwrap();
        edit::set(&mut document.object, path, value).unwrap();
    }
    let found = match validate_documents(&documents, None, Some(&SomeTypes)) {
        Ok(problems) | Err(problems) => problems,
    };
    found
        .0
        .iter()
        .map(|p| {
            format!(
                "{}{}: {}",
                if p.severity == crate::spec::Severity::Warning { "warning: " } else { "" },
                p.path,
                p.message
            )
        })
        .collect()
}

/// Each edit alone breaks exactly one rule: the first problem contains the text.
fn each_breaks(object: &str, cases: &[(&str, &str, &str)]) {
    for (path, value, expected) in cases {
        let found = problems(&[(object, path, value)]);
        assert!(found.iter().any(|p| p.contains(expected)), "{path}={value}: {found:#?}");
        assert_eq!(found.len(), 1, "{path}={value}: {found:#?}");
    }
}

/// Specs that keep the rules have no problems: no rule cries for nothing.
#[test]
fn good_specs_have_no_problems() {
    assert_eq!(problems(&[]), Vec::<String>::new());
}

/// The tutorial's cluster with its addon fragments is refused for its old Kubernetes only.
#[test]
fn the_tutorial_is_accepted() {
    let text = KOPS_1_23.replace("1.23.6", "1.36.4");
    let documents = read(&text, "f").unwrap().documents;
    let warnings = validate_documents(&documents, None, None).unwrap();
    insta::assert_snapshot!(warnings, @r#"
    f:17:3: warning: spec.clusterAutoscaler: no group can grow: none has autoscale and a maxSize above its minSize
    f:23:5: warning: spec.clusterAutoscaler.image: the image is for Kubernetes 1.23, the cluster runs 1.36; leave it out to get the one that fits
    f:51:5: warning: spec.kubernetesApiAccess[0]: the Kubernetes API is open to the whole internet: name those who need it (--admin-access CIDR)
    f:67:5: warning: spec.sshAccess[0]: SSH is open to the whole internet
    f:76:7: warning: spec.topology.dns.type: a cluster named *.k8s.local is in no DNS: None is used
    "#);
    let old = read(KOPS_1_23, "f").unwrap().documents;
    let errors = validate_documents(&old, None, None).unwrap_err();
    let errors: Vec<_> =
        errors.0.iter().filter(|p| p.severity == crate::spec::Severity::Error).map(ToString::to_string).collect();
    assert_eq!(errors, ["f:53:3: spec.kubernetesVersion: Kubernetes 1.23.6 is not supported: 1.33 to 1.37 are"]);
}

/// Ranges are as large as AWS allows, inside each other where they must be and apart where they must not.
#[test]
fn address_ranges() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.subnets[0].cidr", "10.1.0.0/18", "10.1.0.0/18 is not inside the network 10.0.0.0/16"),
            ("spec.subnets[0].cidr", "10.0.0.0/29", "not between /16 and /28"),
            ("spec.subnets[0].cidr", "10.0.64.0/20", "10.0.64.0/18 overlaps 10.0.64.0/20 of subnet us-east-1a"),
            ("spec.additionalNetworkCIDRs", "10.0.0.0/20", "10.0.0.0/20 overlaps 10.0.0.0/16 of spec.networkCIDR"),
            ("spec.additionalNetworkCIDRs", "100.96.0.0/16", "the range 100.96.0.0/11 of pods overlaps"),
            ("spec.podCIDR", "10.128.0.0/16", "is not inside nonMasqueradeCIDR 100.64.0.0/10"),
            ("spec.podCIDR", "100.64.0.0/16", "100.64.0.0/13 overlaps 100.64.0.0/16"),
            ("spec.kubeDNS.serverIP", "10.0.0.10", "is not in serviceClusterIPRange"),
            ("spec.networking", "{flannel: {}, cni: {}}", "one pod network"),
            (
                "spec.nonMasqueradeCIDR",
                "::/0",
                "warning: spec.nonMasqueradeCIDR: kspot makes the AWS side of IPv6 clusters only",
            ),
        ],
    );
}

/// Subnets are of one region, have unique names, complete ids, and a way out.
#[test]
fn subnets() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.subnets[0].zone", "us-east-1", "not a zone"),
            ("spec.subnets[2].name", "private-1b", "two subnets are named private-1b"),
            ("spec.subnets[1].egress", "vgw-1", "is none of nat-"),
            ("spec.subnets[0].egress", "eipalloc-1", "only private subnets have an egress"),
            ("spec.subnets[1].egress", "tgw-1", "tgw-1 needs a VPC that exists"),
            ("spec.subnets[1].type", "DualStack", "DualStack is for IPv6 clusters"),
            ("spec.topology.nat", "None", "warning: spec.subnets[1]: machines here reach no internet"),
            ("spec.networkID", "subnet-1", "not the id of a VPC"),
        ],
    );
    let stray = problems(&[("a.example.com", "spec.subnets[0].zone", "eu-west-1a")]);
    let region = "us-east-1b is in us-east-1, the first subnet is in eu-west-1";
    assert_eq!(stray.iter().filter(|p| p.contains(region)).count(), 2, "{stray:#?}");
    let closed = problems(&[("a.example.com", "spec.subnets[2].type", "Private")]);
    assert_eq!(closed.iter().filter(|p| p.contains("has no utility subnet")).count(), 2, "{closed:#?}");
    let shared = [("a.example.com", "spec.networkID", "vpc-1"), ("a.example.com", "spec.subnets[0].id", "subnet-1")];
    let found = problems(&shared);
    assert_eq!(found.iter().filter(|p| p.contains("this one is not")).count(), 2, "{found:#?}");
}

/// The API is reached one way, openly only with a warning.
#[test]
fn access() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.api.dns", "{}", "without Route 53"),
            ("spec.api.loadBalancer.sslPolicy", "x", "it needs sslCertificate"),
            ("spec.api.loadBalancer.additionalSecurityGroups", "sg-1,sg-1", "stands here twice"),
            ("spec.api.loadBalancer.subnets", "[{name: us-east-1}]", "did you mean us-east-1a"),
            ("spec.api.loadBalancer.subnets", "[{name: private-1b}]", "is private"),
            (
                "spec.kubernetesApiAccess",
                "10.0.0.0/8,0.0.0.0/0",
                "warning: spec.kubernetesApiAccess[1]: the Kubernetes API is open",
            ),
        ],
    );
}

/// Single sign-on is given whole: the API server would not start otherwise.
#[test]
fn single_sign_on() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.kubeAPIServer.oidcClientID", "kubernetes", "oidcIssuerURL: missing"),
            ("spec.kubeAPIServer.oidcIssuerURL", "https://login.example.com", "oidcClientID: missing"),
            ("spec.kubeAPIServer.oidcRequiredClaim[0]", "admins", "is not key=value"),
        ],
    );
}

/// etcd has an odd number of members, exactly one per control-plane group, on volumes AWS sells.
#[test]
fn etcd_members() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.etcdClusters[0].name", "events", "main is missing"),
            ("spec.etcdClusters[0].version", "2.3.7", "is not a release of etcd"),
            ("spec.etcdClusters[0].version", "3.5.9", "is not a release of etcd 3.5.11 or newer"),
            ("spec.etcdClusters[0].etcdMembers[0].volumeSize", "0", "a gp3 volume has 1 to 65536"),
            ("spec.etcdClusters[0].etcdMembers[0].volumeIops", "20000", "at most 500 per GiB"),
            ("spec.etcdClusters[0].backups.backupStore", "/tmp", "not an s3:// address"),
        ],
    );
    let path = "spec.etcdClusters[0].etcdMembers[0].instanceGroup";
    let found = problems(&[("a.example.com", path, "control-plane-b")]);
    assert_eq!(
        found,
        [
            "spec.etcdClusters[0].etcdMembers: control-plane group control-plane-a has no member",
            "spec.etcdClusters[0].etcdMembers[0].instanceGroup: there is no control-plane group control-plane-b, did you mean control-plane-a",
        ]
    );
    let two = [("a.example.com", "spec.etcdClusters[0].etcdMembers[1]", "{name: b, instanceGroup: control-plane-a}")];
    assert_eq!(problems(&two).len(), 2);
}

/// A control-plane group is one machine in one zone, and there is an odd number of them.
#[test]
fn control_plane() {
    let cases =
        [("spec.maxSize", "3", "exactly one machine"), ("spec.subnets", "us-east-1a,private-1b", "stays in one zone")];
    each_breaks("control-plane-a", &cases);
    let found = problems(&[("nodes", "spec.role", "ControlPlane")]);
    assert!(
        found.iter().any(|p| p.contains("2 control-plane groups survive no more failures than 1: take 1 or 3")),
        "{found:#?}"
    );
}

/// The parts of a group that AWS or Kubernetes would refuse later are refused now.
#[test]
fn groups() {
    each_breaks(
        "nodes",
        &[
            ("spec.subnets", "us-east-1c", "the cluster has no subnet us-east-1c, did you mean us-east-1a"),
            ("spec.instanceMetadata.httpPutResponseHopLimit", "65", "not between 1 and 64"),
            ("spec.maxInstanceLifetime", "23h", "0 (never) or 24h"),
            ("spec.maxPrice", "cheap", "is not a price"),
            ("spec.instanceInterruptionBehavior", "stop", "always terminated"),
            (
                "spec.targetTracking",
                "[{metric: ASGAverageCPUUtilization, target: 50}]",
                "the cluster autoscaler manages this group",
            ),
            ("spec.additionalSecurityGroups", "default", "not the id of a security group"),
            ("spec.iam.profile", "nodes", "not the ARN of an instance profile"),
            ("spec.externalLoadBalancers", "[{}]", "exactly one of"),
            ("spec.sysctlParameters", "vm.swappiness", "not name=value"),
            ("spec.rollingUpdate", "{maxSurge: 0, maxUnavailable: 0}", "both 0"),
            ("spec.suspendProcesses", "Launch,Launch", "stands here twice"),
            ("spec.nodeLabels.a/b/c", "d", "not a label key"),
            ("spec.nodeLabels.a", "b c", "not a label value"),
            ("spec.taints", "a=b:NoSchedule,a=c:NoSchedule", "stands here twice"),
            ("spec.cloudLabels.Name", "x", "the tag Name is reserved"),
            ("spec.rootVolumeType", "st1", "hard disks can't be root volumes"),
            ("spec.volumes", "[{device: sdb, size: 10}]", "is not a device"),
            ("spec.volumeMounts", "[{device: /dev/sdb, filesystem: xfs, path: /a}]", "no volume has the device"),
        ],
    );
}

/// The smallest size is at most the largest.
#[test]
fn sizes_are_in_order() {
    let found = problems(&[("nodes", "spec.minSize", "6")]);
    assert!(found.iter().any(|p| p == "spec.minSize: 6 is more than maxSize 5"), "{found:#?}");
}

/// Gp3, io1 and io2 have their ratios of IOPS to size and of throughput to IOPS.
#[test]
fn volume_ratios() {
    let volume = |text: &'static str, expected: &'static str| ("spec.volumes", text, expected);
    each_breaks(
        "nodes",
        &[
            volume("[{device: /dev/sdb, size: 10, iops: 6000}]", "at most 500 per GiB"),
            volume("[{device: /dev/sdb, size: 10, type: io1, iops: 600}]", "at most 50 per GiB"),
            volume("[{device: /dev/sdb, size: 100, throughput: 1000}]", "1000 MiB/s need 4000 IOPS"),
            volume("[{device: /dev/sdb, size: 100, type: gp2, iops: 300}]", "a gp2 volume takes no IOPS"),
            volume("[{device: /dev/sdb, size: 100, type: io2, throughput: 200}]", "takes no throughput"),
        ],
    );
    assert_eq!(
        problems(&[("nodes", "spec.volumes", "[{device: /dev/sdb, size: 100, iops: 4000, throughput: 1000}]")]),
        Vec::<String>::new()
    );
}

/// Mixed instances policies that AWS refuses, or that do not do what they seem to say.
#[test]
fn mixed_instances() {
    let forty_one = format!("[{}]", (0..41).map(|i| format!("x{i}")).collect::<Vec<_>>().join(","));
    let found = problems(&[("nodes", "spec.mixedInstancesPolicy.instances", &forty_one)]);
    assert!(found.iter().any(|p| p.contains("41 types, an Auto Scaling group takes 40")), "{found:#?}");
    each_breaks(
        "nodes",
        &[
            ("spec.mixedInstancesPolicy.onDemandAboveBase", "101", "101 percent is above 100"),
            ("spec.mixedInstancesPolicy.onDemandBase", "6", "6 is more than maxSize 5"),
            ("spec.mixedInstancesPolicy.spotInstancePools", "2", "only lowest-price counts pools"),
            ("spec.mixedInstancesPolicy", "{instances: []}", "give the instance types"),
            ("spec.mixedInstancesPolicy", "{instances: [m5.large, m5.large]}", "m5.large stands here twice"),
            (
                "spec.mixedInstancesPolicy.instances",
                "m5.large",
                "warning: spec.mixedInstancesPolicy.instances: one type is one spot pool",
            ),
            (
                "spec.mixedInstancesPolicy",
                "{instances: [m5.large], spotAllocationStrategy: lowest-price}",
                "every machine is on demand",
            ),
            (
                "spec.mixedInstancesPolicy",
                "{instanceRequirements: {cpu: {min: 4, max: 2}, memory: {min: 8Gi}}}",
                "it is more than max",
            ),
        ],
    );
}

/// Types exist, run the same image, have GPUs all or none, and are equally large where the autoscaler reckons with it.
#[test]
fn instance_types() {
    let types = |list: &'static str, expected: &'static str| ("spec.mixedInstancesPolicy.instances", list, expected);
    each_breaks(
        "nodes",
        &[
            types("m5.large,m5.lagre", "no instance type m5.lagre, did you mean m5.large"),
            types("m5.large,m6g.large", "m6g.large is arm64, m5.large is amd64"),
            types("m5.large,g4dn.large", "g4dn.large has GPUs, m5.large has none"),
            types(
                "m5.large,c5.large",
                "c5.large has 2 vCPU and 4096 MiB, m5.large has 2 vCPU and 8192 MiB: the cluster autoscaler",
            ),
            types("m5.large,m5.xlarge", "m5.xlarge has 4 vCPU"),
        ],
    );
    let path = "spec.mixedInstancesPolicy.instances";
    assert_eq!(problems(&[("nodes", path, "m5.large,near.large")]), Vec::<String>::new());
    let by_hand = problems(&[("nodes", path, "m5.large,c5.large"), ("nodes", "spec.autoscale", "false")]);
    assert!(by_hand.iter().any(|p| p.starts_with("warning: spec.mixedInstancesPolicy.instances[1]")), "{by_hand:#?}");
}

/// Addons that contradict themselves or lack what they need.
#[test]
fn addons() {
    each_breaks(
        "a.example.com",
        &[
            ("spec.nodeTerminationHandler.enableSpotInterruptionDraining", "false", "queue mode always drains"),
            ("spec.nodeTerminationHandler.enableRebalanceMonitoring", "true", "needs enableRebalanceDraining"),
            (
                "spec.nodeTerminationHandler.enabled",
                "false",
                "warning: spec.nodeTerminationHandler.enabled: group nodes buys spot",
            ),
            ("spec.clusterAutoscaler.scaleDownUtilizationThreshold", "2", "not a share"),
            ("spec.clusterAutoscaler.createPriorityExpanderConfig", "true", "it needs expander: priority"),
            (
                "spec.clusterAutoscaler.image",
                "x/cluster-autoscaler:v1.23.0",
                "the image is for Kubernetes 1.23, the cluster runs 1.36",
            ),
            ("spec.podIdentityWebhook.enabled", "true", "kspot has no such webhook yet"),
            ("spec.cloudConfig.awsEBSCSIDriver.enabled", "false", "no other driver"),
            ("spec.addons", "[{manifest: 'file:///x'}]", "is neither s3://"),
            ("spec.assets", "{containerRegistry: a, containerProxy: b}", "give one of"),
            ("spec.kubelet.anonymousAuth", "true", "never serve strangers"),
            ("spec.iam.useServiceAccountExternalPermissions", "true", "need serviceAccountIssuerDiscovery"),
            ("spec.externalPolicies", "{master: ['arn:aws:iam::aws:policy/x']}", "is not a role"),
            ("spec.additionalPolicies", "{node: '[{}]'}", "statement 0 has no Effect"),
            ("spec.serviceAccountIssuerDiscovery.discoveryStore", "s3://a.b/c", "has a dot"),
        ],
    );
}

/// A role is for one service account by its name, in one namespace or in those that begin alike.
#[test]
fn roles_of_service_accounts() {
    let of = |name: &str, namespace: &str| {
        let role = format!("[{{name: {name}, namespace: '{namespace}', aws: {{inlinePolicy: '[]'}}}}]");
        let store = ("a.example.com", "spec.serviceAccountIssuerDiscovery.discoveryStore", "s3://tokens/a");
        problems(&[store, ("a.example.com", "spec.iam.serviceAccountExternalPermissions", &role)])
    };
    assert_eq!(of("app", "shop"), Vec::<String>::new());
    assert_eq!(of("app.v2", "preview-*"), Vec::<String>::new());
    for (name, namespace) in [("a/b", "shop"), ("'*'", "shop"), ("App", "shop")] {
        assert!(of(name, namespace)[0].contains("is not the name of a service account"), "{name}");
    }
    for namespace in ["a*b", "*", "a.b", ""] {
        assert!(of("app", namespace)[0].contains("neither a namespace nor the beginning of one"), "{namespace}");
    }
}

/// Names are DNS names with a dot, fit AWS's limits, and groups say whose they are.
#[test]
fn names() {
    let named = |cluster: &str, group: &str| {
        let text = GOOD.replace("a.example.com", cluster).replace("name: nodes", &format!("name: {group}"));
        let documents = read(&text, "f").unwrap().documents;
        validate_documents(&documents, None, None).map_or_else(|p| p.to_string(), |p| p.to_string())
    };
    assert_eq!(named("b.k8s.local", "nodes"), "");
    assert!(
        named("nodot", "nodes")
            .contains("f:3:12: metadata.name: \"nodot\" has no dot, write for example \"nodot.k8s.local\"")
    );
    assert!(named("A.example.com", "nodes").contains("is not a DNS name"));
    assert!(named("a.example.com", "Nodes_1").contains("is not a name"));
    assert!(
        named(&format!("{}.{}.com", "a".repeat(60), "b".repeat(60)), "nodes").contains("AWS tags leave room for 106")
    );
    let stranger =
        GOOD.replacen("labels: {kspot.io/cluster: a.example.com}", "labels: {kspot.io/cluster: b.example.com}", 1);
    let problems = validate_documents(&read(&stranger, "f").unwrap().documents, None, None).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("the group belongs to b.example.com, not to a.example.com, did you mean a.example.com")
    );
}

/// A running cluster keeps its network and members, and Kubernetes goes forward by one minor release.
#[test]
fn changes() {
    let Object::Cluster(applied) = &read(GOOD, "f").unwrap().documents[0].object else { panic!("a cluster") };
    let changed = |path: &str, value: &str| {
        let mut object = Object::from(applied.as_ref().clone());
        edit::set(&mut object, path, value).unwrap();
        let Object::Cluster(wanted) = object else { panic!("a cluster") };
        validate_change(applied, &wanted).to_string()
    };
    assert_eq!(changed("spec.kubernetesVersion", "1.37.0"), "");
    assert!(changed("spec.kubernetesVersion", "1.38.0").contains("go by 1.37 first"));
    assert!(changed("spec.kubernetesVersion", "1.35.9").contains("only go forward"));
    assert!(changed("spec.networkCIDR", "10.0.0.0/17").contains("can't change from 10.0.0.0/16"));
    assert!(
        changed("spec.etcdClusters[0].etcdMembers[0].instanceGroup", "x")
            .contains("can't move from group control-plane-a")
    );
    assert!(
        changed("spec.etcdClusters[0].etcdMembers[0].name", "x")
            .contains("member a of etcd cluster main can't be removed")
    );
    assert!(changed("spec.etcdClusters[0].name", "events").contains("etcd cluster main can't be removed"));
    let version = |text: &str| text.parse().unwrap();
    assert!(validate_skew(version("1.33.0"), version("1.36.4")).is_none());
    assert!(validate_skew(version("1.32.0"), version("1.36.4")).is_some());
    assert!(validate_skew(version("1.37.0"), version("1.36.4")).is_some());
}
