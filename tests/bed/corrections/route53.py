"""Hosted zones."""

from corrections import override
from moto.core.exceptions import ServiceException
from moto.route53.models import Route53Backend


class HostedZoneAlreadyExists(ServiceException):
    code = "HostedZoneAlreadyExists"


@override(Route53Backend)
def create_hosted_zone(original, self, *args, **kwargs):
    """API_CreateHostedZone: a CallerReference is used once, so that a request whose answer was lost does not make a second
    zone; moto makes it."""
    reference = kwargs.get("caller_reference")
    if reference and any(zone.caller_reference == reference for zone in self.zones.values()):
        raise HostedZoneAlreadyExists(f"A hosted zone has already been created with the specified caller reference {reference}.")
    return original(self, *args, **kwargs)
