//! What a control-plane machine may do for itself: run etcd on its volumes, keep the cluster's state, publish its address
//! where there is no load balancer. What its controllers may do is in `controllers`.

use std::collections::BTreeSet;

use super::node::ECR_PULL;
use super::{Policy, Statement, controllers};
use crate::model::{Input, Store};
use crate::spec::Role;

pub(super) fn policy(input: &Input<'_>) -> Policy {
    let mut all = machine(input);
    all.extend(state_store(input));
    all.extend(keys(input));
    if !input.cluster.spec.api_uses_load_balancer() {
        all.extend(published_address(input));
    }
    all.extend(controllers::on_machines(input));
    Policy::of(all)
}

/// etcd's volumes, finding peers, checking workers, images.
fn machine(input: &Input<'_>) -> Vec<Statement> {
    let mut all = vec![
        attach_volumes(input),
        Statement::allow(["ec2:DescribeInstances", "ec2:DescribeTags", "ec2:DescribeVolumes"]),
    ];
    // Of a profile of somebody else's the name does not tell which role is in it.
    let given: Vec<String> = given_profiles(input).map(str::to_owned).collect();
    if !given.is_empty() {
        all.push(Statement::allow(["iam:GetInstanceProfile"]).on(given));
    }
    if input.cluster.spec.api_uses_load_balancer() {
        // Its name is among those of the API server's certificate.
        all.push(Statement::allow(["elasticloadbalancing:DescribeLoadBalancers"]));
    }
    if input.cluster.spec.allows_container_registry() {
        all.push(Statement::allow(ECR_PULL));
    }
    all
}

/// The instance profiles that groups of workers bring.
fn given_profiles<'a>(input: &'a Input<'_>) -> impl Iterator<Item = &'a str> {
    input.groups_of(Role::Node).filter_map(super::own_profile)
}

/// The cluster's volumes onto its machines, and off them.
pub(super) fn attach_volumes(input: &Input<'_>) -> Statement {
    let both = [input.arn("ec2", "instance/*"), input.arn("ec2", "volume/*")];
    Statement::allow(["ec2:AttachVolume", "ec2:DetachVolume"]).on(both).tagged(input.cluster.name())
}

/// Reads the cluster's part of the store, writes only what machines write. A directory needs no right.
fn state_store(input: &Input<'_>) -> Vec<Statement> {
    let mut all = Vec::new();
    if let Store::S3 { bucket, .. } = input.store {
        let bucket = input.s3_arn(bucket);
        let key = |rest: &str| format!("{bucket}/{}", input.store.key(&format!("{}/{rest}", input.cluster.name())));
        let listed = input.store.key(&format!("{}/*", input.cluster.name()));
        all.extend([
            Statement::allow(["s3:GetObject"]).on([key("*")]),
            Statement::allow(["s3:PutObject"]).on(["backups/*", "etcd/*", "status/*"].map(key)),
            Statement::allow(["s3:DeleteObject"]).on(["backups/*", "status/*"].map(key)),
            Statement::allow(["s3:ListBucket"]).on([bucket.clone()]).when("StringLike", "s3:prefix", listed),
            Statement::allow(["s3:GetBucketLocation"]).on([bucket.clone()]),
        ]);
    }
    for path in backup_stores(input).collect::<BTreeSet<_>>() {
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let below = if prefix.is_empty() { "*".to_owned() } else { format!("{prefix}/*") };
        let bucket = input.s3_arn(bucket);
        let objects = Statement::allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]);
        all.extend([
            objects.on([format!("{bucket}/{below}")]),
            Statement::allow(["s3:ListBucket"]).on([bucket.clone()]).when("StringLike", "s3:prefix", below),
            Statement::allow(["s3:GetBucketLocation"]).on([bucket]),
        ]);
    }
    all
}

/// `bucket/prefix` of the places outside the state store that etcd's snapshots go to.
fn backup_stores<'a>(input: &'a Input<'_>) -> impl Iterator<Item = &'a str> {
    let given = input.cluster.spec.etcd_clusters.iter().filter_map(|e| e.backups.as_ref()?.backup_store.as_deref());
    given.filter_map(|s| s.strip_prefix("s3://")).map(|s| s.trim_end_matches('/'))
}

/// The keys that the spec names: EC2 uses them for volumes, the machine itself only to open the sealed private keys.
fn keys(input: &Input<'_>) -> Vec<Statement> {
    let mut all = Vec::new();
    if let Some(key) = &input.cluster.spec.key_store_kms_key {
        all.push(on_key(input, Statement::allow(["kms:Decrypt"]), key));
    }
    if let Store::S3 { kms_key: Some(key), region, .. } = input.store {
        let s3 = format!("s3.{region}.{}", input.dns_suffix());
        let used = Statement::allow(["kms:Decrypt", "kms:GenerateDataKey"]).when("StringEquals", "kms:ViaService", s3);
        all.push(on_key(input, used, key));
    }
    let members = input.cluster.spec.etcd_clusters.iter().flat_map(|e| &e.etcd_members);
    let volumes: BTreeSet<&str> = members.filter_map(|m| m.kms_key_id.as_deref()).collect();
    for key in volumes {
        all.extend(through_ec2(input).map(|statement| on_key(input, statement, key)));
    }
    all
}

/// What a volume with a key of one's own takes: EC2 uses the key, nobody else is given it.
pub(super) fn through_ec2(input: &Input<'_>) -> [Statement; 2] {
    let service = format!("ec2.{}.{}", input.account.region, input.dns_suffix());
    let used = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ];
    [
        Statement::allow(["kms:CreateGrant"]).when("Bool", "kms:GrantIsForAWSResource", "true").when(
            "StringEquals",
            "kms:ViaService",
            service.as_str(),
        ),
        Statement::allow(used).when("StringEquals", "kms:ViaService", service),
    ]
}

/// A key may be written as ARN, alias or id.
fn on_key(input: &Input<'_>, statement: Statement, key: &str) -> Statement {
    let alias = key.rsplit_once(":alias/").map_or(key, |(_, name)| name);
    let alias = alias.strip_prefix("alias/").or((alias != key).then_some(alias));
    match alias {
        Some(alias) => statement.on([input.arn("kms", "key/*")]).when(
            "ForAnyValue:StringEquals",
            "kms:ResourceAliases",
            format!("alias/{alias}"),
        ),
        None if key.starts_with("arn:") => statement.on([key.to_owned()]),
        None => statement.on([input.arn("kms", &format!("key/{key}"))]),
    }
}

/// The API's record, which follows the machines when no load balancer stands before them.
fn published_address(input: &Input<'_>) -> Vec<Statement> {
    let zone = input.facts.hosted_zone.as_deref().unwrap_or("*");
    let zones = format!("arn:{}:route53:::hostedzone/{zone}", input.account.partition);
    let change = Statement::allow(["route53:ChangeResourceRecordSets"]).on([zones.clone()]);
    let name = input.cluster.api_public_name().unwrap_or_else(|| input.names().below("api"));
    vec![
        change.when(
            "ForAllValues:StringEquals",
            "route53:ChangeResourceRecordSetsNormalizedRecordNames",
            name.to_lowercase(),
        ),
        Statement::allow(["route53:ListResourceRecordSets"]).on([zones]),
        Statement::allow(["route53:ListHostedZonesByName"]),
    ]
}
