//! Roles and instance profiles.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use kspot::resource::{Desired, DiscoveryDocument, IamRole, InstanceProfile, Kind, OidcProvider, Ref, policy};
use serde_json::json;

use super::{NODES, document, identity, rights, role};
use crate::bed::{Bed, REGION};
use crate::harness::{CLUSTER, Stage, desired, tagged, tagged_also, thing, with};

/// A managed policy of the account, to attach.
async fn managed_policy(stage: &Stage, name: &str) -> String {
    let made = stage.cloud.iam.create_policy().policy_name(name).policy_document(rights("s3:GetObject")).send().await;
    made.unwrap().policy().unwrap().arn().unwrap().to_owned()
}

/// A role's trust, rights, boundary and tags change in place, and what was attached is detached.
#[tokio::test]
async fn iam_role_and_instance_profile() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let (one, two) = (managed_policy(&stage, "one").await, managed_policy(&stage, "two").await);
    let base = identity();
    let other = "other.c.example.com";
    let second = IamRole { tags: tagged(other), ..role() };
    let both = with(&base, [thing(other, second)]);
    let moved = InstanceProfile { role: Ref::to(Kind::IamRole, other), tags: tagged_also(NODES, "kspot.io/x", "1") };
    stage
        .round_trip(&[
            base.clone(),
            with(&base, [thing(NODES, IamRole { trust_policy: document("ssm.amazonaws.com"), ..role() })]),
            with(&base, [thing(NODES, IamRole { policy: Some(rights("ec2:DescribeTags")), ..role() })]),
            with(&base, [thing(NODES, IamRole { policy: None, ..role() })]),
            with(&base, [thing(NODES, IamRole { managed_policies: BTreeSet::from([one.clone()]), ..role() })]),
            with(&base, [thing(NODES, IamRole { managed_policies: BTreeSet::from([two.clone()]), ..role() })]),
            with(&base, [thing(NODES, IamRole { permissions_boundary: Some(one.clone()), ..role() })]),
            with(&base, [thing(NODES, IamRole { tags: tagged_also(NODES, "kspot.io/x", "1"), ..role() })]),
            both.clone(),
            with(&both, [thing(NODES, moved)]),
        ])
        .await;
}

/// A role of our name that is not ours stops the apply with a sentence that says so, and stays as it is.
#[tokio::test]
async fn foreign_role_is_not_touched() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let iam = &stage.cloud.iam;
    let trust = document("lambda.amazonaws.com");
    iam.create_role().role_name(NODES).assume_role_policy_document(&trust).send().await.unwrap();
    let (_, outcome) = stage.try_apply(&desired([thing(NODES, role())])).await;
    let said = outcome.failed[0].2.to_string();
    assert!(said.contains("not this cluster's"), "{said}");
    let role = stage.cloud.iam.get_role().role_name(NODES).send().await.unwrap().role.unwrap();
    assert!(role.tags().is_empty());
    assert_eq!(policy::from_iam(role.assume_role_policy_document().unwrap()), trust);
}

/// A bucket of the account, which is the user's.
async fn bucket(bed: &Bed, stage: &Stage) -> String {
    let name = format!("tokens-{}", bed.account());
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
    stage.cloud.s3.create_bucket().bucket(&name).create_bucket_configuration(here).send().await.unwrap();
    name
}

fn published(bucket: &str, key: &str, content: &str) -> DiscoveryDocument {
    DiscoveryDocument {
        cluster: CLUSTER.into(),
        bucket: bucket.into(),
        region: REGION.into(),
        key: key.into(),
        content: policy::canonical(&json!({ "is": content })),
    }
}

