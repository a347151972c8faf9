"""What an Auto Scaling group launches and ends."""

import math

from corrections import override
from moto.autoscaling import models
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState


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
        self.weight = int((overrides[0] if overrides else {}).get("WeightedCapacity") or 1)
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
    if "Launch" in self._suspended_processes:
        return
    if template and template.id not in self.ec2_backend.launch_templates:
        return  # AWS records a failed activity and tries again later; the group stays below its size
    version = template.get_version(self.launch_template_version) if template else None
    distribution = Distribution(self)
    tags = {**self.instance_tags, **propagated_tags, models.ASG_NAME_TAG: self.name}
    for _ in range(count_needed):
        _launch(self, distribution, version, tags)


@override(FakeAutoScalingGroup)
def set_desired_capacity(_original, self, new_capacity):
    """A group has as many instances as are desired (with weights: as many as reach that capacity), except that suspended
    processes do nothing and protected instances stay; what is ended leaves the target groups. moto rounds spot and on-demand
    shares down one by one, ignores suspension and leaves dead targets registered."""
    self.desired_capacity = self.min_size if new_capacity is None else new_capacity
    backend = self.autoscaling_backend
    missing = math.ceil((self.desired_capacity or 0) / Distribution(self).weight) - len(self.active_instances())
    if missing > 0:
        self.replace_autoscaling_group_instances(missing, self.get_propagated_tags())
    elif missing < 0 and "Terminate" not in self._suspended_processes:
        ended = [state for state in self.instance_states if not state.protected_from_scale_in][:-missing]
        ids = [state.instance.id for state in ended]
        if ids:
            backend.ec2_backend.terminate_instances(ids)
            backend.elbv2_backend.notify_terminate_instances(ids)
        self.instance_states = [state for state in self.instance_states if state not in ended]
    if self.name in backend.autoscaling_groups:
        backend.update_attached_elbs(self.name)
        backend.update_attached_target_groups(self.name)


@override(AutoScalingBackend)
def notify_terminate_instances(original, self, instance_ids):
    """An instance that replaces an ended one is registered with the group's target groups; moto forgets it."""
    original(self, instance_ids)
    for name, group in self.autoscaling_groups.items():
        if all(arn in self.elbv2_backend.target_groups for arn in group.target_group_arns):
            self.update_attached_target_groups(name)


@override(AutoScalingBackend)
def terminate_instance(original, self, instance_id, should_decrement):
    """API_TerminateInstanceInAutoScalingGroup: an unknown instance is a ValidationError (moto raises); the ended one leaves
    the target groups."""
    if not any(state.instance.id == instance_id for group in self.autoscaling_groups.values() for state in group.instance_states):
        raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    activity = original(self, instance_id, should_decrement)
    self.elbv2_backend.notify_terminate_instances([instance_id])
    return activity


def _launch(group, distribution: Distribution, version, tags: dict[str, str]) -> None:
    running = [state.instance for state in group.instance_states]
    spot = distribution.next_is_spot(running)
    subnet = distribution.next_subnet(running)
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
