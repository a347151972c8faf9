"""EC2 tags."""

from corrections import override
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.tags import EC2_PREFIX_TO_RESOURCE, get_prefix


@override(TaggedEC2Resource)
def get_tags(_original, self):
    """The same answer as moto's in constant time: moto scans the tags of the whole region for each resource, so that
    DescribeInstances by tag over 3000 instances takes half a minute."""
    if not self.id:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    tags = self.ec2_backend.tags.get(self.id, {})
    return [{"resource_id": self.id, "key": k, "value": v, "resource_type": kind} for k, v in tags.items()]