/// An issuer: its documents, the provider that reads them, and a role for who brings a token.
fn issuer(bed: &Bed, bucket: &str) -> (Desired, String, OidcProvider) {
    let name = format!("{bucket}.s3.{REGION}.amazonaws.com/c");
    let arn = format!("arn:aws:iam::{}:oidc-provider/{name}", bed.account());
    let configuration = published(bucket, "c/.well-known/openid-configuration", "configuration");
    let keys = published(bucket, "c/openid/v1/jwks", "keys");
    let provider = OidcProvider {
        arn: arn.clone(),
        configuration: Ref::to(Kind::DiscoveryDocument, configuration.name()),
        client_ids: BTreeSet::from(["amazonaws.com".to_owned()]),
        tags: tagged(&name),
    };
    let trust = policy::canonical(&json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity"}],
    }));
    let app = "app.shop.sa.c.example.com";
    let role = IamRole {
        trust_policy: trust,
        identity_provider: Some(Ref::to(Kind::OidcProvider, name.clone())),
        tags: tagged(app),
        ..role()
    };
    let all = desired([
        thing(&configuration.name(), configuration.clone()),
        thing(&keys.name(), keys),
        thing(&name, provider.clone()),
        thing(app, role),
    ]);
    (all, name, provider)
}

/// A document's content, a provider's audiences and tags change in place; a role knows its provider again.
#[tokio::test]
async fn issuers_come_change_and_go() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let bucket = bucket(&bed, &stage).await;
    let (base, name, provider) = issuer(&bed, &bucket);
    let both = BTreeSet::from(["amazonaws.com", "sts.amazonaws.com"].map(str::to_owned));
    let one = BTreeSet::from(["sts.amazonaws.com".to_owned()]);
    let rotated = published(&bucket, "c/openid/v1/jwks", "more keys");
    stage
        .round_trip(&[
            base.clone(),
            with(&base, [thing(&rotated.name(), rotated.clone())]),
            with(&base, [thing(&name, OidcProvider { client_ids: both, ..provider.clone() })]),
            with(&base, [thing(&name, OidcProvider { client_ids: one, ..provider.clone() })]),
            with(&base, [thing(&name, OidcProvider { tags: tagged_also(&name, "kspot.io/x", "1"), ..provider })]),
            base,
        ])
        .await;
    assert_eq!(stage.cloud.s3.list_objects_v2().bucket(&bucket).send().await.unwrap().key_count(), Some(0));
}

/// Answers that got lost make nothing twice, and their repetition meets its own work.
#[tokio::test]
async fn lost_answers_of_an_issuer() {
    let bed = Bed::with_faults();
    let mut stage = Stage::on(&bed).await;
    let bucket = bucket(&bed, &stage).await;
    bed.faults(json!([
        {"action": "CreateOpenIDConnectProvider", "times": 1, "do": "drop_after"},
        {"action": "PUT /bucket/key", "times": 2, "do": "drop_after"},
    ]));
    let (base, ..) = issuer(&bed, &bucket);
    stage.apply(&base).await;
    let injected = bed.fault_log().iter().filter(|passed| passed.injected.is_some()).count();
    assert_eq!(injected, 3);
    assert_eq!(bed.inventory().kinds["iam/oidc-provider"].len(), 1);
}

/// An object and a provider of our names that are not ours stop the apply with a sentence that says so, and stay.
#[tokio::test]
async fn foreign_issuers_are_not_touched() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let bucket = bucket(&bed, &stage).await;
    let (base, name, _) = issuer(&bed, &bucket);
    let (s3, key) = (stage.cloud.s3.clone(), "c/openid/v1/jwks");
    s3.put_object().bucket(&bucket).key(key).body(b"mine".to_vec().into()).send().await.unwrap();
    stage.cloud.iam.create_open_id_connect_provider().url(format!("https://{name}")).send().await.unwrap();
    let (_, outcome) = stage.try_apply(&base).await;
    let said: Vec<String> = outcome.failed.iter().map(|(_, _, e)| e.to_string()).collect();
    assert!(
        said.iter().any(|s| s.contains(&format!("s3://{bucket}/{key} exists and is not this cluster's"))),
        "{said:?}"
    );
    assert!(said.iter().any(|s| s.contains("OpenID Connect provider") && s.contains("not this cluster's")), "{said:?}");
    stage.apply(&Desired::new()).await;
    let kept = s3.get_object().bucket(&bucket).key(key).send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(kept.to_vec(), b"mine");
    assert_eq!(bed.inventory().kinds["iam/oidc-provider"].len(), 1);
}
