"""Auto Scaling groups: what create and update keep, what they refuse, lifecycle hooks, metrics."""

import contextlib
import re

from corrections import add, override
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

# Parameters of CreateAutoScalingGroup and UpdateAutoScalingGroup that moto drops, each returned by DescribeAutoScalingGroups.
DROPPED = [
    "MaxInstanceLifetime",
    "DefaultInstanceWarmup",
    "DesiredCapacityType",
    "Context",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
    "ServiceLinkedRoleARN",
]
# Those that moto keeps at create and drops at update.
DROPPED_AT_UPDATE = ["CapacityRebalance", "TerminationPolicies", "DefaultCooldown", "PlacementGroup"]
ALL_METRICS = [
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances",
    "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances", "GroupInServiceCapacity",
    "GroupPendingCapacity", "GroupStandbyCapacity", "GroupTerminatingCapacity", "GroupTotalCapacity",
    "WarmPoolDesiredCapacity", "WarmPoolWarmedCapacity", "WarmPoolPendingCapacity", "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity",
]


def _attribute(parameter: str) -> str:
    return "service_linked_role_arn" if parameter.endswith("ARN") else re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).lower()


def _keep(request, group, parameters) -> None:
    for parameter in parameters:
        value = request._get_param(parameter)
        if value is not None:
            setattr(group, _attribute(parameter), value)


def group_of(request):
    """The group that a request names; AWS answers ValidationError for a name it does not know, moto raises."""
    name = request._get_param("AutoScalingGroupName")
    group = request.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


@override(AutoScalingResponse)
def create_auto_scaling_group(original, self):
    """API_CreateAutoScalingGroup: a taken name is AlreadyExists (moto replaces the group and orphans its instances), sizes
    out of bounds are a ValidationError, and every parameter is kept, lifecycle hooks too."""
    name, backend = self._get_param("AutoScalingGroupName"), self.autoscaling_backend
    if name in backend.autoscaling_groups:
        message = f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        raise AutoscalingClientError("AlreadyExists", message)
    low, high, desired = (self._get_int_param(size) for size in ("MinSize", "MaxSize", "DesiredCapacity"))
    if low > high:
        raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and not low <= desired <= high:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}"
        )
    answer = original(self)
    _keep(self, backend.autoscaling_groups[name], DROPPED)
    for hook in self._get_param("LifecycleHookSpecificationList", []):
        _put_hook(backend, name, hook)
    return answer


@contextlib.contextmanager
def _policy_kept(group):
    """Makes group.update leave the launch template and the mixed-instances policy alone."""
    update = group.update
    group._set_launch_configuration = lambda *args, **kwargs: None
    group.update = lambda **kwargs: update(**{**kwargs, "mixed_instances_policy": group.mixed_instances_policy})
    try:
        yield
    finally:
        del group.update, group._set_launch_configuration


@override(AutoScalingResponse)
def update_auto_scaling_group(original, self):
    """API_UpdateAutoScalingGroup: what a request leaves out stays as it is. moto forgets the mixed-instances policy of a
    group whose sizes are updated, and ignores several parameters."""
    group = group_of(self)
    relaunches = any(map(self._get_param, ("MixedInstancesPolicy", "LaunchTemplate", "LaunchConfigurationName")))
    with contextlib.nullcontext() if relaunches else _policy_kept(group):
        answer = original(self)
    _keep(self, group, DROPPED + DROPPED_AT_UPDATE)
    return answer


@override(AutoScalingResponse)
def delete_auto_scaling_group(original, self):
    """API_DeleteAutoScalingGroup: refuses a group with instances unless ForceDelete is set, and takes its hooks, policies
    and scheduled actions along. moto never refuses and leaves them behind."""
    group, backend = group_of(self), self.autoscaling_backend
    if group.instance_states and not self._get_bool_param("ForceDelete", False):
        message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group."
        raise AutoscalingClientError("ResourceInUse", message)
    answer = original(self)
    for owned in (backend.lifecycle_hooks, backend.policies, backend.scheduled_actions):
        for key in [key for key, thing in owned.items() if thing.auto_scaling_group_name == group.name]:
            del owned[key]
    return answer


@override(AutoScalingResponse)
def set_desired_capacity(original, self):
    """API_SetDesiredCapacity: a capacity outside the group's bounds is a ValidationError; moto takes it."""
    group, desired = group_of(self), self._get_int_param("DesiredCapacity")
    for exceeded, word, bound in ((desired > group.max_size, "above max", group.max_size), (desired < group.min_size, "below min", group.min_size)):
        if exceeded:
            raise ValidationError(f"New SetDesiredCapacity value {desired} is {word} value {bound} for the AutoScalingGroup.")
    return original(self)


