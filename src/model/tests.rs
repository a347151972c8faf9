//! Tests of the whole model. Tier: pure.

mod golden;
mod properties;
mod rights;
mod scripts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{AgentBinary, Facts, Input, Store, build};
use crate::catalogue::{ImageInfo, InstanceType};
use crate::cloud::aws::Account;
use crate::resource::Desired;
use crate::spec::complete::complete;
use crate::spec::{Cluster, InstanceGroup, Object};

/// Everything an input borrows.
struct Fixture {
    cluster: Cluster,
    groups: Vec<InstanceGroup>,
    account: Account,
    store: Store,
    types: BTreeMap<String, InstanceType>,
    facts: Facts,
}

/// The cases below `tests/fixtures/model`, by name.
fn cases() -> Vec<String> {
    let mut all: Vec<String> =
        std::fs::read_dir(directory()).unwrap().map(|d| d.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    assert!(all.len() >= 15, "fixtures are missing: {all:?}");
    all
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model")
}

impl Fixture {
    fn read(case: &str) -> Self {
        Fixture::parse(&std::fs::read_to_string(directory().join(case).join("specs.yaml")).unwrap())
    }

    fn parse(specs: &str) -> Self {
        let (mut clusters, mut groups) = (Vec::new(), Vec::new());
        for object in crate::spec::parse::parse(specs, "specs.yaml").unwrap() {
            match object {
                Object::Cluster(cluster) => clusters.push(*cluster),
                Object::InstanceGroup(group) => groups.push(*group),
            }
        }
        Fixture::of(&clusters.remove(0), &groups)
    }

    fn of(cluster: &Cluster, groups: &[InstanceGroup]) -> Self {
        let (cluster, groups) = complete(cluster, groups).unwrap();
        let region = cluster.spec.region().unwrap().to_owned();
        let facts = facts(&cluster, &groups);
        // Who seals keys with KMS encrypts the bucket as well.
        let kms_key =
            cluster.spec.key_store_kms_key.as_ref().map(|_| "arn:aws:kms:us-east-1:123456789012:key/state".into());
        Fixture {
            account: Account { id: "123456789012".into(), partition: "aws".into(), region: region.clone() },
            store: Store::S3 { bucket: "kspot-state".into(), prefix: "clusters".into(), region, kms_key },
            types: types(),
            facts,
            cluster,
            groups,
        }
    }

    fn input(&self) -> Input<'_> {
        Input {
            cluster: &self.cluster,
            groups: &self.groups,
            account: &self.account,
            store: &self.store,
            types: &self.types,
            facts: &self.facts,
        }
    }

    fn build(&self) -> Desired {
        build(&self.input()).unwrap()
    }
}

fn types() -> BTreeMap<String, InstanceType> {
    let known = [
        ("t3.medium", 2, 4096),
        ("m5.xlarge", 4, 16384),
        ("m5a.xlarge", 4, 16384),
        ("m6i.xlarge", 4, 16000),
        ("m7g.large", 2, 8192),
    ];
    let made = |(name, vcpus, memory_mib): (&str, u32, u64)| InstanceType {
        name: name.to_owned(),
        vcpus,
        memory_mib,
        ..InstanceType::default()
    };
    known.into_iter().map(|t| (t.0.to_owned(), made(t))).collect()
}

fn facts(cluster: &Cluster, groups: &[InstanceGroup]) -> Facts {
    let image = |group: &InstanceGroup| {
        let arm = group.spec.machine_type().starts_with("m7g.");
        let architecture = if arm { "arm64" } else { "x86_64" };
        ImageInfo {
            id: format!("ami-0{architecture}"),
            name: format!("ubuntu-noble-24.04-{architecture}"),
            owner: "099720109477".into(),
            architecture: architecture.into(),
            root_device_name: "/dev/sda1".into(),
            created: "2026-07-14T00:00:00.000Z".into(),
        }
    };
    let agent = |arch: &str, digit: &str| AgentBinary {
        key: format!("{}/bin/kspot-linux-{arch}-{}", cluster.name(), digit.repeat(64)),
        sha256: digit.repeat(64),
    };
    Facts {
        images: groups.iter().map(|g| (g.name().to_owned(), image(g))).collect(),
        agent: BTreeMap::from([("x86_64".into(), agent("amd64", "a")), ("arm64".into(), agent("arm64", "b"))]),
        checksums: BTreeMap::from([(
            "https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet".to_owned(),
            "c".repeat(64),
        )]),
        authorities: "-----BEGIN CERTIFICATE-----\nMIIBdGVzdA==\n-----END CERTIFICATE-----\n".into(),
        manifests: BTreeMap::new(),
        service_account_keys: include_str!("../pki/jwks/known.pem").to_owned(),
        discovery_region: Some("eu-central-1".into()),
        ssh_public_key: Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAItest me@example.com".into()),
        internet_gateway: Some("igw-0123456789abcdef0".into()),
        elastic_ips: BTreeMap::from([("192.0.2.7".to_owned(), "eipalloc-0aaaaaaaaaaaaaaaa".to_owned())]),
        // The zone that a `dnsZone` names was looked up; without one there is none, and a private one is made.
        hosted_zone: cluster.spec.dns_zone.as_ref().map(|_| "Z0123456789ABCDEFGHIJ".to_owned()),
    }
}
