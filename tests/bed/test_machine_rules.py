"""The parts of the test bed that only compute: rules, names, answers. They need neither root nor a bed."""

import os
import socket
import struct
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from machines import cgroups, firewall, host, imds, leftovers, places, roots
from machines.balancers import Health
from machines.cloud import Instance, Place, Rule, SecurityGroup, TargetGroup
from machines.endtoend import common, needs
from machines.firewall import Forward, Node
from machines.held import NotUp
from machines.names import Names
from machines.resolver import NO_ERROR, NO_SUCH_NAME, Resolver

INSTANCE = Instance(
    id="i-0123456789abcdef0",
    place=Place(places.ACCOUNT, "us-east-1"),
    group="nodes",
    zone="us-east-1a",
    address="10.0.0.4",
    subnet="10.0.0.0/24",
    state="running",
    lifecycle="spot",
    architecture="x86_64",
    image="debian-13-amd64-20260210-2385",
    source_dest_check=True,
    security_groups=("sg-1",),
    hop_limit=1,
    way_out=True,
    attachments=(),
)
LINK = places.link_of(INSTANCE.id)
NODE = Node(7, "10.0.0.254", ("sg-lb",))


def rules(chain: str, *, groups=None, nodes=(), forwards=(), instances=(INSTANCE,)) -> list[str]:
    """The rules of one chain of what is rendered."""
    text = firewall.render(list(instances), groups or {}, list(nodes), list(forwards))
    body = text.split(f"  chain {chain} {{\n")[1].split("  }")[0]
    return [line.strip() for line in body.splitlines()]


def group(*ingress: Rule) -> dict[str, SecurityGroup]:
    return {"sg-1": SecurityGroup(ingress, ())}


class Firewall(unittest.TestCase):
    def test_links_have_names_that_the_kernel_takes(self) -> None:
        self.assertLessEqual(len(LINK), 15)

    def test_who_is_in_no_group_gets_nothing(self) -> None:
        self.assertEqual(["drop"], rules(f"in-{LINK}"))

    def test_a_rule_names_blocks_and_ports(self) -> None:
        found = rules(f"in-{LINK}", groups=group(Rule("tcp", (443, 444), ("10.0.0.0/8",), ())))
        self.assertEqual(["meta l4proto tcp th dport 443-444 ip saddr 10.0.0.0/8 accept", "drop"], found)

    def test_everything_is_one_word(self) -> None:
        self.assertEqual(["accept", "drop"], rules(f"in-{LINK}", groups=group(Rule("-1", None, ("0.0.0.0/0",), ()))))

    def test_a_group_is_its_members_unless_they_come_through_a_balancer(self) -> None:
        found = rules(f"in-{LINK}", groups=group(Rule("-1", None, (), ("sg-1",))))
        self.assertEqual([f'ct mark 0 iifname {{ "{LINK}" }} accept', "drop"], found)

    def test_a_balancers_group_is_what_it_passes_on_and_its_checks(self) -> None:
        found = rules(f"in-{LINK}", groups=group(Rule("tcp", (80, 80), (), ("sg-lb",))), nodes=[NODE])
        service = "meta l4proto tcp th dport 80-80"
        self.assertEqual([f"{service} ct mark {{ 7 }} accept", f"{service} ip saddr {{ 10.0.0.254 }} accept", "drop"], found)

    def test_connections_are_divided_among_targets(self) -> None:
        forward = Forward(NODE, 80, "tcp", (("10.0.0.4", 8080), ("10.0.0.5", 8080)), preserves_client=False)
        self.assertEqual(
            "ip daddr 10.0.0.254 tcp dport 80 ct mark set 7 dnat ip to numgen random mod 2 "
            "map { 0 : 10.0.0.4 . 8080, 1 : 10.0.0.5 . 8080 }",
            rules("to-targets", nodes=[NODE], forwards=[forward])[1],
        )
        self.assertIn("snat to 10.0.0.254", rules("from-nodes", nodes=[NODE], forwards=[forward])[1])
        preserving = replace(forward, preserves_client=True)
        self.assertEqual(1, len(rules("from-nodes", nodes=[NODE], forwards=[preserving])))

    def test_the_check_of_source_and_destination(self) -> None:
        self.assertIn(f'iifname "{LINK}" ip saddr != 10.0.0.4 drop', rules("sources"))
        unchecked = replace(INSTANCE, source_dest_check=False)
        self.assertEqual(1, len(rules("sources", instances=[unchecked])))

    def test_without_a_way_out_only_metadata_and_names_are_left(self) -> None:
        stuck = f'iifname vmap {{ "{LINK}" : drop }}'
        self.assertNotIn(stuck, rules("outside"))
        self.assertIn(stuck, rules("outside", instances=[replace(INSTANCE, way_out=False)]))


