//! EBS volume that outlives machines: the home of an etcd member.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, ResourceType, Volume as AwsVolume, VolumeState, VolumeType};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, from_ec2_tags, once};
use crate::cloud::{Attrs, Scope};
use crate::error::{Error, Result};

/// A volume for an etcd member. Whom it is attached to is the running system's matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The availability zone.
    pub zone: String,
    /// Size in GiB.
    pub size_gib: i32,
    /// `gp3`, `io2` ...
    pub volume_type: String,
    /// I/O operations per second, for the types that are given them (`gp3`, `io1`, `io2`).
    pub iops: Option<i32>,
    /// MiB/s, for the type that is given it (`gp3`).
    pub throughput: Option<i32>,
    /// Whether the data is encrypted at rest.
    pub encrypted: bool,
    /// The KMS key as the spec names it (id, alias or ARN); none for the account's default key.
    pub kms_key: Option<String>,
    /// Its tags; one whose key starts with [`ETCD_TAG`] is what tells it from machines' disks.
    pub tags: Tags,
}

impl Model for Volume {
    const KIND: Kind = Kind::Volume;
    const RULES: Rules = Rules {
        noun: "EBS volume",
        forces_replacement: &["zone", "encrypted", "kmsKey"],
        replace: ReplaceOrder::DeleteFirst,
        text: &[],
        ec2_type: Some("volume"),
        only_grows: &["sizeGib"],
        loses_data: Some("the etcd data on it"),
    };
}

/// How the keys of the tags begin that say which etcd member's volume this is. Machines' root disks
/// carry the cluster's tags as well; they are not this kind's.
pub const ETCD_TAG: &str = "k8s.io/etcd/";

/// The tag that keeps the KMS key as it was asked for: AWS answers with the ARN of whatever key that meant on the day.
const KMS_TAG: &str = "kspot.io/kms-key";

fn is_etcd(tags: &Tags) -> bool {
    tags.keys().any(|k| k.starts_with(ETCD_TAG))
}

fn normalise(volume: &AwsVolume, mut tags: Tags) -> Found<Volume> {
    let kind = volume.volume_type();
    // For the other types AWS answers with what follows from the size.
    let has_iops = matches!(kind, Some(VolumeType::Gp3 | VolumeType::Io1 | VolumeType::Io2));
    let has_throughput = kind == Some(&VolumeType::Gp3);
    Found {
        name: tags.get(tags::NAME).cloned().unwrap_or_default(),
        id: volume.volume_id().unwrap_or_default().to_owned(),
        attrs: Attrs::new(),
        resource: Volume {
            zone: volume.availability_zone().unwrap_or_default().to_owned(),
            size_gib: volume.size().unwrap_or_default(),
            volume_type: kind.map(|k| k.as_str().to_owned()).unwrap_or_default(),
            iops: volume.iops().filter(|_| has_iops),
            throughput: volume.throughput().filter(|_| has_throughput),
            encrypted: volume.encrypted().unwrap_or_default(),
            kms_key: tags.remove(KMS_TAG),
            tags,
        },
    }
}

impl Volume {
    fn all_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.extend(self.kms_key.iter().map(|k| (KMS_TAG.to_owned(), k.clone())));
        tags
    }
}

#[async_trait]
impl Aws for Volume {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let etcd = Filter::builder().name("tag-key").values(format!("{ETCD_TAG}*")).build();
        let mut pages = cloud
            .ec2
            .describe_volumes()
            .filters(ec2_cluster_filter(&scope.cluster))
            .filters(etcd)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(volume) = pages.next().await {
            let volume = volume.map_err(|e| AwsError::of("list volumes", &e))?;
            let tags = from_ec2_tags(scope, volume.tags());
            let gone = matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted));
            if !gone && is_etcd(&tags) && tags::is_owned(scope, &tags) {
                found.push(normalise(&volume, tags));
            }
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        if !is_etcd(&self.tags) {
            return Err(Error::failed(format!("{} has no {ETCD_TAG} tag: it would never be found again", call.addr)));
        }
        let request = call
            .cloud
            .ec2
            .create_volume()
            .client_token(call.token)
            .availability_zone(&self.zone)
            .size(self.size_gib)
            .volume_type(VolumeType::from(self.volume_type.as_str()))
            .set_iops(self.iops)
            .set_throughput(self.throughput)
            .encrypted(self.encrypted)
            .set_kms_key_id(self.kms_key.clone())
            .tag_specifications(ec2_tag_spec(ResourceType::Volume, &self.all_tags()));
        let made = request.customize().send().await.map_err(|e| AwsError::of(call.doing("create"), &e))?;
        let id = made.volume_id().unwrap_or_default().to_owned();
        once::until(&format!("the creation of {}", call.addr), 40, || async {
            let seen = once::settled(12, || async {
                let seen = call.cloud.ec2.describe_volumes().volume_ids(&id).customize().send().await;
                seen.map_err(|e| AwsError::of(call.doing("read"), &e))
            });
            match seen.await?.volumes().first().and_then(|v| v.state()) {
                Some(VolumeState::Available | VolumeState::InUse) => Ok(Some(())),
                Some(VolumeState::Creating) | None => Ok(None),
                Some(state) => Err(Error::failed(format!("AWS made {} ({id}) but its state is {}", call.addr, state.as_str()))
                    .hint("this happens when EBS may not use the volume's KMS key: check the key's policy")),
            }
        })
        .await?;
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.any(&["sizeGib", "volumeType", "iops", "throughput"]) {
            let modify = call
                .cloud
                .ec2
                .modify_volume()
                .volume_id(&live.id)
                .size(self.size_gib)
                .volume_type(VolumeType::from(self.volume_type.as_str()))
                .set_iops(self.iops)
                .set_throughput(self.throughput);
            modify.customize().send().await.map_err(|e| AwsError::of(call.doing("modify"), &e))?;
        }
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        // In use until the machine it is attached to has let go of it.
        once::deleted(60, || async {
            let delete = call.cloud.ec2.delete_volume().volume_id(&live.id).customize().send().await;
            delete.map_err(|e| AwsError::of(call.doing("delete"), &e))
        })
        .await
    }
}
