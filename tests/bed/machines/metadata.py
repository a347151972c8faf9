"""What the metadata service says to an instance: a flat map from path to text.

Read out of the emulator's state while its lock is held, at each request: so it is as new as any answer of the API.
"""

import base64
import datetime
import json

from machines.cloud import Instance, Place, backend
from machines.network import mac_of

CREDENTIALS_SECONDS = 6 * 3600
RENEW_BEFORE_SECONDS = 300


class Credentials:
    """A role's temporary credentials by instance, as EC2 gives them out: the session is called like the instance."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str], object] = {}
        self.profiles: dict[str, object] = {}

    def profile_of(self, raw):
        """The instance profile. moto takes it away with the termination; an instance has it until it is off."""
        association = raw.ec2_backend.iam_instance_profile_associations.get(raw.id)
        if association:
            self.profiles[raw.id] = association.iam_instance_profile
        elif raw.state == "running":
            self.profiles.pop(raw.id, None)
        return self.profiles.get(raw.id)

    def of(self, place: Place, instance_id: str, role) -> dict[str, str]:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        given = self.given.get((instance_id, role.arn))
        if given is None or (given.expiration - now).total_seconds() < RENEW_BEFORE_SECONDS:
            given = backend("sts", Place(place.account, "aws")).assume_role(
                region_name=place.region,
                role_session_name=instance_id,
                role_arn=role.arn,
                policy="",
                duration=CREDENTIALS_SECONDS,
                external_id="",
            )
            given.issued = now
            self.given[instance_id, role.arn] = given
        return {
            "Code": "Success",
            "LastUpdated": _time(given.issued),
            "Type": "AWS-HMAC",
            "AccessKeyId": given.access_key_id,
            "SecretAccessKey": given.secret_access_key,
            "Token": given.session_token,
            "Expiration": _time(given.expiration),
        }


def describe(instance: Instance, raw, credentials: Credentials, interruption: datetime.datetime | None) -> dict[str, str]:
    """Everything below /latest/meta-data/; `raw` is moto's object for the instance."""
    ec2, place = raw.ec2_backend, instance.place
    subnet = ec2.get_subnet(raw.subnet_id)
    vpc = ec2.vpcs[raw.vpc_id]
    host, mac, card = raw.private_dns_name, mac_of(instance), raw.nics[0]
    said = {
        "ami-id": raw.image_id,
        "ami-launch-index": str(raw.ami_launch_index),
        "ami-manifest-path": "(unknown)",
        "block-device-mapping/ami": raw.root_device_name,
        "block-device-mapping/root": raw.root_device_name,
        "hostname": host,
        "instance-action": "none",
        "instance-id": raw.id,
        "instance-life-cycle": instance.lifecycle,
        "instance-type": raw.instance_type,
        "local-hostname": host,
        "local-ipv4": instance.address,
        "mac": mac,
        "placement/availability-zone": instance.zone,
        "placement/availability-zone-id": subnet._availability_zone.zone_id,
        "placement/region": place.region,
        "profile": "default-hvm",
        "reservation-id": next((r.id for r in ec2.reservations.values() if raw in r.instances), ""),
        "security-groups": "\n".join(group.name for group in raw.security_groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    interface = {
        "device-number": "0",
        "interface-id": card.id,
        "local-hostname": host,
        "local-ipv4s": instance.address,
        "mac": mac,
        "owner-id": place.account,
        "security-group-ids": "\n".join(group.id for group in raw.security_groups),
        "security-groups": said["security-groups"],
        "subnet-id": raw.subnet_id,
        "subnet-ipv4-cidr-block": subnet.cidr_block,
        "vpc-id": raw.vpc_id,
        "vpc-ipv4-cidr-block": vpc.cidr_block,
        "vpc-ipv4-cidr-blocks": "\n".join(block["cidr_block"] for block in vpc.cidr_block_association_set),
    }
    if raw.public_ip:
        said |= {"public-ipv4": raw.public_ip, "public-hostname": raw.public_dns_name}
        interface |= {"public-ipv4s": raw.public_ip, "public-hostname": raw.public_dns_name}
    said |= {f"network/interfaces/macs/{mac}/{key}": value for key, value in interface.items()}
    if raw.metadata_options.instance_metadata_tags == "enabled":
        said |= {f"tags/instance/{tag['key']}": tag["value"] for tag in raw.get_tags() if not tag["key"].startswith("aws:")}
    if profile := credentials.profile_of(raw):
        said["iam/info"] = json.dumps({"Code": "Success", "InstanceProfileArn": profile.arn, "InstanceProfileId": profile.id})
        for role in profile.roles[:1]:
            document = credentials.of(place, raw.id, role)
            said[f"iam/security-credentials/{role.name}"] = json.dumps(document, indent=2)
    if interruption:
        said["spot/instance-action"] = json.dumps({"action": "terminate", "time": _time(interruption)})
        said["spot/termination-time"] = _time(interruption)
    return said


def identity_document(instance: Instance, raw) -> str:
    document = {
        "accountId": instance.place.account,
        "architecture": instance.architecture,
        "availabilityZone": instance.zone,
        "imageId": raw.image_id,
        "instanceId": raw.id,
        "instanceType": raw.instance_type,
        "pendingTime": _time(raw.launch_time),
        "privateIp": instance.address,
        "region": instance.place.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


def user_data(raw) -> bytes | None:
    """What the request gave, as bytes; moto keeps it in base64, and its own way of decoding takes it for text."""
    given = raw.user_data
    if not given:
        return None
    return base64.b64decode(given.as_bytes() if hasattr(given, "as_bytes") else given)


def _time(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