class Targets(unittest.TestCase):
    GROUP = TargetGroup("arn", (), preserves_client=True, check_port=None, healthy_after=2, unhealthy_after=2)

    def test_thresholds_decide(self) -> None:
        health = Health()
        self.assertEqual([False, True, False], [health.note(True, self.GROUP) for _ in range(3)])
        self.assertTrue(health.healthy)
        self.assertEqual([False, False, False, True], [health.note(answer, self.GROUP) for answer in (False, True, False, False)])
        self.assertFalse(health.healthy)

    def test_a_new_target_that_does_not_answer_is_unhealthy_at_once(self) -> None:
        health = Health()
        self.assertTrue(health.note(False, self.GROUP))
        self.assertEqual((True, False), (health.known, health.healthy))


class Addresses(unittest.TestCase):
    NAMES = Names(
        {"api-1.us-east-1.elb.amazonaws.com": ["10.0.0.254"]},
        {
            "api.example.com": [("CNAME", "api-1.us-east-1.elb.amazonaws.com")],
            "*.apps.example.com": [("A", "10.0.0.9")],
            "loop.example.com": [("CNAME", "loop.example.com")],
        },
    )

    def test_names_lead_where_they_should(self) -> None:
        for name, wanted in {
            "api.example.com": ["10.0.0.254"],
            "x.apps.example.com": ["10.0.0.9"],
            "sts.us-east-1.amazonaws.com": [places.FRONT_ADDRESS],
            "bucket.s3.us-east-1.amazonaws.com": [places.FRONT_ADDRESS],
            "registry.k8s.io": [places.FRONT_ADDRESS],
            "ip-10-0-0-4.ec2.internal": ["10.0.0.4"],
            "other-1.us-east-1.elb.amazonaws.com": None,
            "example.com": None,
            "loop.example.com": None,
        }.items():
            with self.subTest(name):
                self.assertEqual(wanted, self.NAMES.addresses(name))

    def ask(self, name: str, kind: int) -> tuple[int, int, bytes]:
        """The code, the number of answers, and the last bytes of the answer to a query."""
        question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">2H", kind, 1)
        answer = Resolver(self.NAMES).answer(struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + question)
        _, flags, _, count = struct.unpack(">4H", answer[:8])
        return flags & 0xF, count, answer[-4:]

    def test_the_resolver_answers_at_once_what_there_is_not(self) -> None:
        self.assertEqual((NO_ERROR, 1, socket.inet_aton("10.0.0.254")), self.ask("API.example.com", 1))
        self.assertEqual((NO_ERROR, 0), self.ask("api.example.com", 28)[:2], "no IPv6 address, but the name exists")
        self.assertEqual((NO_SUCH_NAME, 0), self.ask("example.com", 1)[:2])
        self.assertIsNone(Resolver(self.NAMES).answer(b"nonsense"))


class Roots(unittest.TestCase):
    def test_an_image_boots_its_release_or_the_stand_in(self) -> None:
        self.assertEqual("13", roots.release_of(INSTANCE.image))
        for other in ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260218", "debian-11-amd64-1", ""):
            self.assertEqual(roots.STAND_IN, roots.release_of(other), other)


class Metadata(unittest.TestCase):
    def test_branches_list_what_is_below_them(self) -> None:
        metadata = {"instance-id": "i-1", "iam/info": "{}", "iam/security-credentials/nodes": "secret"}
        self.assertEqual(b"iam/\ninstance-id", imds._metadata(metadata, ""))
        self.assertEqual(b"info\nsecurity-credentials/", imds._metadata(metadata, "iam"))
        self.assertEqual(b"nodes", imds._metadata(metadata, "iam/security-credentials"))
        self.assertEqual(b"secret", imds._metadata(metadata, "iam/security-credentials/nodes"))
        self.assertIsNone(imds._metadata(metadata, "spot/instance-action"))


