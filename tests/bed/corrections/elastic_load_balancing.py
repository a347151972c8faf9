"""Load balancers, target groups and listeners (ELBv2)."""

import re
import types

from corrections import override
from moto.elbv2 import models
from moto.elbv2.exceptions import (
    DuplicateListenerError,
    DuplicateLoadBalancerName,
    DuplicateTargetGroupName,
    ELBClientError,
    ValidationError,
)
from moto.elbv2.models import ELBv2Backend


def _match_allowing_hyphens(pattern, string, *flags):
    """API_CreateTargetGroup: a name may hold two hyphens in a row; moto's pattern forbids it."""
    return re.match(pattern.replace("(?!.*--)", ""), string, *flags)


models.re = types.SimpleNamespace(**{**vars(re), "match": _match_allowing_hyphens})


def _settings(kwargs: dict) -> str:
    return repr(sorted((name, str(value)) for name, value in kwargs.items() if name != "tags"))


@override(ELBv2Backend)
def create_load_balancer(original, self, name, **kwargs):
    """API_CreateLoadBalancer: the same request again answers the same balancer, another with its name is
    DuplicateLoadBalancerName; a network balancer's ARN says `net`; a name has at most 32 characters. moto makes a second
    balancer, always `app`, with any name."""
    if len(name) > 32:
        raise ValidationError(f"Load balancer name '{name}' cannot be longer than '32' characters")
    for existing in self.load_balancers.values():
        if existing.name == name:
            if existing.created_with != _settings(kwargs):
                raise DuplicateLoadBalancerName()
            return existing
    make_arn = models.make_arn_for_load_balancer
    kind = {"network": "net", "gateway": "gwy"}.get(kwargs.get("loadbalancer_type"), "app")
    models.make_arn_for_load_balancer = lambda **k: make_arn(**k).replace("/app/", f"/{kind}/")
    try:
        created = original(self, name, **{**kwargs, "scheme": kwargs.get("scheme") or "internet-facing"})
    finally:
        models.make_arn_for_load_balancer = make_arn
    created.created_with = _settings(kwargs)
    return created


@override(ELBv2Backend)
def create_target_group(original, self, name, **kwargs):
    """API_CreateTargetGroup: the same request again answers the same group; moto refuses it."""
    for existing in self.target_groups.values():
        if existing.name == name:
            if existing.created_with != _settings(kwargs):
                raise DuplicateTargetGroupName()
            return existing
    created = original(self, name, **kwargs)
    created.created_with = _settings(kwargs)
    return created


@override(ELBv2Backend)
def create_listener(original, self, load_balancer_arn, protocol, port, *args, **kwargs):
    """API_CreateListener: the same request again answers the same listener, another on a taken port is DuplicateListener;
    moto makes a second one."""
    balancer = self.load_balancers.get(load_balancer_arn)
    asked = _settings({"protocol": protocol, "args": args, **kwargs})
    for existing in balancer.listeners.values() if balancer else []:
        if str(existing.port) == str(port):
            if existing.created_with != asked:
                raise DuplicateListenerError()
            return existing
    created = original(self, load_balancer_arn, protocol, port, *args, **kwargs)
    created.created_with = asked
    return created


@override(ELBv2Backend)
def delete_load_balancer(original, self, arn):
    """API_DeleteLoadBalancer: refused while deletion protection is on; moto deletes it."""
    balancer = self.load_balancers.get(arn)
    if balancer and balancer.attrs.get("deletion_protection.enabled") == "true":
        message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        raise ELBClientError("OperationNotPermitted", message)
    return original(self, arn)


@override(ELBv2Backend)
def set_subnets(original, self, arn, subnets, subnet_mappings):
    """API_SetSubnets: a network load balancer takes one or more zones, only application load balancers need two; moto
    wants two of both."""
    balancer = self.load_balancers.get(arn)
    ids = [*subnets, *(mapping["SubnetId"] for mapping in subnet_mappings)]
    if balancer is None or balancer.type != "network" or len(ids) != 1:
        return original(self, arn, subnets, subnet_mappings)
    balancer.subnets = [self.ec2_backend.get_subnet(ids[0])]
    return [models.AvailabilityZone(subnet) for subnet in balancer.subnets]
