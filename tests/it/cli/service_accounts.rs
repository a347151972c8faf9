//! Roles of service accounts, by the commands: published, rotated, taken back. Tier: corrected moto.

use aws_sdk_s3::config::Region;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration};
use serde_json::{Value, json};

use super::{CLUSTER, Desk};

/// Where the test's bucket is, which is not where the cluster is.
const ELSEWHERE: &str = "eu-central-1";

/// A bucket of the user's with an object of the user's.
struct Bucket {
    s3: aws_sdk_s3::Client,
    name: String,
}

impl Bucket {
    async fn of(desk: &Desk) -> Bucket {
        let config = aws_sdk_s3::config::Builder::from(&desk.bed.sdk_config().await);
        let config = config.force_path_style(true).region(Region::new(ELSEWHERE)).build();
        let bucket =
            Bucket { s3: aws_sdk_s3::Client::from_conf(config), name: format!("tokens-{}", desk.bed.account()) };
        let there = BucketLocationConstraint::from(ELSEWHERE);
        let there = CreateBucketConfiguration::builder().location_constraint(there).build();
        bucket.s3.create_bucket().bucket(&bucket.name).create_bucket_configuration(there).send().await.unwrap();
        bucket.open().await;
        let mine = bucket.s3.put_object().bucket(&bucket.name).key("c/openid/v1/mine").body(b"mine".to_vec().into());
        mine.send().await.unwrap();
        bucket
    }

    /// Lets everybody read the documents of prefix `c`.
    async fn open(&self) {
        let documents = ["c/.well-known/openid-configuration", "c/openid/v1/jwks"];
        let documents = documents.map(|key| format!("arn:aws:s3:::{}/{key}", self.name));
        let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": documents});
        let read = json!({"Version": "2012-10-17", "Statement": [allow]});
        self.s3.put_bucket_policy().bucket(&self.name).policy(read.to_string()).send().await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(&self.name).send().await.unwrap();
        listed.contents().iter().map(|o| o.key().unwrap().to_owned()).collect()
    }

    async fn json(&self, key: &str) -> Value {
        let object = self.s3.get_object().bucket(&self.name).key(key).send().await.unwrap();
        serde_json::from_slice(&object.body.collect().await.unwrap().to_vec()).unwrap()
    }