class ThisMachine(unittest.TestCase):
    APART = "4:memory:/own/group\n3:cpuacct:/\n2:cpu:/\n1:name=systemd:/\n0::/\n"
    DEBIAN = "5:net_cls,net_prio:/\n4:memory:/\n2:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/init.scope\n"

    def test_controllers_that_share_a_tree_are_named(self) -> None:
        self.assertEqual([], cgroups.together(self.APART))
        self.assertEqual(["cpu,cpuacct"], cgroups.together(self.DEBIAN), "what no instance has a group of may be together")

    def test_the_own_group_of_memory_is_where_instances_have_theirs(self) -> None:
        self.assertIn((("memory",), "/own/group"), cgroups.hierarchies(self.APART))
        bases = cgroups.bases("/own/group")
        self.assertEqual((cgroups.ROOT / "memory/own/group", cgroups.ROOT / "cpu"), (bases["memory"], bases["cpu"]))
        self.assertIn("unified", bases)

    def test_a_directory_that_is_no_tree_of_groups_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as plain:
            self.assertEqual([plain], cgroups._refused({"cpu": Path(plain)}))
            self.assertEqual([], os.listdir(plain))

    def test_mount_points_are_read_as_they_are(self) -> None:
        text = "overlay /with\\040space/root overlay rw 0 0\nproc /proc proc rw 0 0\ntmpfs /back\\134slash tmpfs rw 0 0\n"
        self.assertEqual(["/with space/root", "/proc", "/back\\slash"], leftovers.mount_points(text))

    def test_the_control_socket_fits_whatever_the_directory(self) -> None:
        self.assertLess(len(str(places.CONTROL)), 108)
        self.assertTrue(places.CONTROL.match(places.CONTROLS))

    def test_packages_are_installed_only_if_nothing_else_is_in_the_way(self) -> None:
        with mock.patch.object(host, "lacking", return_value=["no"]), mock.patch.object(host, "_missing", return_value={"nft": "nftables"}):
            with mock.patch.object(host, "_install") as install:
                self.assertEqual(["no", "nft is not installed (Debian: nftables)"], host.reasons())
        install.assert_not_called()

    def test_memory_is_what_may_still_be_taken(self) -> None:
        self.assertEqual(2048, needs.available_kib("MemTotal:    4096 kB\nMemFree:  1 kB\nMemAvailable:     2048 kB\n"))

    def test_a_bed_that_does_not_come_up_says_why(self) -> None:
        lines = ["this machine cannot be a test bed:", "  it needs root: run it with sudo", ""]
        self.assertEqual(["it needs root: run it with sudo"], NotUp(3, lines).reasons)


class EndToEnd(unittest.TestCase):
    def test_nslookup_is_asked_for_what_it_found_not_for_whom_it_asked(self) -> None:
        said = "Server:\t\t100.64.0.10\nAddress:\t100.64.0.10:53\n\n"
        self.assertEqual(set(), common.addresses(f"{said}** server can't find web: NXDOMAIN\n"))
        self.assertEqual({"100.64.0.1"}, common.addresses(f"{said}Name:\tkubernetes\nAddress: 100.64.0.1\n\n"))
        self.assertEqual({"100.64.0.1"}, common.addresses(f"{said}Name:      kubernetes\nAddress 1: 100.64.0.1 kubernetes\n"))

    def test_a_program_is_as_old_as_what_it_was_built_from(self) -> None:
        here = places.REPOSITORY / "Cargo.toml"
        listed = f"/elsewhere/target/release/kspot: /elsewhere/src/main.rs {here} {places.REPOSITORY}/no\\ such.rs\n"
        self.assertEqual([here], needs.built_from(listed))
        self.assertIn(places.REPOSITORY / "src/main.rs", needs.built_from(""), "built elsewhere: everything counts")


if __name__ == "__main__":
    unittest.main()
