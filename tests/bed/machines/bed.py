"""The loop that makes this machine look as the emulator says.

It wakes when a request changed something and twice a second besides, reads everything under the emulator's lock, and works
without it. Every step is a comparison of what there should be with what there is, so nothing depends on having seen a change.
"""

import collections
import concurrent.futures
import os
import shutil
import threading
import time
import traceback

from machines import cgroups, cloud, events, metadata, network, roots
from machines.answers import terminate
from machines.balancers import CHECK_EVERY_SECONDS, Balancers
from machines.cloud import Instance, World
from machines.console import Consoles
from machines.firewall import Firewall
from machines.imds import Facts, Gone, MetadataService
from machines.machine import Machine
from machines.names import Names
from machines.network import Network
from machines.resolver import Resolver
from machines.spot import Interruptions
from machines.volumes import Volumes

LOOK_EVERY_SECONDS = 0.5
NEW_PER_STEP = 2
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def _why_it_stays_off(instance: Instance) -> str | None:
    release = roots.release_of(instance.image)
    if instance.architecture != ARCHITECTURE:
        return f"it has {instance.architecture}, this machine has {ARCHITECTURE}"
    return None if roots.is_there(release) else f"there is no root of Debian {release}: up --debian {release}"


class Bed:
    def __init__(self, lock: threading.Lock, changed: threading.Event, say):
        self.lock = lock
        self.changed = changed
        self.say = say
        self.stopping = threading.Event()
        self.world = World()
        self.machines: dict[str, Machine] = {}
        self.services: dict[str, MetadataService] = {}
        self.refused: set[str] = set()
        self.attempts: collections.Counter[str] = collections.Counter()
        self.killed: set[str] = set()
        self.failures: set[str] = set()
        self.network = Network()
        self.firewall = Firewall()
        self.balancers = Balancers(self.network)
        self.names = Names()
        self.resolver = Resolver(self.names)
        self.consoles = Consoles()
        self.volumes = Volumes()
        self.credentials = metadata.Credentials()
        self.interruptions = Interruptions(lock, self.changed.set)
        self.memory_group = cgroups.memory_group()

    def open(self) -> None:
        self.network.open()
        self.resolver.listen(network.resolvers(set()))
        threading.Thread(target=self._check_targets, daemon=True).start()

    def run(self) -> None:
        """Until `stopping`; then everything that was booted is switched off."""
        while not self.stopping.is_set():
            self.changed.wait(LOOK_EVERY_SECONDS)
            self.changed.clear()
            self._guarded("a step", self._step)
        for machine in self.machines.values():
            machine.pull_plug()
        for instance_id in list(self.machines):
            self._remove(instance_id)

    def stop(self) -> None:
        self.stopping.set()
        self.changed.set()

    def _step(self) -> None:
        with self.lock:
            world = cloud.read()
        self.world = world
        self._guarded("network", self._sync_network, world)
        # Who is there comes first, and new ones a few at a time: an attached volume must not wait for a whole group to boot.
        new = [i for i in world.instances.values() if i.wanted and i.id not in self.machines and i.id not in self.refused]
        new.sort(key=lambda instance: self.attempts[instance.id])
        if len(new) > NEW_PER_STEP:
            self.changed.set()
        waiting = {instance.id for instance in new[NEW_PER_STEP:]}
        for instance in sorted(world.instances.values(), key=lambda i: i.id not in self.machines):
            if instance.id not in waiting:
                self._guarded(instance.id, self._sync_instance, instance, world)
        for instance_id in self.machines.keys() - world.instances.keys():
            self._guarded(instance_id, self._remove, instance_id)
        self._guarded("rules", self._sync_rules, world)
        self._guarded("volumes", self.volumes.delete, world.volumes)

    def _guarded(self, what: str, do, *arguments) -> None:
        """What fails for one instance must not end the bed; it is tried again at the next step, and said once."""
        try:
            do(*arguments)
        except Exception as error:  # whatever a program or the kernel refused
            said = f"{what}: {type(error).__name__}: {error}"
            if said not in self.failures:
                self.failures.add(said)
                self.say(said)
                traceback.print_exc()

    def _sync_network(self, world: World) -> None:
        for text in self.network.lead_to(world.networks):
            self.say(text)
        self.resolver.listen(network.resolvers(world.networks))
        self.balancers.update(world)

    def _sync_rules(self, world: World) -> None:
        present = [instance for instance in world.instances.values() if instance.id in self.services]
        nodes = sorted(self.balancers.nodes.values(), key=lambda node: node.mark)
        if self.firewall.load(present, world.security_groups, nodes, self.balancers.forwards(world)):
            self.changed.set()
        self.names.balancers = self.balancers.names(world)
        self.names.records = world.records
        self.network.route(world.routes, {instance.id: instance.address for instance in present})

    def _sync_instance(self, instance: Instance, world: World) -> None:
        machine = self.machines.get(instance.id)
        if machine and machine.process and machine.ended():
            # What that means is for the next step, which sees what became of it.
            self._ended(machine, instance)
            return
        if instance.wanted and instance.id not in self.killed:
            if machine is None:
                self._create(instance)
            elif machine.process is None:
                self._power_on(machine)
            else:
                self._update(machine, instance, world)
        elif machine and machine.process is None and instance.state == "terminated":
            self._remove(instance.id)
        elif machine and machine.process and machine.plug_pulled_at is None and instance.id not in self.killed:
            self.say(f"{instance.id} is asked to power off")
            machine.press_power_button()

    def _create(self, instance: Instance) -> None:
        self.attempts[instance.id] += 1
        if why := _why_it_stays_off(instance):
            if instance.id not in self.refused:
                self.refused.add(instance.id)
                self.say(f"{instance.id} stays off: {why}")
            return
        machine = Machine(instance, self.consoles, self.memory_group)
        # What an attempt that failed half-way has left.
        self.network.detach(instance.id)
        shutil.rmtree(machine.directory, ignore_errors=True)
        machine.create_disk()
        self.network.attach(instance)
        self.services[instance.id] = MetadataService(instance.id, instance.hop_limit, lambda: self._facts(instance.id))
        self.machines[instance.id] = machine
        # Rules are there before the first packet.
        self._sync_rules(self.world)
        self._power_on(machine)
        self._publish(instance, "running")

    def _power_on(self, machine: Machine) -> None:
        machine.power_on()
        instance = machine.instance
        self.say(f"{instance.id} is on: {instance.group or '-'} {instance.zone} {instance.address} {instance.lifecycle}")

    def _update(self, machine: Machine, instance: Instance, world: World) -> None:
        machine.instance = instance
        self.services[instance.id].allow_hops(instance.hop_limit)
        if pid := machine.booted():
            for change in self.volumes.sync(instance.id, pid, instance.attachments, world.volumes):
                self.say(f"{instance.id}: {change}")

    def _ended(self, machine: Machine, instance: Instance) -> None:
        """An instance is off: because it should be, or because it switched itself off or rebooted."""
        rebooted = machine.rebooted()
        machine.clear_away()
        self.volumes.forget(instance.id)
        if not instance.wanted or instance.id in self.killed:
            self.say(f"{instance.id} is off")
        elif rebooted:
            self.say(f"{instance.id} reboots")
        else:
            self.say(f"{instance.id} switched itself off")
            self._switched_off(instance)

    def _switched_off(self, instance: Instance) -> None:
        """InstanceInitiatedShutdownBehavior says what that means; Auto Scaling replaces a stopped instance."""
        with self.lock:
            place, raw = cloud.find(instance.id)
            if raw.instance_initiated_shutdown_behavior == "terminate" or getattr(raw, "autoscaling_group", None):
                terminate(place, [instance.id])
            else:
                raw.stop()
        self.changed.set()

    def _remove(self, instance_id: str) -> None:
        """Nothing is left of an instance but its console."""
        machine = self.machines[instance_id]
        machine.pull_plug()
        machine.clear_away()
        self.volumes.forget(instance_id)
        if service := self.services.pop(instance_id, None):
            service.close()
        self.network.detach(instance_id)
        machine.delete_disk()
        del self.machines[instance_id]
        self._publish(machine.instance, "terminated")
        self.say(f"{instance_id} is gone")

    def _publish(self, instance: Instance, state: str) -> None:
        with self.lock:
            events.publish(instance.place, events.STATE_CHANGE, instance.id, {"state": state})

    def _facts(self, instance_id: str) -> Facts:
        with self.lock:
            found, machine = cloud.find(instance_id), self.machines.get(instance_id)
            if found is None or machine is None:
                raise Gone(instance_id)
            raw, instance = found[1], machine.instance
            end = self.interruptions.ends.get(instance_id)
            options = raw.metadata_options
            return Facts(
                metadata=metadata.describe(instance, raw, self.credentials, end),
                identity=metadata.identity_document(instance, raw),
                user_data=metadata.user_data(raw),
                enabled=options.http_endpoint != "disabled",
                tokens_required=options.http_tokens == "required",
            )

    def health_of(self, group: str, target: str, port: int) -> bool | None:
        """Whether a target answers; None while it is too soon to say."""
        health = self.balancers.health.get((group, target, port))
        return health.healthy if health and health.known else None

    def _check_targets(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            while not self.stopping.wait(CHECK_EVERY_SECONDS):
                self._guarded("health checks", self.balancers.check_all, self.world, pool)
                if self.balancers.changed.is_set():
                    self.balancers.changed.clear()
                    self.changed.set()

    def kill(self, instance_id: str) -> dict:
        """The machine dies at once; then the emulator hears of it, and Auto Scaling replaces it."""
        machine = self.machines.get(instance_id)
        if machine is None or machine.process is None:
            raise LookupError(f"{instance_id} is not on")
        self.killed.add(instance_id)
        self.network.unplug(instance_id)
        machine.pull_plug()
        with self.lock:
            terminate(machine.instance.place, [instance_id])
        self.changed.set()
        return {}

    def status(self) -> dict:
        rows = []
        for instance_id, machine in sorted(self.machines.items(), key=lambda item: item[1].powered_on):
            instance = self.world.instances.get(instance_id, machine.instance)
            up = machine.process is not None
            rows.append({
                "id": instance_id,
                "group": instance.group,
                "zone": instance.zone,
                "address": instance.address,
                "lifecycle": instance.lifecycle,
                "state": instance.state if up else "off",
                "up": round(time.monotonic() - machine.powered_on, 1) if up else None,
                "cloud-init": machine.first_boot(),
                "way-out": instance.way_out,
                "pid": machine.booted(),
                "disks": {volume: f"/dev/nvme{n}n1" for volume, n in list(self.volumes.attached.get(instance_id, {}).items())},
            })  # fmt: skip
        return {"instances": rows, "balancers": self.names.balancers, "targets": self._targets()}

    def _targets(self) -> list[dict]:
        found = []
        for group in self.world.target_groups.values():
            for target in group.targets:
                found.append({"group": group.arn.split("/")[1], "target": target.id, "port": target.port, "healthy": self.balancers.healthy(group.arn, target)})
        return found
