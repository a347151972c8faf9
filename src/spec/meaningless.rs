//! Fields of kOps that kspot has no use for: what each is told, and which may simply be dropped from a kOps manifest.

use super::object::Kind;

/// Cluster fields that have another name here.
const RENAMED: &[(&str, &str)] = &[
    ("spec.DisableSubnetTags", "spec.disableSubnetTags"),
    ("spec.masterKubelet", "spec.controlPlaneKubelet"),
    ("spec.masterPublicName", "spec.api.publicName"),
    ("spec.api.access", "spec.kubernetesApiAccess"),
    ("spec.api.additionalSANs", "spec.additionalSans"),
];

/// Cluster fields: what stands in their place.
const CLUSTER: &[(&str, &str)] = &[
    ("spec.authentication", "access is by client certificates; use kubeAPIServer.oidc* for single sign-on"),
    ("spec.authorization", "RBAC is always on"),
    ("spec.awsLoadBalancerController", "list its manifest in spec.addons"),
    ("spec.certManager.defaultIssuer", "install cert-manager yourself and say managed: false"),
    ("spec.certManager.featureGates", "install cert-manager yourself and say managed: false"),
    ("spec.certManager.hostedZoneIDs", "list its service account in iam.serviceAccountExternalPermissions"),
    ("spec.certManager.image", "install cert-manager yourself and say managed: false"),
    ("spec.certManager.nameservers", "install cert-manager yourself and say managed: false"),
    ("spec.channel", "the release of kspot decides; set kubernetesVersion and image"),
    ("spec.cloudProvider", "AWS is the only cloud"),
    ("spec.configBase", "the state store is given by --state or KSPOT_STATE_STORE"),
    ("spec.configStore", "the state store is given by --state or KSPOT_STATE_STORE"),
    ("spec.containerRuntime", "containerd is the only runtime"),
    ("spec.dnsControllerGossipConfig", "there is no gossip; use topology.dns.type: None"),
    ("spec.docker", "containerd is the only runtime; use containerd"),
    ("spec.egressProxy", "use assets.containerRegistry and assets.fileRepository"),
    ("spec.encryptionConfig", "encrypt the etcd volumes with etcdMembers[].kmsKeyId"),
    ("spec.externalDns", "kspot writes its own records; list external-dns's manifest in spec.addons"),
    ("spec.fileAssets", "use an instance group's additionalUserData"),
    ("spec.gossipConfig", "there is no gossip; use topology.dns.type: None"),
    ("spec.hooks", "use an instance group's additionalUserData"),
    ("spec.iam.legacy", "roles always have the smallest rights"),
    ("spec.isolateMasters", "use securityGroupOverride on the control-plane groups"),
    ("spec.karpenter", "use clusterAutoscaler with mixedInstancesPolicy"),
    ("spec.keyStore", "keys lie in the state store; use keyStoreKMSKey to seal them"),
    ("spec.masterInternalName", "the API's inner name is fixed"),
    ("spec.networking.amazonvpc", "install it yourself with networking.cni"),
    ("spec.networking.calico", "use flannel, which comes with network policies, or networking.cni"),
    ("spec.networking.canal", "use flannel, which comes with network policies"),
    ("spec.networking.cilium", "use flannel, which comes with network policies, or networking.cni"),
    ("spec.networking.classic", "use flannel"),
    ("spec.networking.external", "use networking.cni"),
    ("spec.networking.gce", "AWS is the only cloud"),
    ("spec.networking.kindnet", "use flannel"),
    ("spec.networking.kopeio", "use flannel"),
    ("spec.networking.kubenet", "use flannel"),
    ("spec.networking.kuberouter", "use flannel, which comes with network policies"),
    ("spec.networking.lyftvpc", "use networking.cni"),
    ("spec.networking.romana", "use flannel"),
    ("spec.networking.weave", "use flannel"),
    ("spec.nodeAuthorization", "workers prove who they are with their AWS identity"),
    ("spec.secretStore", "there are no secrets beside the keys"),
    ("spec.serviceAccountIssuerDiscovery.discoveryService", "use discoveryStore"),
    ("spec.snapshotController", "list its manifest in spec.addons"),
    ("spec.subnets[].region", "the region is that of the zone"),
    ("spec.target", "kspot writes no Terraform; use update cluster --out plan.json for review"),
    ("spec.topology.bastion.idleTimeoutSeconds", "network load balancers have no such setting"),
    ("spec.topology.masters", "the type of the groups' subnets decides"),
    ("spec.topology.nodes", "the type of the groups' subnets decides"),
    ("spec.useHostCertificates", "addons use their own certificates"),
    ("spec.warmPool", "warm pools can't hold spot machines; use minSize"),
    ("spec.api.loadBalancer.accessLog.interval", "network load balancers log at once"),
    ("spec.api.loadBalancer.idleTimeoutSeconds", "network load balancers have no such setting"),
    ("spec.clusterAutoscaler.cpuLimit", "use cpuRequest and memoryRequest"),
    ("spec.etcdClusters[].enableEtcdTLS", "etcd always uses TLS"),
    ("spec.etcdClusters[].enableTLSAuth", "etcd always checks certificates"),
    ("spec.etcdClusters[].heartbeatInterval", "etcd's default fits AWS zones"),
    ("spec.etcdClusters[].image", "use version"),
    ("spec.etcdClusters[].leaderElectionTimeout", "etcd's default fits AWS zones"),
    ("spec.etcdClusters[].provider", "each control-plane machine runs its own etcd"),
    ("spec.etcdClusters[].backups.image", "the nodes' agent takes the snapshots"),
    ("spec.etcdClusters[].manager.discoveryPollInterval", "members have fixed names"),
    ("spec.etcdClusters[].manager.env", "there is no etcd-manager"),
    ("spec.etcdClusters[].manager.image", "there is no etcd-manager"),
    ("spec.etcdClusters[].manager.logLevel", "there is no etcd-manager"),
];

