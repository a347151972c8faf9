"""Spot interruptions: the notice in the metadata service and in the queues, and the end two minutes later."""

import datetime
import threading
from collections.abc import Callable

from machines import answers, cloud, events

NOTICE_SECONDS = 120.0


class NoSpotInstance(Exception):
    """What should be interrupted is no running spot instance."""


class Interruptions:
    def __init__(self, lock: threading.Lock, wake: Callable[[], None]):
        self.lock = lock
        self.wake = wake
        self.ends: dict[str, datetime.datetime] = {}

    def begin(self, instance_id: str, notice_seconds: float) -> dict:
        """Gives an instance notice; says where the notice went and when the end is."""
        with self.lock:
            found = cloud.find(instance_id)
            if found is None or found[1].state != "running":
                raise NoSpotInstance(f"{instance_id} does not run")
            place, raw = found
            if raw.lifecycle != "spot":
                raise NoSpotInstance(f"{instance_id} is an on-demand instance: AWS interrupts spot instances only")
            now = datetime.datetime.now(datetime.timezone.utc)
            self.ends[instance_id] = now + datetime.timedelta(seconds=notice_seconds)
            queues = events.publish(place, events.REBALANCE, instance_id, {})
            queues += events.publish(place, events.SPOT_INTERRUPTION, instance_id, {"instance-action": "terminate"})
        timer = threading.Timer(notice_seconds, self._end, [place, instance_id])
        timer.daemon = True
        timer.start()
        return {"end": self.ends[instance_id].isoformat(timespec="seconds"), "queues": sorted(set(queues))}

    def _end(self, place: cloud.Place, instance_id: str) -> None:
        with self.lock:
            found = cloud.find(instance_id)
            if found and found[1].state == "running":
                answers.terminate(place, [instance_id])
        self.wake()
