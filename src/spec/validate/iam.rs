//! Rights: policies by role, permissions boundary, roles of service accounts, what publishes their issuer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ClusterRule, Report, Specs};
use crate::error::did_you_mean;
use crate::spec::instance_group::Role;

pub(super) const CLUSTER_RULES: &[ClusterRule] = &[
    policies_are_by_role,
    additional_policies_are_statements,
    boundary_is_an_arn,
    service_account_roles_need_an_issuer,
    service_account_roles_say_what,
    issuer_is_a_bucket,
];

fn is_policy_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.contains(":policy/")
}

fn role_key(path: &str, key: &str, report: &mut Report) {
    let roles = Role::ALL.map(Role::label);
    let near = did_you_mean(key, roles).map(|n| format!(", did you mean {n}")).unwrap_or_default();
    report.require(roles.contains(&key), format!("{path}.{key}"), || {
        format!("{key:?} is not a role (control-plane, node, bastion){near}")
    });
}

fn policies_are_by_role(specs: &Specs, report: &mut Report) {
    for (role, arns) in &specs.cluster.spec.external_policies {
        role_key("spec.externalPolicies", role, report);
        for (i, arn) in arns.iter().enumerate() {
            report.require(is_policy_arn(arn), format!("spec.externalPolicies.{role}[{i}]"), || {
                format!("{arn:?} is not the ARN of a policy")
            });
        }
    }
}

fn additional_policies_are_statements(specs: &Specs, report: &mut Report) {
    for (role, text) in &specs.cluster.spec.additional_policies {
        role_key("spec.additionalPolicies", role, report);
        statements(&format!("spec.additionalPolicies.{role}"), text, report);
    }
}

/// A JSON list of IAM statements, each with an effect.
fn statements(path: &str, text: &str, report: &mut Report) {
    match serde_json::from_str::<Value>(text) {
        Err(e) => report.error(path, format!("not JSON: {e}")),
        Ok(Value::Array(list)) => {
            for (i, statement) in list.iter().enumerate() {
                let effect = statement.get("Effect").and_then(Value::as_str);
                report.require(matches!(effect, Some("Allow" | "Deny")), path, || {
                    format!("statement {i} has no Effect of Allow or Deny")
                });
            }
        }
        Ok(_) => report.error(path, "a JSON list of statements is needed"),
    }
}

fn boundary_is_an_arn(specs: &Specs, report: &mut Report) {
    let boundary = specs.cluster.spec.iam.as_ref().and_then(|i| i.permissions_boundary.as_deref());
    if let Some(arn) = boundary {
        let path = "spec.iam.permissionsBoundary";
        report.require(is_policy_arn(arn), path, || format!("{arn:?} is not the ARN of a policy"));
    }
}

fn service_account_roles_need_an_issuer(specs: &Specs, report: &mut Report) {
    let spec = &specs.cluster.spec;
    let issuer = spec.service_account_issuer_discovery.as_ref().is_some_and(|d| d.discovery_store.is_some());
    let Some(iam) = &spec.iam else { return };
    let wanted = [
        ("spec.iam.useServiceAccountExternalPermissions", iam.use_service_account_external_permissions == Some(true)),
        ("spec.iam.serviceAccountExternalPermissions", !iam.service_account_external_permissions.is_empty()),
    ];
    for (path, _) in wanted.iter().filter(|(_, wanted)| *wanted && !issuer) {
        report.error(*path, "roles of service accounts need serviceAccountIssuerDiscovery.discoveryStore");
    }
}

fn service_account_roles_say_what(specs: &Specs, report: &mut Report) {
    let permissions = specs.cluster.spec.iam.iter().flat_map(|i| &i.service_account_external_permissions);
    let mut seen = BTreeSet::new();
    for (i, permission) in permissions.enumerate() {
        let path = format!("spec.iam.serviceAccountExternalPermissions[{i}]");
        let (name, namespace) = (&permission.name, &permission.namespace);
        report
            .require(seen.insert((name, namespace)), path.clone(), || format!("{namespace}/{name} stands here twice"));
        let simple = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        report
            .require(simple(name), format!("{path}.name"), || format!("{name:?} is not the name of a service account"));
        let plain = namespace.strip_suffix('*').unwrap_or(namespace);
        let fits = simple(plain) && !plain.contains('.');
        report.require(fits, format!("{path}.namespace"), || {
            format!("{namespace:?} is neither a namespace nor the beginning of one and a star")
        });
        let one = permission.aws.policy_arns.is_empty() == permission.aws.inline_policy.is_some();
        report.require(one, format!("{path}.aws"), || "give exactly one of policyARNs and inlinePolicy".to_owned());
        for (j, arn) in permission.aws.policy_arns.iter().enumerate() {
            let path = format!("{path}.aws.policyARNs[{j}]");
            report.require(is_policy_arn(arn), path, || format!("{arn:?} is not the ARN of a policy"));
        }
        if let Some(text) = &permission.aws.inline_policy {
            statements(&format!("{path}.aws.inlinePolicy"), text, report);
        }
    }
}

fn issuer_is_a_bucket(specs: &Specs, report: &mut Report) {
    let Some(discovery) = &specs.cluster.spec.service_account_issuer_discovery else { return };
    let path = "spec.serviceAccountIssuerDiscovery";
    let bucket = discovery.discovery_store.as_deref().map(|store| {
        let rest = store.strip_prefix("s3://").unwrap_or_default();
        (store, rest.split('/').next().unwrap_or_default())
    });
    match bucket {
        Some((store, bucket)) => {
            let path = format!("{path}.discoveryStore");
            report.require(!bucket.is_empty(), path.clone(), || format!("{store:?} is not s3://bucket[/prefix]"));
            report.require(!bucket.contains('.'), path, || {
                format!("bucket {bucket} has a dot, so AWS can't check its certificate over HTTPS")
            });
        }
        None if discovery.enable_aws_oidc_provider == Some(true) => {
            report.error(format!("{path}.enableAWSOIDCProvider"), "it needs discoveryStore");
        }
        None => {}
    }
}
