"""Idempotency: a request that is sent again with its ClientToken has the first one's answer.

EC2 developer guide, "Ensuring idempotency in Amazon EC2 API requests": the same token with the same parameters changes nothing
and answers as before; with other parameters it is IdempotentParameterMismatch. moto ignores the tokens of these calls.
"""

from corrections import override
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.egress_only_internet_gateways import EgressOnlyInternetGateway
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.route_tables import RouteTables

CALLS = [
    (EgressOnlyInternetGateway, "create_egress_only_internet_gateway"),
    (ElasticBlockStore, "create_volume"),
    (InstanceResponse, "run_instances"),
    (LaunchTemplates, "create_launch_template"),
    (LaunchTemplates, "create_launch_template_version"),
    (NatGateways, "create_nat_gateway"),
    (RouteTables, "create_route_table"),
]


def answered_before(original, request, action: str):
    """The earlier answer to this token, or the original's answer, remembered in the backend (so that a reset forgets it)."""
    token = request._get_param("ClientToken")
    if not token:
        return original(request)
    asked = repr(sorted(request._get_params().items()))
    answers = request.ec2_backend.__dict__.setdefault("answers_by_token", {})
    if (action, token) not in answers:
        answers[action, token] = (asked, original(request))
    first_asked, answer = answers[action, token]
    if first_asked != asked:
        raise EC2ClientError("IdempotentParameterMismatch", "The client token was used with other parameters before.")
    return answer


def _make_idempotent(owner, action: str) -> None:
    def call(original, self):
        return answered_before(original, self, action)

    call.__name__ = action
    override(owner)(call)


for _owner, _action in CALLS:
    _make_idempotent(_owner, _action)
