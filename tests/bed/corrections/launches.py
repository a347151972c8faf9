"""What an Auto Scaling group launches and ends."""

from corrections import override
from moto.autoscaling import models
from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState


class Distribution:
    """How a group's mixed-instances policy divides instances between spot and on-demand, and among types and subnets."""

    def __init__(self, group: FakeAutoScalingGroup):
        policy = group.mixed_instances_policy or {}
        shares = policy.get("InstancesDistribution") or {}
        overrides = policy.get("LaunchTemplate", {}).get("Overrides") or []
        self.mixed = bool(policy)
        self.base = int(shares.get("OnDemandBaseCapacity") or 0)
        self.on_demand_percent = int(shares.get("OnDemandPercentageAboveBaseCapacity", 100))
        self.types = [o["InstanceType"] for o in overrides if o.get("InstanceType")] or [group.instance_type]
        self.subnets = group.vpc_zone_identifier.split(",") if group.vpc_zone_identifier else [None]

    def next_is_spot(self, running: list) -> bool:
        on_demand = sum(1 for i in running if i.lifecycle != "spot")
        above_base = (on_demand - self.base) * 100
        return self.mixed and on_demand >= self.base and above_base >= self.on_demand_percent * (len(running) + 1 - self.base)

    def next_subnet(self, running: list) -> str | None:
        return min(self.subnets, key=lambda subnet: sum(1 for i in running if i.subnet_id == subnet))

    def next_type(self, running: list, spot: bool) -> str:
        if not spot:
            return self.types[0]
        return min(self.types, key=lambda t: sum(1 for i in running if i.lifecycle == "spot" and i.instance_type == t))


@override(FakeAutoScalingGroup)
def replace_autoscaling_group_instances(_original, self, count_needed, propagated_tags):
    """Auto Scaling user guide, "Auto Scaling groups with multiple instance types": instances are spread over the subnets,
    divided between spot and on-demand as the policy says and launched with the override's type and the template's
    version; the group's tags win over the template's. moto uses the first subnet and the template's type, never spot."""
    template = self.ec2_launch_template
    if template and template.id not in self.ec2_backend.launch_templates:
        return  # AWS records a failed activity and tries again later; the group stays below its size
    version = template.get_version(self.launch_template_version) if template else None
    distribution = Distribution(self)
    tags = {**self.instance_tags, **propagated_tags, models.ASG_NAME_TAG: self.name}
    for _ in range(count_needed):
        _launch(self, distribution, version, tags)


def _launch(group, distribution: Distribution, version, tags: dict[str, str]) -> None:
    running = [state.instance for state in group.instance_states]
    spot = distribution.next_is_spot(running)
    subnet = distribution.next_subnet(running)
    data = version.data if version else {}
    configuration = group.launch_config
    reservation = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=distribution.next_type(running, spot),
        tags={"instance": tags},
        placement=None if subnet else group.availability_zones[0],
        launch_config=configuration,
        is_instance_type_default=False,
        region_name=group.region,
        launch_template={"LaunchTemplateId": version.template.id, "Version": str(version.number)} if version else None,
        associate_public_ip=configuration.associate_public_ip_address if configuration else None,
        subnet_id=subnet,
        nics=[dict(nic, SubnetId=subnet) for nic in data.get("NetworkInterfaces", [])] if subnet else [],
        metadata_options=data.get("MetadataOptions", {}),
        **({"instance_market_options": "spot"} if spot else {}),
    )
    for instance in reservation.instances:
        instance.autoscaling_group = group
        state = InstanceState(instance, protected_from_scale_in=group.new_instances_protected_from_scale_in)
        state.launched_version = str(version.number) if version else None
        group.instance_states.append(state)


_current_template = InstanceState.launch_template.fget


def _launched_template(self):
    """API_Instance (Auto Scaling): LaunchTemplate is what the instance was launched with; moto answers the template's
    default version of now."""
    template = _current_template(self)
    if template and getattr(self, "launched_version", None):
        template["Version"] = self.launched_version
    return template


InstanceState.launch_template = property(_launched_template)
