"""EBS volumes."""

from corrections import override
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses.elastic_block_store import ElasticBlockStore


@override(EBSBackend)
def create_volume(original, self, size, zone_name, **kwargs):
    """API_CreateVolume: a gp3 volume has 125 MiB/s unless another throughput is asked for; moto answers none."""
    if kwargs.get("volume_type") == "gp3" and not kwargs.get("throughput"):
        kwargs["throughput"] = 125
    return original(self, size, zone_name, **kwargs)


@override(EBSBackend)
def attach_volume(original, self, volume_id, instance_id, device_path, delete_on_termination=False):
    """API_AttachVolume, "Attach a volume to an instance": a volume goes to one instance, of its own zone, under a device name
    that is free there. moto moves a volume away from its instance, out of its zone, and onto another volume's name."""
    volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
    if volume.attachment:
        raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
    if volume.zone.name != instance.placement.zone:
        message = f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"
        raise EC2ClientError("InvalidVolume.ZoneMismatch", message)
    if device_path in instance.block_device_mapping:
        message = f"Invalid value '{device_path}' for unixDevice. Attachment point {device_path} is already in use"
        raise EC2ClientError("InvalidParameterValue", message)
    return original(self, volume_id, instance_id, device_path, delete_on_termination)


@override(ElasticBlockStore)
def detach_volume(original, self):
    """API_DetachVolume: InstanceId is needed for multi-attach volumes only; moto raises without it."""
    if not self._get_param("InstanceId"):
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        if volume.attachment:
            self.params["InstanceId"] = volume.attachment.instance.id
    return original(self)
