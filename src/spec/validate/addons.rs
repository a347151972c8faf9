//! Addons: settings that contradict each other, and what one addon needs of another.

use super::{ClusterRule, Report, Specs};
use crate::spec::addons::Expander;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[
    termination_handler_drains,
    spot_is_drained,
    autoscaler_priorities,
    autoscaler_threshold,
    autoscaler_has_groups,
    metrics_server_checks_certificates,
    pod_identity_webhook_is_not_there,
    ebs_driver_stays,
    manifests_can_be_fetched,
    assets_come_from_one_place,
    anonymous_kubelets,
];

fn termination_handler_drains(specs: &Specs, report: &mut Report) {
    let Some(handler) = specs.cluster.spec.enabled_node_termination_handler() else { return };
    let path = "spec.nodeTerminationHandler";
    let deaf = handler.queue_mode() && handler.enable_spot_interruption_draining == Some(false);
    report.require(!deaf, format!("{path}.enableSpotInterruptionDraining"), || {
        "queue mode always drains on spot interruptions: leave it out, or set enableSQSTerminationDraining: false"
            .to_owned()
    });
    let watching = handler.enable_rebalance_monitoring == Some(true) && !handler.drains_on_rebalance();
    report.require(!watching, format!("{path}.enableRebalanceMonitoring"), || {
        "it needs enableRebalanceDraining: true".to_owned()
    });
}

/// Capacity rebalancing and interruptions end machines; only the handler moves their pods in time.
fn spot_is_drained(specs: &Specs, report: &mut Report) {
    let spot = specs.groups.iter().find(|g| g.spec.buys_spot());
    if let Some(group) = spot.filter(|_| specs.cluster.spec.enabled_node_termination_handler().is_none()) {
        let message =
            format!("group {} buys spot machines, and nothing drains them before AWS takes them back", group.name());
        report.warning("spec.nodeTerminationHandler.enabled", message + ": set it to true");
    }
}

fn autoscaler_priorities(specs: &Specs, report: &mut Report) {
    let Some(autoscaler) = specs.cluster.spec.enabled_cluster_autoscaler() else { return };
    let path = "spec.clusterAutoscaler";
    let by_priority = autoscaler.expander() == Expander::Priority;
    let custom = !autoscaler.custom_priority_expander_config.is_empty();
    report.require(by_priority || !custom, format!("{path}.customPriorityExpanderConfig"), || {
        "it needs expander: priority".to_owned()
    });
    report.require(
        by_priority || autoscaler.create_priority_expander_config != Some(true),
        format!("{path}.createPriorityExpanderConfig"),
        || "it needs expander: priority".to_owned(),
    );
    for (priority, patterns) in &autoscaler.custom_priority_expander_config {
        let path = format!("{path}.customPriorityExpanderConfig.{priority}");
        report.require(priority.parse::<i32>().is_ok(), path.clone(), || format!("{priority:?} is not a whole number"));
        for pattern in patterns {
            if let Err(e) = regex::Regex::new(pattern) {
                report.error(
                    path.clone(),
                    format!("{pattern:?} is not a regular expression: {}", first_line(&e.to_string())),
                );
            }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

fn autoscaler_threshold(specs: &Specs, report: &mut Report) {
    let autoscaler = specs.cluster.spec.cluster_autoscaler.as_ref();
    if let Some(text) = autoscaler.and_then(|c| c.scale_down_utilization_threshold.as_deref()) {
        let share = text.parse::<f64>().is_ok_and(|n| (0.0..=1.0).contains(&n));
        report.require(share, "spec.clusterAutoscaler.scaleDownUtilizationThreshold", || {
            format!("{text:?} is not a share between \"0\" and \"1\"")
        });
    }
}

fn autoscaler_has_groups(specs: &Specs, report: &mut Report) {
    let managed = specs.groups.iter().any(|g| g.spec.autoscale() && g.spec.min_size() < g.spec.max_size());
    if specs.cluster.spec.enabled_cluster_autoscaler().is_some() && !managed {
        report
            .warning("spec.clusterAutoscaler", "no group can grow: none has autoscale and a maxSize above its minSize");
    }
}

fn metrics_server_checks_certificates(specs: &Specs, report: &mut Report) {
    if specs.cluster.spec.metrics_server.as_ref().is_some_and(|m| m.insecure == Some(true)) {
        report.warning("spec.metricsServer.insecure", "kubelets have certificates that can be checked: leave it out");
    }
}

fn pod_identity_webhook_is_not_there(specs: &Specs, report: &mut Report) {
    let webhook = specs.cluster.spec.pod_identity_webhook.as_ref().is_some_and(|w| w.enabled == Some(true));
    report.require(!webhook, "spec.podIdentityWebhook.enabled", || {
        "kspot has no such webhook yet: leave it out, make the role with iam.serviceAccountExternalPermissions, and give the \
         pod a projected token for the audience amazonaws.com (docs/service-accounts.md has the lines)"
            .to_owned()
    });
}

fn ebs_driver_stays(specs: &Specs, report: &mut Report) {
    let driver = specs.cluster.spec.cloud_config.as_ref().and_then(|c| c.aws_ebs_csi_driver.as_ref());
    report.require(driver.is_none_or(|d| d.enabled != Some(false)), "spec.cloudConfig.awsEBSCSIDriver.enabled", || {
        "Kubernetes has no other driver for EBS volumes: set managed: false to install it yourself".to_owned()
    });
}

fn manifests_can_be_fetched(specs: &Specs, report: &mut Report) {
    for (i, addon) in specs.cluster.spec.addons.iter().enumerate() {
        let scheme = addon.manifest.split_once("://").map(|(scheme, _)| scheme);
        let known = matches!(scheme, None | Some("s3" | "https" | "http"));
        report.require(known && !addon.manifest.is_empty(), format!("spec.addons[{i}].manifest"), || {
            format!("{:?} is neither s3://, https:// nor a path in the state store", addon.manifest)
        });
    }
}

fn assets_come_from_one_place(specs: &Specs, report: &mut Report) {
    let Some(assets) = &specs.cluster.spec.assets else { return };
    let both = assets.container_registry.is_some() && assets.container_proxy.is_some();
    report.require(!both, "spec.assets", || "give one of containerRegistry and containerProxy".to_owned());
    if let Some(url) = &assets.file_repository {
        let known = ["https://", "http://", "s3://"].iter().any(|scheme| url.starts_with(scheme));
        report.require(known, "spec.assets.fileRepository", || format!("{url:?} is neither https:// nor s3://"));
        for (path, sum) in &assets.checksums {
            let right = path.starts_with('/')
                && sum.len() == 64
                && sum.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            report.require(right, "spec.assets.checksums", || {
                format!("{path}: {sum} is not the path of a URL with a SHA-256 in 64 lower-case hex digits")
            });
        }
    }
}

fn anonymous_kubelets(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    for (path, kubelet) in [("spec.kubelet", &spec.kubelet), ("spec.controlPlaneKubelet", &spec.control_plane_kubelet)]
    {
        let anonymous = kubelet.as_ref().is_some_and(|k| k.anonymous_auth == Some(true));
        report.require(!anonymous, format!("{path}.anonymousAuth"), || {
            "kubelets never serve strangers: leave it out".to_owned()
        });
    }
}
