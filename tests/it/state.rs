//! The state store on S3. Tier: ministack where writers race (its conditional writes are atomic), corrected moto with
//! a fault proxy where answers get lost, corrected moto for the bucket's settings.

use std::sync::Arc;

use aws_config::SdkConfig;
use kspot::context::Context;
use kspot::error::Kind;
use kspot::state::bucket::{self, Target};
use kspot::state::history::Texts;
use kspot::state::s3::S3;
use kspot::state::{ClusterStore, Entry, Etag, Fetched, Intent, Location, Precondition, PutError, SpecPath, Store};
use serde_json::{Value, json};

use crate::bed::Bed;

#[path = "../../src/state/contract/rules.rs"]
mod rules;

/// A store in a bucket of its own.
struct Place {
    bed: Bed,
    sdk: SdkConfig,
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl Place {
    async fn on(bed: Bed) -> Place {
        let sdk = bed.sdk_config().await;
        let config = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
        let client = aws_sdk_s3::Client::from_conf(config);
        let bucket = format!("kspot-{}", uuid::Uuid::new_v4().simple());
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(crate::bed::REGION.into())
            .build();
        client.create_bucket().bucket(&bucket).create_bucket_configuration(place).send().await.unwrap();
        Place { bed, sdk, client, bucket }
    }

    async fn versioned(self) -> Place {
        let enabled = aws_sdk_s3::types::VersioningConfiguration::builder()
            .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
            .build();
        let request = self.client.put_bucket_versioning().bucket(&self.bucket);
        request.versioning_configuration(enabled).send().await.unwrap();
        self
    }

    fn store(&self, prefix: &str) -> Arc<dyn Store> {
        Arc::new(S3::new(&self.sdk, &Context::system(), &self.bucket, prefix))
    }

    /// The number of versions and delete markers in the bucket (of the first page).
    async fn versions(&self) -> usize {
        let page = self.client.list_object_versions().bucket(&self.bucket).send().await.unwrap();
        page.versions().len() + page.delete_markers().len()
    }
}

/// S3 fulfils what every store must fulfil, in a bucket and below a prefix of one. Tier: ministack.
#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_contract() {
    let place = Place::on(Bed::with_atomic_s3()).await;
    rules::preconditions_decide(place.store("a/b")).await;
    rules::listings_are_sorted_and_cut(place.store("l")).await;
    rules::removing_a_tree_spares_the_neighbours(place.store("r")).await;
    rules::no_increment_is_lost_among_32_writers(place.store("")).await;
}

/// Listings and deletions go on after the first thousand, and no old version is left behind. Tier: ministack.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stops_at_a_page() {
    use futures::StreamExt;
    let place = Place::on(Bed::with_atomic_s3()).await.versioned().await;
    let store = place.store("p");
    let put = |n: usize| {
        let store = store.clone();
        async move { drop(store.put(&format!("c/{:04}", n % 1010), b"x", Precondition::None).await.unwrap()) }
    };
    futures::stream::iter(0..1030).for_each_concurrent(16, put).await;
    store.delete("c/0000", Precondition::None).await.unwrap();
    store.put("keep", b"x", Precondition::None).await.unwrap();
    let listed = store.list("c/", None).await.unwrap();
    assert_eq!((listed.len(), listed[0].key.as_str()), (1009, "c/0001"));
    assert_eq!(store.list_level("c/", Some("c/0005")).await.unwrap().entries.len(), 1004);
    assert_eq!(store.remove_tree("c/").await.unwrap(), 1031);
    assert_eq!(place.versions().await, 1, "only the neighbour is left");
}

