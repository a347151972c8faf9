//! The bed itself: what tests on it may rely on. Tier: corrected moto.

use crate::bed::{Bed, Kspot};

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
