"""Roles and instance profiles."""

from corrections import add, override
from moto.core.responses import ActionResult, EmptyResult
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


@add(IamResponse)
def add_client_id_to_open_id_connect_provider(self):
    """API_AddClientIDToOpenIDConnectProvider: moto lacks the call. "This operation is idempotent; it does not fail or return
    an error if you add an existing client ID"."""
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    if client not in provider.client_id_list:
        provider.client_id_list.append(client)
    return EmptyResult()


@add(IamResponse)
def remove_client_id_from_open_id_connect_provider(self):
    """API_RemoveClientIDFromOpenIDConnectProvider: moto lacks the call. "This operation is idempotent; it does not fail or
    return an error if you try to remove a client ID that does not exist"."""
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    provider.client_id_list = [known for known in provider.client_id_list if known != client]
    return EmptyResult()
