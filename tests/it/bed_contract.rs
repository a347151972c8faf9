//! The bed itself: what tests on it may rely on. Tier: corrected moto.

use serde_json::json;

use crate::bed::{self, Bed, Kspot};

/// Two tests on the shared emulator see nothing of each other, and what a test made is counted by kind.
#[tokio::test]
async fn accounts_are_apart() {
    let (one, other) = (Bed::new(), Bed::new());
    let ec2 = aws_sdk_ec2::Client::new(&one.sdk_config().await);
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap().vpc.unwrap();
    assert_eq!(one.inventory().kinds["ec2/vpc"], [vpc.vpc_id().unwrap()]);
    assert_eq!(other.inventory().total, 0);
    assert!(other.requests().is_empty());
    let [request] = &one.requests()[..] else { panic!("one request was sent") };
    assert_eq!((request.service.as_str(), request.action.as_str(), request.status), ("ec2", "CreateVpc", 200));
    assert!(!request.reads());
}

/// A call that the emulator lacks fails at once with an error that names it, instead of being retried.
#[tokio::test]
async fn a_missing_call_fails_fast() {
    let bed = Bed::new();
    let ec2 = aws_sdk_ec2::Client::new(&bed.sdk_config().await);
    let error = ec2.get_spot_placement_scores().target_capacity(1).send().await.unwrap_err();
    assert_eq!(error.as_service_error().unwrap().meta().code(), Some("NotImplementedByEmulator"));
    assert_eq!(bed.requests().len(), 1);
}

/// The runner gives exit code and output, with nothing of this machine in the environment.
#[test]
fn the_runner_runs_the_binary() {
    let output = Kspot::offline().run(&["--version"]);
    assert_eq!(output.exit, 0, "{}", output.snapshot());
}

/// A lost answer is a change that happened: the request reached AWS, only the client does not know.
#[tokio::test]
async fn faults_are_injected_by_rule() {
    let bed = Bed::with_faults();
    bed.faults(json!([{"service": "ec2", "action": "CreateVpc", "times": 1, "do": "drop_after"}]));
    let ec2 = aws_sdk_ec2::Client::new(&bed.sdk_config().await);
    ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("the second attempt succeeds");
    assert_eq!(bed.inventory().kinds["ec2/vpc"].len(), 2, "an unguarded retry leaks a VPC");
    let injected: Vec<_> = bed.fault_log().into_iter().map(|passed| passed.injected).collect();
    assert_eq!(injected, [Some("drop_after".to_owned()), None]);
}

/// Every page is a request of its own, so that a loop which stops after the first page is found out.
#[tokio::test]
async fn lists_come_in_pages() {
    let bed = Bed::with_pages(&["--page-size", "1"]);
    let ec2 = aws_sdk_ec2::Client::new(&bed.sdk_config().await);
    let first = ec2.describe_subnets().send().await.unwrap();
    assert_eq!(first.subnets().len(), 1);
    assert!(first.next_token().is_some());
    assert_eq!(bed.requests().len(), 1);
}

/// Of many writers with If-None-Match one wins: the server for races keeps S3's promise.
#[tokio::test]
async fn conditional_writes_are_atomic() {
    let bed = Bed::with_atomic_s3();
    let config = aws_sdk_s3::config::Builder::from(&bed.sdk_config().await).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    s3.create_bucket()
        .bucket("race")
        .create_bucket_configuration(
            aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(bed::REGION.into()).build(),
        )
        .send()
        .await
        .unwrap();
    let writers = (0..16).map(|_| s3.put_object().bucket("race").key("lock").if_none_match("*").send());
    let won = futures::future::join_all(writers).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}
