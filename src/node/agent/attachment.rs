//! The volumes of etcd's members on this machine, as EC2 has them.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::steps::volumes::Volumes;
use crate::cloud::aws::AwsCloud;
use crate::cloud::aws::volumes::{MemberVolume, of_member};
use crate::error::{Error, Result};

/// How soon EC2 is asked again how an attachment goes, and how late at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// How long it may take before that is worth a word.
const PATIENCE: Duration = Duration::from_secs(60);

/// The volumes that this machine may have.
pub(super) struct OfEc2 {
    /// AWS.
    pub(super) aws: AwsCloud,
    /// This machine.
    pub(super) here: Here,
}

/// A machine that wants a member's volume.
pub(super) struct Here {
    /// Its cluster.
    pub(super) cluster: String,
    /// The zone that it is in.
    pub(super) zone: String,
    /// Its instance id.
    pub(super) instance: String,
}

/// What there is to do until it has the volume.
#[derive(Debug, PartialEq, Eq)]
enum Next<'a> {
    /// Nothing.
    Attached(&'a str),
    /// This one is to be attached.
    Attach(&'a str),
    /// This one is on its way here, or off.
    Wait { volume: &'a str, attachment: &'a str },
}

#[async_trait]
impl Volumes for OfEc2 {
    async fn attached(&self, etcd: &str, member: &str) -> Result<String> {
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let all = self.aws.member_volumes(&self.here.cluster).await?;
            match self.here.next(&all, etcd, member)? {
                Next::Attached(volume) => return Ok(volume.to_owned()),
                Next::Attach(volume) => self.aws.attach_volume(volume, &self.here.instance).await?,
                Next::Wait { volume, attachment } if began.elapsed() >= PATIENCE => {
                    let seconds = PATIENCE.as_secs();
                    return Err(Error::failed(format!(
                        "volume {volume} of etcd {etcd} member {member} is {attachment} since {seconds} s"
                    )));
                }
                Next::Wait { .. } => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

impl Here {
    fn next<'a>(&self, all: &'a [MemberVolume], etcd: &str, member: &str) -> Result<Next<'a>> {
        let missing = || {
            Error::failed(format!("there is no volume of etcd {etcd} member {member} in cluster {}", self.cluster))
                .hint("kspot update cluster shows what is missing")
        };
        let volume = of_member(all, etcd, member)?.ok_or_else(missing)?;
        let what = format!("volume {} of etcd {etcd} member {member}", volume.id);
        if volume.zone != self.zone {
            return Err(Error::failed(format!("{what} is in {}, this machine in {}", volume.zone, self.zone))
                .hint("the group's subnets were changed: bring them back into the volume's zone"));
        }
        let (id, attachment) = (volume.id.as_str(), volume.attachment.as_str());
        match volume.instance.as_deref() {
            None => Ok(Next::Attach(id)),
            Some(instance) if instance == self.instance && attachment == "attached" => Ok(Next::Attached(id)),
            Some(instance) if instance == self.instance => Ok(Next::Wait { volume: id, attachment }),
            Some(instance) => Err(Error::failed(format!("{what} is attached to {instance}"))
                .hint(format!("{instance} has to go first: aws ec2 terminate-instances --instance-ids {instance}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(zone: &str, instance: Option<&str>, attachment: &str) -> [MemberVolume; 1] {
        [MemberVolume {
            id: "vol-1".into(),
            etcd: "main".into(),
            member: "a".into(),
            zone: zone.into(),
            instance: instance.map(str::to_owned),
            attachment: attachment.into(),
        }]
    }

    fn here() -> Here {
        Here { cluster: "c.example.com".into(), zone: "eu-west-1a".into(), instance: "i-1".into() }
    }

    /// A volume that nobody has is attached; one on its way is waited for.
    #[test]
    fn a_volume_comes_here() {
        let here = here();
        let next = |all: &[MemberVolume]| format!("{:?}", here.next(all, "main", "a").unwrap());
        assert_eq!(next(&volume("eu-west-1a", None, "")), "Attach(\"vol-1\")");
        let coming = "Wait { volume: \"vol-1\", attachment: \"attaching\" }";
        assert_eq!(next(&volume("eu-west-1a", Some("i-1"), "attaching")), coming);
        assert_eq!(next(&volume("eu-west-1a", Some("i-1"), "attached")), "Attached(\"vol-1\")");
    }

    /// A volume that is not there, elsewhere, or another machine's is named, with what to do.
    #[test]
    fn a_volume_that_can_t_come_is_named() {
        let here = here();
        let refused = |all: &[MemberVolume], why: &str, hint: &str| {
            let error = here.next(all, "main", "a").unwrap_err();
            assert!(error.message().contains(why), "{error}");
            assert!(error.hints().iter().any(|h| h.contains(hint)), "{:?}", error.hints());
        };
        refused(&[], "there is no volume of etcd main member a in cluster c.example.com", "kspot update cluster");
        let elsewhere = volume("eu-west-1b", None, "");
        refused(&elsewhere, "vol-1 of etcd main member a is in eu-west-1b, this machine in eu-west-1a", "subnets");
        let taken = volume("eu-west-1a", Some("i-2"), "attached");
        refused(&taken, "vol-1 of etcd main member a is attached to i-2", "terminate-instances --instance-ids i-2");
    }
}
