//! What machines download: releases, their URLs and their hashes, and images.
//!
//! The hashes of the releases that kspot was tested with are here; others come with the facts. A file with neither is
//! checked against the sum that its project publishes beside it, over TLS.

use super::Input;
use crate::node::configuration::{Asset, Checksum};
use crate::spec::cluster::AssetsSpec;
use crate::spec::kubernetes::ContainerdConfig;
use crate::spec::{InstanceGroup, KubernetesVersion, Role};

/// The release of containerd, unless the spec names one.
pub const CONTAINERD: &str = "2.3.4";
/// The release of runc, unless the spec names one.
pub const RUNC: &str = "1.4.3";
/// The release of the CNI plugins.
pub const CNI_PLUGINS: &str = "1.9.1";
/// The release of the kubelet's credential provider for ECR.
pub const ECR_CREDENTIAL_PROVIDER: &str = "1.31.7";
/// The image of the pause container, unless the spec names one.
pub const SANDBOX_IMAGE: &str = "registry.k8s.io/pause:3.10.1";

/// The releases of CoreDNS that kubeadm installs, by the minor release of Kubernetes 1 (`CoreDNSVersion` in
/// `cmd/kubeadm/app/constants/constants.go`). A release branch keeps its own: <https://github.com/kubernetes/kubeadm/issues/3322>.
const COREDNS: &[(u32, &str)] = &[(33, "v1.12.0"), (34, "v1.12.1"), (35, "v1.13.1"), (36, "v1.14.2")];

/// Hashes known by heart, by the path of the URL.
const KNOWN: &[(&str, &str)] = &[
    ("/release/v1.36.3/bin/linux/amd64/kubelet", "46707a53209f826ad0f0d62371ac69cd00e78fd9a8176cf5f6f87f18f7f8b718"),
    ("/release/v1.36.3/bin/linux/amd64/kubeadm", "bba1733c701bf70ec74ba1cc3fd5745404c1134a8a4b0a5f8560cc9832023421"),
    ("/release/v1.36.3/bin/linux/amd64/kubectl", "ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336"),
    ("/release/v1.36.3/bin/linux/arm64/kubelet", "57205a5daf5883873d87b4914e1e00bdd7707acd075714788cfb0fc1f60bc414"),
    ("/release/v1.36.3/bin/linux/arm64/kubeadm", "276cfbdc43b10fef663288cc1ed76abf77b1b7f700e9f1c053cb5dc3115484de"),
    ("/release/v1.36.3/bin/linux/arm64/kubectl", "3d86f24401c41ae5a46ac50eef8865fe891d3647d324a0836f6c63757a126e62"),
    (
        "/containerd/containerd/releases/download/v2.3.4/containerd-2.3.4-linux-amd64.tar.gz",
        "9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168",
    ),
    (
        "/containerd/containerd/releases/download/v2.3.4/containerd-2.3.4-linux-arm64.tar.gz",
        "a985fbb7e18fc0362d31a055338f5d7b0e087a3e27f14c70d1c5965399a29f95",
    ),
    (
        "/opencontainers/runc/releases/download/v1.4.3/runc.amd64",
        "f6ae8efc0fa40079e1475e97cbe9d1bd3f106a28d6af78a11d9f1bd565515e60",
    ),
    (
        "/opencontainers/runc/releases/download/v1.4.3/runc.arm64",
        "633301e2e32f8a5ad54031aab4901eb00308bec677dd15faa2751e8f9dab5ca4",
    ),
    (
        "/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
        "b98f74a0f8522f0a83867178729c1aa70f2158f90c45a2ca8fa791db1c76b303",
    ),
    (
        "/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz",
        "56171987d3947707c3563db2f4001bccaf50fd63468611b9f3cbecb1375ee7ec",
    ),
    (
        "/binaries/cloud-provider-aws/v1.31.7/linux/amd64/ecr-credential-provider-linux-amd64",
        "7644623e4ec9ad443ab352a8a5800a5180ee28741288be805286ba72bb8e7164",
    ),
    (
        "/binaries/cloud-provider-aws/v1.31.7/linux/arm64/ecr-credential-provider-linux-arm64",
        "1980e3a038cb16da48a137743b31fb81de6c0b59fa06c206c2bc20ce0a52f849",
    ),
];

/// The images that kubeadm names by itself: of the control plane's pods, of CoreDNS and of kube-proxy, if it runs. CoreDNS is
/// left out where nobody here knows which release it is.
pub fn of_kubeadm(release: KubernetesVersion, proxy: bool) -> Vec<String> {
    let parts = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let kubernetes = parts.into_iter().chain(proxy.then_some("kube-proxy"));
    let dns = coredns(release).map(|version| format!("registry.k8s.io/coredns/coredns:{version}"));
    kubernetes.map(|name| format!("registry.k8s.io/{name}:v{release}")).chain(dns).collect()
}

/// The release of CoreDNS that a release of kubeadm installs, where it is known.
pub fn coredns(release: KubernetesVersion) -> Option<&'static str> {
    COREDNS.iter().find(|(minor, _)| (release.major, release.minor) == (1, *minor)).map(|(_, version)| *version)
}

