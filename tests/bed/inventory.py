"""What exists in an account and region, by kind, beyond what AWS puts into every fresh account.

The answer is read from moto's state, not through the API: a test that "the account is as empty as before" must not rely on
the calls whose corrections it may be testing.
"""

from collections.abc import Iterable

GLOBAL = "aws"  # moto keeps what has no region (IAM, S3, Route 53) under the partition's name

# (account, region) -> kind -> ids, as found before the first request: the default VPC with its parts, moto's images' snapshots, ...
_fresh: dict[tuple[str, str], dict[str, set[str]]] = {}


def remember_fresh(account: str, region: str) -> None:
    """Notes what an account has before its first request in a region."""
    if (account, region) not in _fresh:
        _fresh[(account, region)] = _everything(account, region)


def created(account: str, region: str) -> dict[str, object]:
    """`{"total": n, "kinds": {kind: [id, ...]}}`: kinds with nothing are left out."""
    fresh = _fresh.get((account, region)) or _everything(account, region)
    now = _everything(account, region)
    kinds = {kind: sorted(ids - fresh.get(kind, set())) for kind, ids in sorted(now.items())}
    kinds = {kind: ids for kind, ids in kinds.items() if ids}
    return {"total": sum(map(len, kinds.values())), "kinds": kinds}


def reset() -> None:
    """Empties every account."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    _fresh.clear()


def _everything(account: str, region: str) -> dict[str, set[str]]:
    return {
        kind: set(ids)
        for collect in (_ec2, _auto_scaling, _load_balancing, _iam, _messaging, _storage)
        for kind, ids in collect(account, region).items()
    }


def _backend(service: str, account: str, region: str):
    from moto.backends import get_backend

    return get_backend(service)[account][region]


def _ec2(account: str, region: str) -> dict[str, Iterable[str]]:
    ec2 = _backend("ec2", account, region)
    instances = [i for reservation in ec2.reservations.values() for i in reservation.instances]
    return {
        "ec2/address": [a.allocation_id for a in ec2.addresses],
        "ec2/dhcp-options": ec2.dhcp_options_sets,
        "ec2/egress-only-internet-gateway": ec2.egress_only_internet_gateways,
        "ec2/instance": [i.id for i in instances if i._state.name != "terminated"],
        "ec2/internet-gateway": ec2.internet_gateways,
        "ec2/key-pair": ec2.key_pairs,
        "ec2/launch-template": ec2.launch_templates,
        "ec2/nat-gateway": [n.id for n in ec2.nat_gateways.values() if n.state != "deleted"],
        "ec2/network-acl": ec2.network_acls,
        "ec2/network-interface": ec2.enis,
        "ec2/route-table": ec2.route_tables,
        "ec2/security-group": [group_id for of_vpc in ec2.groups.values() for group_id in of_vpc],
        "ec2/snapshot": ec2.snapshots,
        "ec2/spot-instance-request": [
            r.id for r in ec2.spot_instance_requests.values() if r.state in ("open", "active")
        ],
        "ec2/subnet": [subnet_id for of_zone in ec2.subnets.values() for subnet_id in of_zone],
        "ec2/volume": ec2.volumes,
        "ec2/vpc": ec2.vpcs,
        "ec2/vpc-endpoint": [e.id for e in ec2.vpc_end_points.values() if e.state != "deleted"],
    }


def _auto_scaling(account: str, region: str) -> dict[str, Iterable[str]]:
    autoscaling = _backend("autoscaling", account, region)
    return {
        "autoscaling/group": autoscaling.autoscaling_groups,
        "autoscaling/launch-configuration": autoscaling.launch_configurations,
        "autoscaling/policy": autoscaling.policies,
        "autoscaling/scheduled-action": autoscaling.scheduled_actions,
        "cloudwatch/alarm": _backend("cloudwatch", account, region).alarms,
    }


def _load_balancing(account: str, region: str) -> dict[str, Iterable[str]]:
    elbv2 = _backend("elbv2", account, region)
    return {
        "elbv2/listener": [arn for lb in elbv2.load_balancers.values() for arn in lb.listeners],
        "elbv2/load-balancer": elbv2.load_balancers,
        "elbv2/target-group": elbv2.target_groups,
    }


def _iam(account: str, _region: str) -> dict[str, Iterable[str]]:
    iam = _backend("iam", account, GLOBAL)
    return {
        "iam/instance-profile": iam.instance_profiles,
        "iam/oidc-provider": iam.open_id_providers,
        "iam/policy": [arn for arn in iam.managed_policies if f":{account}:" in arn],
        "iam/role": [role.name for role in iam.roles.values()],
        "iam/user": iam.users,
    }


def _messaging(account: str, region: str) -> dict[str, Iterable[str]]:
    events = _backend("events", account, region)
    return {
        "events/rule": [rule.name for bus in events.event_buses.values() for rule in bus.rules.values()],
        "sqs/queue": _backend("sqs", account, region).queues,
        "ssm/parameter": _backend("ssm", account, region)._parameters,
    }


def _storage(account: str, _region: str) -> dict[str, Iterable[str]]:
    return {
        "route53/hosted-zone": _backend("route53", account, GLOBAL).zones,
        "s3/bucket": _backend("s3", account, GLOBAL).buckets,
    }