/// Instance-group fields: what stands in their place.
const INSTANCE_GROUP: &[(&str, &str)] = &[
    ("spec.fileAssets", "use additionalUserData"),
    ("spec.hooks", "use additionalUserData"),
    ("spec.manager", "Auto Scaling groups are the only manager"),
    ("spec.compressUserData", "user data is short: the node's configuration is fetched from the state store"),
    ("spec.rootVolumeOptimization", "every type of today is EBS-optimised"),
    ("spec.rootVolumeDeleteOnTermination", "root volumes always go away with their machine"),
    ("spec.spotDurationInMinutes", "AWS sells no spot blocks any more"),
    ("spec.warmPool", "warm pools can't hold spot machines; use minSize"),
    ("spec.guestAccelerators", "AWS is the only cloud"),
    ("spec.gcpProvisioningModel", "AWS is the only cloud"),
];

/// What to do instead of using this field of kOps; `None` if kOps has no such field either.
pub(crate) fn advice(kind: Kind, pattern: &str) -> Option<&'static str> {
    let table = match kind {
        Kind::Cluster => CLUSTER,
        Kind::InstanceGroup => INSTANCE_GROUP,
    };
    table.iter().find(|(field, _)| *field == pattern).map(|(_, advice)| *advice)
}

/// kspot's name of this field of kOps, if that is another.
pub(crate) fn renamed(kind: Kind, pattern: &str) -> Option<&'static str> {
    let table = RENAMED.iter().filter(|_| kind == Kind::Cluster);
    table.filter(|(kops, _)| *kops == pattern).map(|(_, kspot)| *kspot).next()
}

/// Words that kOps takes and AWS does not: what to write instead.
const WORDS: &[(&str, &str)] = &[
    ("APIServer", "API servers run on control-plane machines"),
    ("Classic", "only network load balancers are made"),
    ("KubeDNS", "only CoreDNS exists"),
    ("diversified", "that belongs to Spot Fleet, use price-capacity-optimized with many types"),
    ("price", "that expander is for GCE"),
];

/// What to write instead of a word that kOps takes.
pub(crate) fn word_advice(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::super::shape::Shape;
    use super::*;

    fn exists(shape: &Shape, path: &str) -> bool {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(field) = shape.field(head.trim_end_matches("[]")) else { return false };
        let inner = match &field.shape {
            Shape::List(of) => of,
            shape => shape,
        };
        rest.is_empty() || exists(inner, rest)
    }

    /// A field that kspot has is never called meaningless, and the advice hangs on blocks that exist.
    #[test]
    fn meaningless_fields_do_not_exist_but_their_blocks_do() {
        for (kind, table) in [(Kind::Cluster, CLUSTER), (Kind::InstanceGroup, INSTANCE_GROUP)] {
            for (path, _) in table {
                assert!(!exists(Shape::of(kind), path), "{path}");
                let (block, _) = path.rsplit_once('.').unwrap();
                assert!(exists(Shape::of(kind), block), "{block}");
            }
        }
    }

    /// What a renamed field is called here exists.
    #[test]
    fn new_names_exist() {
        for (kops, kspot) in RENAMED {
            assert!(!exists(Shape::of(Kind::Cluster), kops), "{kops}");
            assert!(exists(Shape::of(Kind::Cluster), kspot), "{kspot}");
        }
    }
}