/// What the machines of a group download, for their architecture as AWS calls it (`x86_64`, `arm64`).
pub fn of_group(input: &Input<'_>, group: &InstanceGroup, architecture: &str) -> Vec<Asset> {
    let arch = if architecture == "arm64" { "arm64" } else { "amd64" };
    let kubernetes = input.cluster.spec.kubernetes_version();
    let mut all = Vec::new();
    let mut add = |name: &'static str, host: &str, path: String, sum: &str| {
        all.push(asset(input, name, (host, &path), &format!("https://{host}{path}{sum}")));
    };
    let binaries: &[&'static str] = match group.spec.role {
        Role::ControlPlane => &["kubelet", "kubeadm", "kubectl"],
        Role::Node | Role::Bastion => &["kubelet"],
    };
    for binary in binaries {
        add(binary, "dl.k8s.io", format!("/release/v{kubernetes}/bin/linux/{arch}/{binary}"), ".sha256");
    }
    add(
        "cni-plugins",
        "github.com",
        format!(
            "/containernetworking/plugins/releases/download/v{CNI_PLUGINS}/cni-plugins-linux-{arch}-v{CNI_PLUGINS}.tgz"
        ),
        ".sha256",
    );
    if input.cluster.spec.allows_container_registry() {
        let v = ECR_CREDENTIAL_PROVIDER;
        let path = format!("/binaries/cloud-provider-aws/v{v}/linux/{arch}/ecr-credential-provider-linux-{arch}");
        add("ecr-credential-provider", "artifacts.k8s.io", path, ".sha256");
    }
    all.extend(runtime(input, group, arch));
    all
}

/// containerd and runc: the spec may name other releases, and another place for containerd.
fn runtime(input: &Input<'_>, group: &InstanceGroup, arch: &str) -> [Asset; 2] {
    let given = [group.spec.containerd.as_ref(), input.cluster.spec.containerd.as_ref()];
    let version = given.iter().flatten().find_map(|c| c.version.as_deref()).unwrap_or(CONTAINERD);
    let runc = given.iter().flatten().find_map(|c| c.runc.as_ref()?.version.as_deref()).unwrap_or(RUNC);
    let path = format!("/containerd/containerd/releases/download/v{version}/containerd-{version}-linux-{arch}.tar.gz");
    let sums = format!("https://github.com{path}.sha256sum");
    let containerd = given.iter().flatten().find_map(|c| elsewhere(c, arch));
    let runc_release = format!("/opencontainers/runc/releases/download/v{runc}");
    [
        containerd.unwrap_or_else(|| asset(input, "containerd", ("github.com", &path), &sums)),
        asset(
            input,
            "runc",
            ("github.com", &format!("{runc_release}/runc.{arch}")),
            &format!("https://github.com{runc_release}/runc.sha256sum"),
        ),
    ]
}

fn elsewhere(config: &ContainerdConfig, arch: &str) -> Option<Asset> {
    let packages = config.packages.as_ref()?;
    let (url, hash) = match arch {
        "arm64" => (&packages.url_arm64, &packages.hash_arm64),
        _ => (&packages.url_amd64, &packages.hash_amd64),
    };
    Some(Asset { name: "containerd".to_owned(), url: url.clone()?, checksum: Checksum::Sha256(hash.clone()?) })
}

fn asset(input: &Input<'_>, name: &'static str, (host, path): (&str, &str), sums: &str) -> Asset {
    let original = format!("https://{host}{path}");
    let own = input.cluster.spec.assets.as_ref().and_then(|a| a.checksums.get(path)).cloned();
    let known = KNOWN.iter().find(|(p, _)| *p == path).map(|(_, hash)| (*hash).to_owned());
    let sha256 = own.or(known).or_else(|| input.facts.checksums.get(&original).cloned());
    Asset {
        name: name.to_owned(),
        url: mirrored_file(input.cluster.spec.assets.as_ref(), &original),
        checksum: sha256.map_or_else(|| Checksum::Sha256Url(sums.to_owned()), Checksum::Sha256),
    }
}

/// A file, or its copy in the repository that a spec's assets name.
pub fn mirrored_file(assets: Option<&AssetsSpec>, url: &str) -> String {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    match (assets.and_then(|a| a.file_repository.as_deref()), path) {
        (Some(mirror), Some(path)) => format!("{}/{path}", mirror.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

/// An image, or its copy in the registry that the spec names.
pub fn image(input: &Input<'_>, image: &str) -> String {
    mirrored(input.cluster.spec.assets.as_ref(), image)
}

/// The same for a spec's assets.
pub fn mirrored(assets: Option<&AssetsSpec>, image: &str) -> String {
    let Some(assets) = assets else { return image.to_owned() };
    let (host, path) = image.split_once('/').unwrap_or(("docker.io", image));
    match (&assets.container_registry, &assets.container_proxy) {
        (Some(registry), _) => format!("{}/{path}", registry.trim_end_matches('/')),
        (None, Some(proxy)) => format!("{}/{host}/{path}", proxy.trim_end_matches('/')),
        (None, None) => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CoreDNS is of the release that kubeadm installs, and of none where that is not known.
    #[test]
    fn coredns_is_kubeadms() {
        let of = |minor| of_kubeadm(KubernetesVersion { minor, ..KubernetesVersion::DEFAULT }, true);
        assert!(of(36).contains(&"registry.k8s.io/coredns/coredns:v1.14.2".to_owned()), "{:?}", of(36));
        assert!(of(36).contains(&format!("registry.k8s.io/kube-proxy:v{}", KubernetesVersion::DEFAULT)));
        assert!(!of(99).iter().any(|image| image.contains("coredns")));
        assert!(!of_kubeadm(KubernetesVersion::DEFAULT, false).iter().any(|image| image.contains("kube-proxy")));
    }

    /// Every hash kspot knows is a sha256, and no path stands twice.
    #[test]
    fn known_hashes_are_hashes() {
        let paths: std::collections::BTreeSet<&str> = KNOWN.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths.len(), KNOWN.len());
        assert!(KNOWN.iter().all(|(_, hash)| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