/// Of 32 writers who change specs at once each ends with its change recorded or with a conflict that names somebody,
/// and who tries again gets through: 32 changes are 32 revisions. Tier: ministack.
#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_among_32_writers() {
    let place = Place::on(Bed::with_atomic_s3()).await;
    let cluster = ClusterStore::new(place.store(""), "c").unwrap();
    let ctx = Context::system();
    let intent = Intent { ctx: &ctx, command: "create cluster", message: "" };
    cluster.create(&intent, Texts::from([(SpecPath::Cluster, String::new())])).await.unwrap();
    let writers = (0..32).map(|n| tokio::spawn(append(cluster.clone(), n)));
    futures::future::try_join_all(writers).await.unwrap();
    let specs = cluster.read().await.unwrap();
    let mut lines: Vec<&str> = specs.cluster().unwrap().lines().collect();
    lines.sort_unstable();
    let wanted: Vec<String> = (0..32).map(|n| format!("line {n:02}")).collect();
    assert_eq!(lines, wanted);
    assert_eq!((specs.revision, specs.outside_edits.len()), (Some(33), 0));
}

async fn append(cluster: ClusterStore, n: usize) {
    let ctx = Context::system();
    let intent = Intent { ctx: &ctx, command: "set", message: "" };
    loop {
        let edit = |specs: &mut Texts| {
            specs.entry(SpecPath::Cluster).or_default().push_str(&format!("line {n:02}\n"));
            Ok(())
        };
        match cluster.change(&intent, edit).await {
            Ok(_) => return,
            Err(e) => assert_eq!(e.kind(), Kind::Conflict, "{e}"),
        }
    }
}

/// A write or delete whose answer is lost is done once and is reported as done. Tier: moto behind the fault proxy.
#[tokio::test]
async fn a_lost_answer_is_not_a_conflict() {
    let place = Place::on(Bed::with_faults()).await.versioned().await;
    let store = place.store("");
    let lose = |method: &str| json!([{"service": "s3", "action": format!("{method} /bucket/key"), "do": "drop_after", "times": 1}]);
    place.bed.faults(lose("PUT"));
    let first = store.put("k", b"1", Precondition::Absent).await.unwrap();
    place.bed.faults(lose("PUT"));
    let second = store.put("k", b"2", Precondition::Match(first)).await.unwrap();
    assert_eq!(place.versions().await, 2);
    place.bed.faults(lose("DELETE"));
    store.delete("k", Precondition::Match(second)).await.unwrap();
    assert_eq!(store.get("k").await.unwrap(), None);
}

/// When S3 leaves a conditional write undecided it is asked again. Tier: moto behind the fault proxy.
#[tokio::test]
async fn an_undecided_write_is_repeated() {
    let place = Place::on(Bed::with_faults()).await;
    let undecided = json!({"service": "s3", "action": "PUT /bucket/key", "do": "error", "times": 3,
        "code": "ConditionalRequestConflict", "status": 409});
    place.bed.faults(json!([undecided]));
    let store = place.store("");
    store.put("k", b"1", Precondition::Absent).await.unwrap();
    assert!(matches!(store.put("k", b"2", Precondition::Absent).await, Err(PutError::Conflict)));
}

/// A bucket elsewhere is found by itself; a missing bucket and refused access say what to do. Tier: moto behind the
/// fault proxy.
#[tokio::test]
async fn refusals_are_followed_or_explained() {
    let place = Place::on(Bed::with_faults()).await;
    place.store("").put("k", b"1", Precondition::None).await.unwrap();
    let elsewhere = place.sdk.to_builder().region(aws_config::Region::new("us-east-1")).build();
    let store = S3::new(&elsewhere, &Context::system(), &place.bucket, "");
    let fault = |code: &str, status: u16| {
        place.bed.faults(json!([{"service": "s3", "action": "GET /bucket/key", "do": "error", "times": 1,
            "code": code, "status": status}]));
    };
    fault("PermanentRedirect", 301);
    assert_eq!(store.get("k").await.unwrap().unwrap().bytes, b"1");
    fault("AccessDenied", 403);
    let e = store.get("k").await.unwrap_err();
    assert_eq!(e.message(), format!("can't read k in s3://{}: access denied", place.bucket));
    let missing = S3::new(&place.sdk, &Context::system(), "kspot-there-is-none", "");
    let errors = [missing.get("k").await.unwrap_err(), missing.list("", None).await.unwrap_err()];
    for e in errors {
        assert_eq!(e.message(), "state store s3://kspot-there-is-none does not exist");
        assert_eq!(e.hints()[0], "kspot create state-store s3://kspot-there-is-none");
    }
}

