"""EC2's events, as EventBridge hands them to the queues that an account's rules name."""

import datetime
import json
import uuid

from machines.cloud import Place, backend

SPOT_INTERRUPTION = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE_CHANGE = "EC2 Instance State-change Notification"


def publish(place: Place, kind: str, instance_id: str, detail: dict) -> list[str]:
    """Puts an event into the queue of every rule that matches it; gives the queues' names. The emulator's lock is held.

    Not through PutEvents: moto's would leave out the account, which consumers read.
    """
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.ec2",
        "account": place.account,
        "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": place.region,
        "resources": [f"arn:aws:ec2:{place.region}:{place.account}:instance/{instance_id}"],
        "detail": {"instance-id": instance_id, **detail},
    }
    queues = []
    for bus in backend("events", place).event_buses.values():
        for rule in bus.rules.values():
            if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):
                queues += [target["Arn"].rpartition(":")[2] for target in rule.targets if ":sqs:" in target["Arn"]]
    sqs = backend("sqs", place)
    # A rule may name a queue that is gone: then nobody hears of it, as on AWS.
    reached = [queue for queue in queues if queue in sqs.queues]
    for queue in reached:
        sqs.send_message(queue_name=queue, message_body=json.dumps(event))
    return reached
