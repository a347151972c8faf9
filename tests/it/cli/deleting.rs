//! Deleting: all that is ours, nothing that is not, and never by mistake.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

use super::{Desk, SMALL};
use crate::bed::Bed;

const DELETE: &str = "delete cluster c.k8s.local --yes";

/// A script names the cluster on the command line: the environment alone never decides what is deleted.
#[test]
fn the_environment_does_not_name_the_victim() {
    let desk = Desk::with_directory(Bed::new()).small();
    let said = desk.fails(2, "delete cluster --yes");
    assert!(said.contains("error: the cluster to delete is named by KSPOT_CLUSTER_NAME only"), "{said}");
    assert!(said.contains("kspot delete cluster c.k8s.local --yes"), "{said}");
    assert_eq!(desk.ok("get clusters -o name").stdout, "c.k8s.local\n");
    desk.ok("delete cluster --name c.k8s.local --yes");
    assert_eq!(desk.ok("get clusters -o name").stdout, "");
}

/// Without a terminal and without --yes nothing is deleted; the plan is shown, and the error says what to add.
#[test]
fn without_yes_nothing_is_deleted() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let before = desk.shape();
    let shown = desk.run("delete cluster c.k8s.local");
    assert_ne!(shown.exit, 0);
    assert!(shown.stdout.contains("- volume/a.etcd-main.c.k8s.local"), "{}", shown.stdout);
    assert!(shown.stdout.contains("Data is lost for good"), "{}", shown.stdout);
    assert!(shown.stderr.contains("--yes"), "{}", shown.stderr);
    for line in ["delete ig spot", "delete state-store"] {
        assert!(desk.run(line).exit != 0, "{line}");
    }
    assert_eq!(desk.shape(), before);
    assert_eq!(desk.ok("get ig -o name").stdout, "control-plane\nspot\n");
}

/// A protected cluster is not deleted until the protection is taken away by a command of its own.
#[test]
fn a_protected_cluster_stays() {
    let desk = Desk::new();
    desk.ok("create cluster --zones eu-west-1a --admin-access 198.51.100.0/24 --protect --yes");
    let before = desk.shape();
    for line in [DELETE, "delete cluster c.k8s.local --unregister --yes"] {
        let said = desk.fails(1, line);
        assert!(said.contains("error: cluster c.k8s.local is protected against deletion"), "{said}");
        assert!(said.contains("hint: kspot unset cluster spec.deletionProtection"), "{said}");
    }
    assert_eq!(desk.shape(), before);
    desk.ok("unset cluster spec.deletionProtection");
    desk.ok(DELETE);
    desk.only_the_store_is_left();
}

/// A cluster whose specs are gone is found by its tags and names, and nothing of it is left.
#[tokio::test]
async fn a_cluster_without_specs_is_found_by_its_tags() {
    let desk = Desk::new().small();
    desk.ok("set cluster spec.nodeTerminationHandler.enabled=true");
    desk.ok("update cluster --yes");
    desk.ok("delete cluster c.k8s.local --unregister --yes");
    assert_eq!(desk.ok("get clusters -o name").stdout, "");
    assert!(desk.bed.inventory().total > 10);
    let config = aws_sdk_s3::config::Builder::from(&desk.bed.sdk_config().await).force_path_style(true).build();
    let listed = aws_sdk_s3::Client::from_conf(config).list_objects_v2().bucket(desk.store.trim_start_matches("s3://"));
    assert_eq!(listed.send().await.unwrap().key_count(), Some(0));
    desk.ok("delete cluster c.k8s.local --yes --region eu-west-1");
    desk.only_the_store_is_left();
    let said = desk.fails(1, DELETE);
    assert!(said.contains("error: there is no cluster c.k8s.local"), "{said}");
}

/// What is not ours stays: a network without tags, one that somebody else tagged, and clusters whose names begin or end
/// with ours.
#[tokio::test]
async fn strangers_are_left_alone() {
    let desk = Desk::new().small();
    let ec2 = aws_sdk_ec2::Client::new(&desk.bed.sdk_config().await);
    let plain = ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.unwrap().vpc.unwrap();
    ec2.create_subnet().vpc_id(plain.vpc_id().unwrap()).cidr_block("10.1.0.0/24").send().await.unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let kops = TagSpecification::builder().resource_type(ResourceType::Vpc);
    let kops = kops.tags(tag("KubernetesCluster", "c.k8s.local")).tags(tag("Name", "c.k8s.local"));
    ec2.create_vpc().cidr_block("10.2.0.0/16").tag_specifications(kops.build()).send().await.unwrap();
    let strangers = desk.shape();
    let neighbours = ["b.c.k8s.local", "c.k8s.local.example.com"];
    for name in neighbours {
        desk.file("other.yaml", &SMALL.replace("c.k8s.local", name));
        desk.ok("create -f other.yaml");
        desk.ok(&format!("update cluster {name} --yes"));
    }
    let others = desk.shape();
    desk.ok("update cluster --yes");
    desk.ok(DELETE);
    assert_eq!(desk.shape(), others);
    for name in neighbours {
        let looked = desk.ok(&format!("update cluster {name} --detailed-exitcode")).stdout;
        assert!(looked.starts_with("No changes."), "{looked}");
        desk.ok(&format!("delete cluster {name} --yes"));
    }
    assert_eq!(desk.shape(), strangers);
}

