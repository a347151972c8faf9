"""Instances: what a launch template gives them, what goes with them at their end."""

from corrections import override
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.utils import convert_tag_spec, filter_dict_attribute_mapping, filter_iam_instance_profiles

# API_DescribeInstances: filters that moto lacks.
filter_dict_attribute_mapping.update({"instance-lifecycle": "lifecycle"})

ROOT_VOLUME_GIB = 8
GP3_IOPS = 3000


@override(Instance)
def prep_nics(original, self, nic_spec, **kwargs):
    """API_InstanceNetworkInterfaceSpecification: an interface made at launch goes with its instance unless the request says
    otherwise, and its groups are the instance's. moto keeps the interface for ever, so its subnet can never be deleted."""
    wanted = [dict(nic) for nic in nic_spec] or [{"DeviceIndex": 0}]
    for nic in wanted:
        nic.setdefault("DeviceIndex", 0)
        if "NetworkInterfaceId" not in nic:
            nic.setdefault("DeleteOnTermination", True)
    original(self, wanted, **kwargs)
    if not self.security_groups:
        groups = [self.ec2_backend.get_security_group_from_id(group) for group in wanted[0].get("Groups") or []]
        self.security_groups = groups or [self.ec2_backend.get_default_security_group(self.vpc_id)]


@override(InstanceBackend)
def run_instances(original, self, image_id, count, user_data, security_group_names, **kwargs):
    """API_RunInstances with LaunchTemplate: every parameter that the request leaves out is the template's, and the root
    volume is the image's, changed as the mapping for its device says. moto takes type, key, groups and user data from the
    template and adds a root volume of its own."""
    version = self._get_template_from_args(kwargs["launch_template"]) if kwargs.get("launch_template") else None
    data = version.data if version else {}
    image = self.amis.get(image_id or data.get("ImageId"))
    mappings = kwargs.get("block_device_mappings") or data.get("BlockDeviceMappings") or []
    if image and not kwargs.get("launch_config"):
        kwargs["block_device_mappings"] = _with_root(image, mappings)
    kwargs["metadata_options"] = kwargs.get("metadata_options") or data.get("MetadataOptions", {})
    market = data.get("InstanceMarketOptions", {}).get("MarketType")
    kwargs["instance_market_options"] = kwargs.get("instance_market_options") or market
    kwargs["nics"] = kwargs.get("nics") or _interfaces(data, kwargs.get("subnet_id"))
    profile = None if kwargs.get("iam_instance_profile_name") or kwargs.get("iam_instance_profile_arn") else data.get("IamInstanceProfile")
    if profile:
        _instance_profile(self, profile)
    reservation = original(self, image_id, count, user_data, security_group_names, **kwargs)
    for instance in reservation.instances:
        _finish(self, instance, data, kwargs.get("block_device_mappings") or [])
        if profile:
            _give_profile(self, instance, profile)
    return reservation


def _with_root(image, mappings: list[dict]) -> list[dict]:
    """The mappings that make a volume, the root's among them."""
    made = {m["DeviceName"]: m for m in mappings if m.get("Ebs")}
    root = {"VolumeSize": ROOT_VOLUME_GIB, "VolumeType": "gp2", "DeleteOnTermination": True}
    given = made.get(image.root_device_name, {}).get("Ebs", {})
    made[image.root_device_name] = {"DeviceName": image.root_device_name, "Ebs": {**root, **given}}
    return list(made.values())


def _interfaces(data: dict, subnet_id: str | None) -> list[dict]:
    specified = data.get("NetworkInterfaces", [])
    return [{**nic, "SubnetId": subnet_id} if subnet_id else dict(nic) for nic in specified]


def _instance_profile(ec2, profile: dict):
    return filter_iam_instance_profiles(ec2.account_id, ec2.partition, profile.get("Arn"), profile.get("Name"))


def _give_profile(ec2, instance, profile: dict) -> None:
    ec2.associate_iam_instance_profile(
        instance_id=instance.id,
        iam_instance_profile_name=profile.get("Name"),
        iam_instance_profile_arn=profile.get("Arn"),
    )


def _finish(ec2, instance, data: dict, mappings: list[dict]) -> None:
    """Volumes' performance and the tags that the template gives to volumes and interfaces."""
    tags = convert_tag_spec(data.get("TagSpecifications", []))
    asked = {mapping["DeviceName"]: mapping["Ebs"] for mapping in mappings}
    for device, block in instance.block_device_mapping.items():
        volume, ebs = ec2.volumes[block.volume_id], asked.get(device, {})
        if volume.volume_type == "gp3":
            volume.iops = ebs.get("Iops") or GP3_IOPS
            volume.throughput = ebs.get("Throughput") or 125
        volume.add_tags(tags.get("volume", {}))
    for nic in instance.nics.values():
        nic.add_tags(tags.get("network-interface", {}))


@override(Instance)
def terminate(original, self):
    """API_TerminateInstances: interfaces marked DeleteOnTermination go, the others become available, and addresses are free
    again. moto leaves all as they were attached."""
    interfaces = list(self.nics.values())
    going = [nic for nic in interfaces if nic.delete_on_termination]
    for address in self.ec2_backend.addresses:
        if address.eni in interfaces:
            self.ec2_backend.disassociate_address(address=address.public_ip)
    for nic in going:
        nic.delete_on_termination = False
    previous = original(self)
    for nic in interfaces:
        nic.instance, nic.attachment_id, nic.status = None, None, "available"
    for nic in going:
        self.ec2_backend.enis.pop(nic.id, None)
    return previous
