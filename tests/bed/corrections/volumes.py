"""EBS volumes."""

from corrections import override
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses.elastic_block_store import ElasticBlockStore


@override(EBSBackend)
def create_volume(original, self, size, zone_name, **kwargs):
    """API_CreateVolume: a gp3 volume has 125 MiB/s unless another throughput is asked for; moto answers none."""
    if kwargs.get("volume_type") == "gp3" and not kwargs.get("throughput"):
        kwargs["throughput"] = 125
    return original(self, size, zone_name, **kwargs)


@override(ElasticBlockStore)
def detach_volume(original, self):
    """API_DetachVolume: InstanceId is needed for multi-attach volumes only; moto raises without it."""
    if not self._get_param("InstanceId"):
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        if volume.attachment:
            self.params["InstanceId"] = volume.attachment.instance.id
    return original(self)
