"""Requests that wait for a message."""

import time

import corrections
from corrections import override
from moto.sqs.models import SQSBackend

LOOK_EVERY_SECONDS = 0.1


@override(SQSBackend)
def receive_message(original, self, queue_name, count, wait_seconds_timeout, *rest, **named):
    """SQS developer guide, "Amazon SQS short and long polling": ReceiveMessage waits up to WaitTimeSeconds and answers as soon
    as a message is there. moto's waits as well, but nothing can be sent meanwhile to a server that answers one request after
    the other."""
    deadline = time.monotonic() + wait_seconds_timeout
    while True:
        messages = original(self, queue_name, count, 0, *rest, **named)
        if messages or time.monotonic() >= deadline:
            return messages
        corrections.pause(LOOK_EVERY_SECONDS)
