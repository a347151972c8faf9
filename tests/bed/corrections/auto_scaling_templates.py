"""What an Auto Scaling group's launch template must name."""

from corrections import override
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import FakeAutoScalingGroup
from moto.core.exceptions import ServiceException
from moto.ec2.utils import filter_iam_instance_profiles


@override(FakeAutoScalingGroup)
def _set_launch_configuration(original, self, *args, **kwargs):
    """API_CreateAutoScalingGroup: the template is tried with EC2, and what it names (image, key, security groups, instance
    profile) must exist: "You must use a valid fully-formed launch template". moto looks at nothing."""
    original(self, *args, **kwargs)
    if not self.ec2_launch_template:
        return
    try:
        _check(self.ec2_backend, self.ec2_launch_template.get_version(self.launch_template_version).data)
    except ServiceException as error:
        raise ValidationError(f"You must use a valid fully-formed launch template. {error.message}") from None


def _check(ec2, data: dict) -> None:
    if image := data.get("ImageId"):
        if not image.startswith("resolve:"):
            ec2.describe_images(ami_ids=[image])
    if key := data.get("KeyName"):
        ec2.describe_key_pairs(key_names=[key])
    interfaces = data.get("NetworkInterfaces", [])
    groups = [*data.get("SecurityGroupIds", []), *(group for nic in interfaces for group in nic.get("Groups", []))]
    if groups:
        ec2.describe_security_groups(group_ids=list(dict.fromkeys(groups)))
    if profile := data.get("IamInstanceProfile"):
        filter_iam_instance_profiles(ec2.account_id, ec2.partition, profile.get("Arn"), profile.get("Name"))