/// A new state store is versioned, encrypted, private and TLS-only; making it again changes nothing; what somebody
/// has loosened is mended and told. Tier: corrected moto.
#[tokio::test]
async fn a_state_store_is_made_safe() {
    let bed = Bed::new();
    let sdk = bed.sdk_config().await;
    let ctx = Context::system();
    let made = bucket::create(&sdk, &ctx, &Target::Auto, None).await.unwrap();
    assert!(made.new);
    let Location::S3 { bucket: name, .. } = &made.location else { panic!("{:?}", made.location) };
    let config = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let location = client.get_bucket_location().bucket(name).send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), crate::bed::REGION);
    let versioning = client.get_bucket_versioning().bucket(name).send().await.unwrap();
    assert_eq!(versioning.status().unwrap().as_str(), "Enabled");
    let policy = client.get_bucket_policy().bucket(name).send().await.unwrap();
    let policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
    let block = client.get_public_access_block().bucket(name).send().await.unwrap();
    assert_eq!(block.public_access_block_configuration().unwrap().restrict_public_buckets(), Some(true));
    let target = Target::At(made.location.clone());
    let again = bucket::create(&sdk, &ctx, &target, None).await.unwrap();
    assert_eq!((again.new, again.changes), (false, vec![]));
    client.delete_public_access_block().bucket(name).send().await.unwrap();
    let mended = bucket::create(&sdk, &ctx, &target, None).await.unwrap();
    assert_eq!((mended.new, mended.changes), (false, vec!["public access: blocked".to_owned()]));
}

/// A store with a cluster is not deleted; an empty one is, with the bucket and all old versions. Tier: corrected moto.
#[tokio::test]
async fn only_an_unused_state_store_is_deleted() {
    let place = Place::on(Bed::new()).await.versioned().await;
    let ctx = Context::system();
    let location = Location::S3 { bucket: place.bucket.clone(), prefix: String::new() };
    let cluster = ClusterStore::new(place.store(""), "c").unwrap();
    let intent = Intent { ctx: &ctx, command: "create cluster", message: "" };
    cluster.create(&intent, Texts::from([(SpecPath::Cluster, "x\n".to_owned())])).await.unwrap();
    let e = bucket::delete(&place.sdk, &ctx, &location).await.unwrap_err();
    assert_eq!(e.details(), ["c"]);
    let objects = [SpecPath::Cluster].map(|path| cluster.keys().spec(&path));
    place.store("").delete(&objects[0], Precondition::None).await.unwrap();
    assert!(bucket::delete(&place.sdk, &ctx, &location).await.is_err(), "the history is still there");
    cluster.delete().await.unwrap();
    bucket::delete(&place.sdk, &ctx, &location).await.unwrap();
    assert_eq!(place.bed.inventory().total, 0);
}

/// The name of somebody else's bucket is refused and nothing is changed there. Tier: corrected moto.
#[tokio::test]
async fn a_foreign_bucket_is_left_alone() {
    let place = Place::on(Bed::new()).await;
    let sdk = Bed::new().sdk_config().await;
    let target = Target::At(Location::S3 { bucket: place.bucket.clone(), prefix: String::new() });
    let e = bucket::create(&sdk, &Context::system(), &target, None).await.unwrap_err();
    assert!(e.message().contains("taken by another AWS account"), "{e}");
    let versioning = place.client.get_bucket_versioning().bucket(&place.bucket).send().await.unwrap();
    assert_eq!(versioning.status(), None);
}