def _put_hook(backend, group: str, hook: dict) -> None:
    kept = backend.create_lifecycle_hook(
        name=hook["LifecycleHookName"],
        as_name=group,
        transition=hook.get("LifecycleTransition"),
        timeout=int(hook.get("HeartbeatTimeout") or 3600),
        result=hook.get("DefaultResult") or "ABANDON",
    )
    kept.notification_target_arn = hook.get("NotificationTargetARN")
    kept.role_arn = hook.get("RoleARN")
    kept.notification_metadata = hook.get("NotificationMetadata")
    kept.global_timeout = min(172800, 100 * kept.heartbeat_timeout)


@override(AutoScalingResponse)
def put_lifecycle_hook(_original, self):
    """API_PutLifecycleHook: target, role and metadata are kept (moto answers invented ones); DefaultResult is ABANDON and
    the timeout 3600 s unless given; the group must exist."""
    _put_hook(self.autoscaling_backend, group_of(self).name, self._get_params())
    return EmptyResult()


@override(AutoScalingResponse)
def describe_auto_scaling_groups(original, self):
    """API_DescribeAutoScalingGroups: MaxRecords above 100 is a ValidationError; moto raises."""
    if self._get_int_param("MaxRecords", 50) > 100:
        raise ValidationError("1 validation error detected: Value at 'maxRecords' failed to satisfy constraint: Member must have value less than or equal to 100")
    return original(self)


@override(AutoScalingResponse)
def create_or_update_tags(original, self):
    """API_CreateOrUpdateTags: a missing group is a ValidationError; moto raises."""
    for tag in self._get_param("Tags", []):
        if tag["ResourceId"] not in self.autoscaling_backend.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{tag['ResourceId']}' not found")
    return original(self)


@override(AutoScalingResponse)
def describe_warm_pool(original, self):
    """API_DescribeWarmPool: a missing group is a ValidationError; moto raises."""
    group_of(self)
    return original(self)


@override(AutoScalingResponse)
def enable_metrics_collection(_original, self):
    """API_EnableMetricsCollection: without Metrics all are enabled, and earlier ones stay; moto then enables none."""
    group = group_of(self)
    wanted = self._get_param("Metrics") or ALL_METRICS
    group.metrics = [m for m in ALL_METRICS if m in wanted or m in group.metrics]
    return EmptyResult()


@add(AutoScalingResponse)
def disable_metrics_collection(self):
    """API_DisableMetricsCollection: without Metrics all are disabled. moto lacks the call."""
    group = group_of(self)
    unwanted = self._get_param("Metrics") or ALL_METRICS
    group.metrics = [m for m in group.metrics if m not in unwanted]
    return EmptyResult()


@override(AutoScalingResponse)
def put_scaling_policy(original, self):
    """API_PutScalingPolicy: a policy belongs to its group, so two groups may have one of the same name; moto keeps one."""
    backend, group = self.autoscaling_backend, group_of(self)
    others = {key: policy for key, policy in backend.policies.items() if policy.auto_scaling_group_name != group.name}
    backend.policies = {k: p for k, p in backend.policies.items() if p.auto_scaling_group_name == group.name}
    backend.policies.pop(f"{group.name}/{self._get_param('PolicyName')}", None)
    answer = original(self)
    backend.policies = {**others, **{f"{group.name}/{p.name}": p for p in backend.policies.values()}}
    return answer


@override(AutoScalingResponse)
def delete_policy(_original, self):
    """API_DeletePolicy: by name within the group, or by ARN."""
    backend, name = self.autoscaling_backend, self._get_param("PolicyName")
    group = self._get_param("AutoScalingGroupName")
    found = [k for k, p in backend.policies.items() if name in (p.name, p.arn) and group in (None, p.auto_scaling_group_name)]
    if not found:
        raise ValidationError(f"ScalingPolicy name not found - {name}")
    for key in found:
        del backend.policies[key]
    return EmptyResult()


@override(FakeAutoScalingGroup)
def _set_azs_and_vpcs(original, self, availability_zones, vpc_zone_identifier, update=False):
    """The zones of a group are a set; moto repeats a zone that has two of the group's subnets."""
    original(self, availability_zones, vpc_zone_identifier, update)
    self.availability_zones = list(dict.fromkeys(self.availability_zones))


@add(AutoScalingResponse)
def describe_account_limits(self):
    """API_DescribeAccountLimits: how many groups there may be and are. moto lacks the action."""
    groups = self.autoscaling_backend.autoscaling_groups
    configurations = self.autoscaling_backend.launch_configurations
    return ActionResult({
        "MaxNumberOfAutoScalingGroups": 500,
        "MaxNumberOfLaunchConfigurations": 200,
        "NumberOfAutoScalingGroups": len(groups),
        "NumberOfLaunchConfigurations": len(configurations),
    })
