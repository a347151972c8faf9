"""What the emulator answers from what the bed found out: consoles, and whether targets are healthy."""

from collections.abc import Callable

from machines import console, places


def from_machines(healthy: Callable[[str, str, int], bool | None]) -> None:
    """`healthy` says of a target (its group's ARN, id, port) whether it answers; None: it is too soon to say."""
    from corrections import override
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow
    from moto.ec2.responses.general import General
    from moto.ec2.utils import Base64EncodedString
    from moto.elbv2.models import FakeTargetGroup

    @override(General)
    def get_console_output(_original, self):
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        text = console.latest(places.INSTANCES / instance.id / "console.log").decode("utf-8", "replace")
        output = Base64EncodedString.from_raw_string(text)
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})

    @override(FakeTargetGroup)
    def health_for(original, self, target, ec2_backend):
        answer = original(self, target, ec2_backend)
        if target["Id"] in self.targets:
            verdict = healthy(self.arn, target["Id"], int(self.targets[target["Id"]]["Port"]))
            answer.status, answer.reason, answer.description = {
                True: ("healthy", None, None),
                False: ("unhealthy", "Target.FailedHealthChecks", "Health checks failed"),
                None: ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress"),
            }[verdict]
        return answer


def terminate(place, instance_ids: list[str]) -> None:
    """What TerminateInstances does, the replacement by Auto Scaling included. The emulator's lock is held."""
    from machines.cloud import backend

    backend("ec2", place).terminate_instances(instance_ids)
    backend("autoscaling", place).notify_terminate_instances(instance_ids)
    backend("elbv2", place).notify_terminate_instances(instance_ids)