/// A network that is given by id is used, never changed and never deleted.
#[tokio::test]
async fn a_shared_network_survives() {
    let desk = Desk::new();
    let ec2 = aws_sdk_ec2::Client::new(&desk.bed.sdk_config().await);
    let vpc = ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().vpc_id(&vpc).internet_gateway_id(gateway).send().await.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.1.0.0/24").availability_zone("eu-west-1a");
    let subnet = subnet.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let before = (desk.shape(), network(&ec2, &vpc).await);
    desk.ok(&format!(
        "create cluster --zones eu-west-1a --admin-access 198.51.100.0/24 --network-id {vpc} --subnets {subnet} --yes"
    ));
    desk.settled();
    assert_eq!(network(&ec2, &vpc).await, before.1);
    desk.ok(DELETE);
    assert_eq!((desk.shape(), network(&ec2, &vpc).await), before);
}

/// A state store is deleted only when no cluster is in it.
#[test]
fn a_used_state_store_stays() {
    let desk = Desk::new().small();
    let said = desk.fails(1, "delete state-store --yes");
    assert!(said.contains("holds 1 cluster") && said.contains("c.k8s.local"), "{said}");
    desk.ok(DELETE);
    desk.ok("delete state-store --yes");
    assert_eq!(desk.bed.inventory().total, 0);
}

/// A deleted group takes its Auto Scaling group, its launch template, its machines and its configuration with it, and
/// nothing else.
#[test]
fn a_deleted_group_takes_everything_of_its_own() {
    let desk = Desk::new().small();
    let more = SMALL.rsplit("---\n").next().unwrap().replace("name: spot", "name: stays");
    desk.file("more.yaml", &more);
    desk.ok("create -f more.yaml");
    desk.ok("update cluster --yes");
    let whole = desk.shape();
    desk.ok("delete ig spot --yes");
    let left = desk.shape();
    let gone: Vec<(&str, usize)> = whole
        .iter()
        .map(|(kind, ids)| (kind.as_str(), ids.len() - left.get(kind).map_or(0, Vec::len)))
        .filter(|(_, fewer)| *fewer > 0)
        .collect();
    let volumes = gone.iter().find(|(kind, _)| *kind == "ec2/volume").map_or(0, |(_, n)| *n);
    assert!(volumes <= 2, "{gone:?}");
    let gone: Vec<_> =
        gone.into_iter().filter(|(kind, _)| !["ec2/volume", "ec2/network-interface"].contains(kind)).collect();
    assert_eq!(
        gone.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["autoscaling/group", "ec2/instance", "ec2/launch-template"]
    );
    assert_eq!(desk.ok("get ig -o name").stdout, "control-plane\nstays\n");
    desk.settled();
    let said = desk.fails(1, "delete ig spot --yes");
    assert!(said.contains("no instance group spot"), "{said}");
}

/// How a network is tagged, configured and cut up. (Machines use addresses; that is no change of the subnet.)
async fn network(ec2: &aws_sdk_ec2::Client, vpc: &str) -> String {
    let of_vpc = Filter::builder().name("vpc-id").values(vpc).build();
    let vpcs = ec2.describe_vpcs().vpc_ids(vpc).send().await.unwrap();
    let mut subnets = ec2.describe_subnets().filters(of_vpc.clone()).send().await.unwrap().subnets.unwrap();
    subnets.iter_mut().for_each(|s| s.available_ip_address_count = None);
    let tables = ec2.describe_route_tables().filters(of_vpc.clone()).send().await.unwrap();
    let gateways = Filter::builder().name("attachment.vpc-id").values(vpc).build();
    let gateways = ec2.describe_internet_gateways().filters(gateways).send().await.unwrap();
    format!("{:?} {:?} {:?} {:?}", vpcs.vpcs(), subnets, tables.route_tables(), gateways.internet_gateways())
}
