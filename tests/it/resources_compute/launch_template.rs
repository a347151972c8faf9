//! Launch templates and their versions.

use kspot::resource::launch_template::{
    BlockDevice, EbsVolume, LATEST, LaunchTemplateData, MetadataOptions, NetworkInterface, SpotOptions, VERSION,
};
use kspot::resource::{Addr, AutoScalingGroup, Desired, Kind, LaunchTemplate};

use super::{NODES, ground, group, root, said, template, template_data};
use crate::bed::Bed;
use crate::harness::{Stage, tagged, tagged_also, thing, with};

/// Every field of a template's content makes a new version, which is the default one at once.
#[tokio::test]
async fn launch_template() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let base = with(&ground(), [thing(NODES, template(template_data()))]);
    let data = |d: LaunchTemplateData| with(&base, [thing(NODES, template(d))]);
    let usual = template_data;
    let interface = NetworkInterface { public_ip: false, ipv6_addresses: 1, ..usual().network_interface };
    let open = MetadataOptions { http_tokens: "optional".into(), hop_limit: 2, ipv6: true, enabled: true };
    let mut devices = usual().block_devices;
    devices.insert("/dev/sdb".into(), BlockDevice::Ephemeral("ephemeral0".into()));
    let larger = EbsVolume { size: 100, volume_type: "io2".into(), iops: Some(5000), throughput: None, ..root() };
    devices.insert("/dev/sda1".into(), BlockDevice::Ebs(larger));
    let spot = SpotOptions { max_price: Some("0.1".into()), interruption_behavior: "terminate".into() };
    stage
        .round_trip(&[
            base.clone(),
            data(LaunchTemplateData { image_id: "ami-0a1b2c3d4e5f60003".into(), ..usual() }),
            data(LaunchTemplateData { instance_type: "m6i.large".into(), ..usual() }),
            data(LaunchTemplateData { instance_profile: None, network_interface: interface, ..usual() }),
            data(LaunchTemplateData { metadata: open, monitoring: true, ..usual() }),
            data(LaunchTemplateData { block_devices: devices, ..usual() }),
            data(LaunchTemplateData {
                cpu_credits: Some("standard".into()),
                tenancy: Some("dedicated".into()),
                ..usual()
            }),
            data(LaunchTemplateData { spot: Some(spot), ..usual() }),
            data(LaunchTemplateData { user_data: "#!/bin/bash\nexit 0\n".into(), ..usual() }),
            data(LaunchTemplateData { instance_tags: tagged(NODES), ..usual() }),
            with(
                &base,
                [thing(NODES, LaunchTemplate { tags: tagged_also(NODES, "kspot.io/x", "1"), ..template(usual()) })],
            ),
        ])
        .await;
    assert!(bed.inventory().kinds.keys().all(|kind| !kind.starts_with("ec2/")));
}

/// A template with this content, and a group of it.
fn group_of(data: LaunchTemplateData, size: u32) -> Desired {
    let template = template(data);
    let group = AutoScalingGroup { launch_template_content: template.content(), min: size, ..group() };
    with(&ground(), [thing(NODES, template), thing(NODES, group)])
}

async fn fact(stage: &Stage, name: &str) -> String {
    stage.observe().await[&Addr::new(Kind::LaunchTemplate, NODES)].attrs[name].clone()
}

/// The numbers of the template's versions, oldest first.
async fn versions(stage: &Stage) -> Vec<i64> {
    let answer = stage.cloud.ec2.describe_launch_template_versions().launch_template_name(NODES).send().await.unwrap();
    let mut numbers: Vec<i64> = answer.launch_template_versions().iter().filter_map(|v| v.version_number()).collect();
    numbers.sort_unstable();
    numbers
}

/// Going back to an older content takes the old version again; few old versions are kept, but never one that a group
/// pins or an instance was launched from.
#[tokio::test]
async fn launch_template_versions() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    stage.apply(&group_of(said("1"), 1)).await;
    stage.apply(&group_of(said("2"), 1)).await;
    assert_eq!(fact(&stage, VERSION).await, "2");
    stage.apply(&group_of(said("1"), 1)).await;
    assert_eq!((fact(&stage, VERSION).await, fact(&stage, LATEST).await), ("1".into(), "2".into()));
    assert_eq!(versions(&stage).await, [1, 2]);
    for n in 3..=8 {
        stage.apply(&group_of(said(&n.to_string()), 1)).await;
    }
    // The newest five; and the first, of which the group's instance is.
    assert_eq!(versions(&stage).await, [1, 4, 5, 6, 7, 8]);
}

/// A group that somebody moved to another version, and a default version that somebody moved, are put right.
#[tokio::test]
async fn moved_versions_are_put_right() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    stage.apply(&group_of(said("1"), 0)).await;
    let wanted = group_of(said("2"), 0);
    stage.apply(&wanted).await;
    let first =
        aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_name(NODES).version("1");
    let update = stage.cloud.autoscaling.update_auto_scaling_group().auto_scaling_group_name(NODES);
    update.launch_template(first.build()).send().await.unwrap();
    let plan = stage.apply(&wanted).await;
    assert_eq!(plan.changes.iter().map(|c| c.addr.kind).collect::<Vec<_>>(), [Kind::AutoScalingGroup]);

    stage.cloud.ec2.modify_launch_template().launch_template_name(NODES).default_version("1").send().await.unwrap();
    stage.apply(&wanted).await;
    assert_eq!(versions(&stage).await, [1, 2]);
}
