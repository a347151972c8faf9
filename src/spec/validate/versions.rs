//! Releases of Kubernetes that kspot supports, and of what must fit them.

use super::{ClusterRule, Report, Specs};
use crate::spec::version::KubernetesVersion;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[kubernetes_is_supported, autoscaler_fits_kubernetes];

fn kubernetes_is_supported(specs: &Specs, report: &mut Report) {
    let version = specs.cluster.spec.kubernetes_version();
    let (oldest, newest) = (KubernetesVersion::OLDEST_MINOR, KubernetesVersion::NEWEST_MINOR);
    let supported = version.major == 1 && (oldest..=newest).contains(&version.minor);
    report.require(supported, "spec.kubernetesVersion", || {
        format!("Kubernetes {version} is not supported: 1.{oldest} to 1.{newest} are")
    });
}

/// The autoscaler simulates the scheduler of its own minor release.
fn autoscaler_fits_kubernetes(specs: &Specs, report: &mut Report) {
    let Some(image) = specs.cluster.spec.enabled_cluster_autoscaler().and_then(|c| c.image.as_deref()) else { return };
    let tag = image.rsplit_once(':').and_then(|(_, tag)| tag.parse::<KubernetesVersion>().ok());
    let wanted = specs.cluster.spec.kubernetes_version();
    if let Some(tag) = tag.filter(|tag| (tag.major, tag.minor) != (wanted.major, wanted.minor)) {
        let message = format!("the image is for Kubernetes 1.{}, the cluster runs 1.{}", tag.minor, wanted.minor);
        report.warning("spec.clusterAutoscaler.image", message + "; leave it out to get the one that fits");
    }
}
