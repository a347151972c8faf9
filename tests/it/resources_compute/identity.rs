//! Roles and instance profiles.

use std::collections::BTreeSet;

use kspot::resource::{IamRole, InstanceProfile, Kind, Ref, policy};

use super::{NODES, document, identity, rights, role};
use crate::bed::Bed;
use crate::harness::{Stage, desired, tagged, tagged_also, thing, with};

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