    /// The ids of the published keys.
    async fn ids(&self) -> Vec<String> {
        let keys = self.json("c/openid/v1/jwks").await;
        keys["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
    }
}

/// The inline policy of a role.
async fn policy(desk: &Desk, role: &str) -> String {
    let iam = aws_sdk_iam::Client::new(&desk.bed.sdk_config().await);
    let policy = iam.get_role_policy().role_name(role).policy_name(role).send().await.unwrap();
    kspot::resource::policy::from_iam(policy.policy_document())
}

const MACHINES: &str = "masters.c.k8s.local";
const AUTOSCALER: &str = "cluster-autoscaler.kube-system.sa.c.k8s.local";

/// What is published, made and taken from the machines follows from one setting, and goes with it.
#[tokio::test]
async fn an_issuer_comes_and_goes() {
    let desk = Desk::new().small();
    let bucket = Bucket::of(&desk).await;
    desk.ok("set cluster spec.clusterAutoscaler.enabled=true");
    desk.ok("update cluster --yes");
    let before = desk.shape();
    assert!(policy(&desk, MACHINES).await.contains("autoscaling:SetDesiredCapacity"));

    let setting = format!("spec.serviceAccountIssuerDiscovery.discoveryStore=s3://{}/c", bucket.name);
    desk.ok(&format!("set cluster {setting}"));
    let said = desk.ok("update cluster --yes").stdout;
    let provider = format!("{}.s3.{ELSEWHERE}.amazonaws.com/c", bucket.name);
    for line in [
        format!("+ discovery-document/{}/c/openid/v1/jwks", bucket.name),
        format!("+ oidc-provider/{provider}"),
        format!("+ iam-role/{AUTOSCALER}"),
        format!("~ iam-role/{MACHINES}"),
        "~ addon/cluster-autoscaler".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    desk.settled();
    let configuration = bucket.json("c/.well-known/openid-configuration").await;
    assert_eq!(configuration["issuer"], format!("https://{provider}"));
    assert_eq!(configuration["jwks_uri"], format!("https://{provider}/openid/v1/jwks"));
    assert!(!policy(&desk, MACHINES).await.contains("autoscaling:SetDesiredCapacity"));
    assert!(policy(&desk, AUTOSCALER).await.contains("autoscaling:SetDesiredCapacity"));
    let rendered = desk.ok("addons render cluster-autoscaler").stdout;
    assert!(rendered.contains(&format!("role/{AUTOSCALER}")), "{rendered}");

    desk.ok("unset cluster spec.serviceAccountIssuerDiscovery");
    desk.ok("update cluster --yes");
    desk.settled();
    assert_eq!(desk.shape(), before);
    assert_eq!(bucket.keys().await, ["c/openid/v1/mine"]);
    assert!(policy(&desk, MACHINES).await.contains("autoscaling:SetDesiredCapacity"));
}

/// A new key is published before it signs, and gone once it is distrusted; which one signs changes nothing that AWS reads.
/// The first update of a cluster publishes its key at once.
#[tokio::test]
async fn keys_are_published_before_they_sign() {
    let desk = Desk::new().small();
    let bucket = Bucket::of(&desk).await;
    desk.ok(&format!("set cluster spec.serviceAccountIssuerDiscovery.discoveryStore=s3://{}/c", bucket.name));
    desk.ok("update cluster --yes");
    desk.settled();
    let first = bucket.ids().await;
    assert_eq!(first.len(), 1);
    desk.ok("create keypair service-account");
    let planned = desk.run("update cluster --detailed-exitcode");
    let line = format!("~ discovery-document/{}/c/openid/v1/jwks", bucket.name);
    assert!(planned.exit == 2 && planned.stdout.contains(&line), "{}", planned.stdout);
    desk.ok("update cluster --yes");
    let both = bucket.ids().await;
    assert!(both.len() == 2 && both.contains(&first[0]), "{both:?}");
    desk.ok("promote keypair service-account");
    desk.settled();
    desk.ok("distrust keypair service-account");
    desk.ok("update cluster --yes");
    let left = bucket.ids().await;
    assert!(left.len() == 1 && left != first, "{left:?}");
    desk.ok(&format!("delete cluster {CLUSTER} --yes"));
    desk.only_the_store_is_left();
    assert_eq!(bucket.keys().await, ["c/openid/v1/mine"]);
}

/// What stands in the way is said before anything is made: a bucket that is not there, or closed to the public. An object
/// that is somebody else's stays.
#[tokio::test]
async fn what_stands_in_the_way_is_said() {
    let desk = Desk::new().small();
    desk.ok("set cluster spec.serviceAccountIssuerDiscovery.discoveryStore=s3://tokens-there-are-none/c");
    let said = desk.fails(1, "update cluster");
    assert!(said.contains("there is no bucket tokens-there-are-none") && said.contains("discoveryStore"), "{said}");
    let bucket = Bucket::of(&desk).await;
    desk.ok(&format!("set cluster spec.serviceAccountIssuerDiscovery.discoveryStore=s3://{}/c", bucket.name));
    bucket.s3.delete_bucket_policy().bucket(&bucket.name).send().await.unwrap();
    let said = desk.fails(1, "update cluster --yes");
    assert!(said.contains("AWS could not read") && said.contains("it has no policy"), "{said}");
    bucket.open().await;
    let block = PublicAccessBlockConfiguration::builder().restrict_public_buckets(true).build();
    let closed = bucket.s3.put_public_access_block().bucket(&bucket.name).public_access_block_configuration(block);
    closed.send().await.unwrap();
    assert!(desk.fails(1, "update cluster --yes").contains("has RestrictPublicBuckets"));
    assert_eq!(desk.bed.inventory().kinds.keys().collect::<Vec<_>>(), ["s3/bucket"]);
    bucket.s3.delete_public_access_block().bucket(&bucket.name).send().await.unwrap();
    let theirs = bucket.s3.put_object().bucket(&bucket.name).key("c/openid/v1/jwks").body(b"{}".to_vec().into());
    theirs.send().await.unwrap();
    let said = desk.fails(6, "update cluster --yes");
    assert!(said.contains("exists and is not this cluster's"), "{said}");
    bucket.s3.delete_object().bucket(&bucket.name).key("c/openid/v1/jwks").send().await.unwrap();
    desk.ok("update cluster --yes");
    desk.settled();
    desk.ok(&format!("delete cluster {CLUSTER} --yes"));
    desk.only_the_store_is_left();
}

/// A cluster of which neither specs nor records are left is found through the provider that carries its tag; another
/// cluster's issuer stays.
#[tokio::test]
async fn an_issuer_without_specs_is_found() {
    let desk = Desk::new().small();
    let bucket = Bucket::of(&desk).await;
    desk.ok(&format!("set cluster spec.serviceAccountIssuerDiscovery.discoveryStore=s3://{}/c", bucket.name));
    let iam = aws_sdk_iam::Client::new(&desk.bed.sdk_config().await);
    let theirs = format!("https://{}.s3.{ELSEWHERE}.amazonaws.com/d", bucket.name);
    iam.create_open_id_connect_provider().url(theirs).send().await.unwrap();
    desk.ok("update cluster --yes");
    desk.ok(&format!("delete cluster {CLUSTER} --unregister --yes"));
    assert_eq!(bucket.keys().await.len(), 3);
    desk.ok(&format!("delete cluster {CLUSTER} --yes --region eu-west-1"));
    let left = desk.bed.inventory().kinds;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["iam/oidc-provider", "s3/bucket"], "{left:?}");
    assert_eq!(left["iam/oidc-provider"].len(), 1);
    assert_eq!(bucket.keys().await, ["c/openid/v1/mine"]);
}
