"""Roles and instance profiles."""

from corrections import add, override
from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse


@override(IAMBackend)
def remove_role_from_instance_profile(original, self, profile_name, role_name):
    """API_RemoveRoleFromInstanceProfile: a role that is not in the profile is NoSuchEntity; moto raises."""
    if self.get_role(role_name) not in self.get_instance_profile(profile_name).roles:
        raise NotFoundException(f"Cannot find role {role_name} in instance profile {profile_name}")
    return original(self, profile_name, role_name)


@add(IamResponse)
def list_instance_profile_tags(self):
    """API_ListInstanceProfileTags: moto lacks the call."""
    profile = self.backend.get_instance_profile(self._get_param("InstanceProfileName"))
    return ActionResult({"Tags": profile.tags, "IsTruncated": False})
