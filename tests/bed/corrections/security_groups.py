"""Security groups and their rules."""

from corrections import override
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.ec2.responses.security_groups import SecurityGroups
from moto.core.responses import ActionResult


@override(SecurityGroupRule)
def __init__(original, self, ec2_backend, ip_protocol, group_id, from_port, to_port, *args, **kwargs):
    """API_IpPermission: a protocol other than tcp, udp and icmp has no ports; moto raises without them and leaves the call
    half done."""
    portless = from_port is None or to_port is None
    original(self, ec2_backend, ip_protocol, group_id, from_port or 0, to_port or 0, *args, **kwargs)
    if portless:
        self.from_port = self.to_port = None
    prefix_list = kwargs.get("prefix_list_id") or (args[2] if len(args) > 2 else None) or {}
    self.prefix_list_description = prefix_list.get("Description")


@override(SecurityGroupRule)
def __eq__(_original, self, other):
    """A rule is known by direction, protocol, ports and the other side; moto also compares descriptions of group
    references, so that one can be added twice and not be revoked."""

    def identity(rule):
        other_side = (rule.cidr_ipv4, rule.cidr_ipv6, rule.source_group.get("GroupId"), rule.prefix_list_id)
        return rule.ip_protocol, rule.from_port, rule.to_port, rule.is_egress, other_side

    return identity(self) == identity(other)


def _description(self):
    """API_SecurityGroupRule, Description: of every kind of rule; moto answers it for CIDR rules only."""
    described = self.ip_range.get("Description") or self.source_group.get("Description")
    return described or getattr(self, "prefix_list_description", None)


SecurityGroupRule.description = property(_description)
# API_SecurityGroupRule, GroupOwnerId: moto has it under another name and leaves it out of the answer.
SecurityGroupRule.group_owner_id = property(lambda self: self.ec2_backend.account_id)


def _authorize(self, direction: str):
    group_id = self._get_param("GroupId") or self._get_param("GroupName")
    group = self.ec2_backend.get_security_group_by_name_or_id(group_id)
    attribute = f"{direction}_rules"
    before = list(getattr(group, attribute)) if group else []
    added = []
    try:
        for permission in self._process_rules_from_querystring():
            rules, _ = getattr(self.ec2_backend, f"authorize_security_group_{direction}")(**permission)
            added += rules
    except Exception:
        if group:
            setattr(group, attribute, before)
        raise
    return ActionResult({"Return": True, "SecurityGroupRules": added})


@override(SecurityGroups)
def authorize_security_group_ingress(_original, self):
    """API_AuthorizeSecurityGroupIngress: adds all rules or none, and answers all of them. moto answers those of the last
    permission and keeps the first when a later one is refused."""
    return _authorize(self, "ingress")


@override(SecurityGroups)
def authorize_security_group_egress(_original, self):
    """API_AuthorizeSecurityGroupEgress: as for ingress."""
    return _authorize(self, "egress")


@override(SecurityGroupBackend)
def modify_security_group_rules(original, self, group_id, rules):
    """API_SecurityGroupRuleRequest: ports belong to tcp, udp and icmp; moto wants them of every protocol. A description
    belongs to every kind of rule; moto keeps those of CIDR rules only."""
    portless = [rule_id for rule_id, wanted in rules.items() if wanted.get("IpProtocol") == "-1"]
    filled = {rule_id: {"FromPort": -1, "ToPort": -1, **wanted} if rule_id in portless else wanted for rule_id, wanted in rules.items()}
    original(self, group_id, filled)
    group = self.get_security_group_by_name_or_id(group_id)
    for rule_id, wanted in rules.items():
        rule = group.get_rule(rule_id)
        if rule_id in portless:
            rule.from_port = rule.to_port = None
        if "Description" in wanted and rule.source_group:
            rule.source_group["Description"] = wanted["Description"]
