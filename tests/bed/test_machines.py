"""The test bed tries itself: everything that it does without Kubernetes, on instances that boot.

    scripts/testbed selftest

Needs a machine that can be a bed (root, cgroup v1, ...): on any other it ends with 3 and the bed's own reasons. One bed serves
all tests, and the last one takes it down, so they run in the order of their names. It goes down as well if this is ended.
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import boto3

from machines import host, leftovers, places, waiting
from machines.bed import ARCHITECTURE
from machines.held import NotUp, held
from machines.network import overlap

# Of the architecture that boots here; the others stay off.
IMAGE, INSTANCE_TYPE = {"x86_64": ("ami-0a1b2c3d4e5f60001", "m5.large"), "arm64": ("ami-0a1b2c3d4e5f60002", "m6g.large")}.get(
    ARCHITECTURE, ("", "")
)
NETWORK = "172.31.128.0/20"
UNFIT = 3
BOOT_SECONDS = 90
USER_DATA = r"""#!/bin/bash
set -u
mkdir -p /var/seen
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
imds() { curl -fsS -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/$1"; }
curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id >/var/seen/without-token
imds meta-data/instance-id >/var/seen/instance-id
imds meta-data/instance-life-cycle >/var/seen/lifecycle
imds meta-data/placement/availability-zone >/var/seen/zone
imds meta-data/tags/instance/Name >/var/seen/tags 2>/dev/null || echo none >/var/seen/tags
role=$(imds meta-data/iam/security-credentials/)
document=$(imds "meta-data/iam/security-credentials/$role")
field() { jq -r ".$1" <<<"$document"; }
signed() {
  curl -sS --user "$(field AccessKeyId):$(field SecretAccessKey)" -H "x-amz-security-token: $(field Token)" \
    --aws-sigv4 "aws:amz:us-east-1:$1" "${@:2}"
}
signed sts https://sts.us-east-1.amazonaws.com/ -d Action=GetCallerIdentity -d Version=2011-06-15 >/var/seen/identity
signed s3 https://s3.us-east-1.amazonaws.com/selftest/agent >/var/seen/path-style
signed s3 https://selftest.s3.us-east-1.amazonaws.com/agent >/var/seen/host-style
getent hosts nothing.example.com >/dev/null; echo $? >/var/seen/unknown-name
mkdir -p /srv/www && cp /var/seen/instance-id /srv/www/
echo 'selftest: user data has run' >/dev/console
"""
WEB = "systemd-run --quiet --collect --unit web -p WorkingDirectory=/srv/www python3 -m http.server 8080"


def setUpModule() -> None:
    lacks = host.reasons(kubernetes=False)
    lacks += [] if IMAGE else [f"there is no image for {ARCHITECTURE}"]
    if own := overlap(NETWORK) if not lacks else None:
        lacks.append(f"{own} is a network of this machine's: it overlaps {NETWORK}, the tests' VPC")
    if lacks:
        refuse(lacks)


def refuse(reasons: list[str]) -> None:
    print("this machine cannot be a test bed:", *reasons, sep="\n  ", file=sys.stderr)
    sys.exit(UNFIT)


def write_artifacts(directory: Path) -> None:
    """A file, and an image of one layer with one file, as `docker save` writes it."""

    def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))

    release = directory / "files/dl.k8s.io/release"
    release.mkdir(parents=True)
    (release / "stable.txt").write_text("v1.36.4")
    (directory / "images").mkdir()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        add(tar, "hello", b"from the registry")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    manifest = [{"Config": "config.json", "RepoTags": ["registry.k8s.io/selftest/hello:1.0"], "Layers": ["layer.tar"]}]
    with tarfile.open(directory / "images/hello.tar", "w") as tar:
        add(tar, "config.json", json.dumps(config).encode())
        add(tar, "layer.tar", layer.getvalue())
        add(tar, "manifest.json", json.dumps(manifest).encode())


def testbed(*arguments: str, timeout: float = 120) -> str:
    """The command line, as a person would use it."""
    command = [sys.executable, "-m", "machines", *arguments]
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    if done.returncode:
        raise AssertionError(f"testbed {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def inside(instance: str, script: str, timeout: float = 60) -> str:
    """What a script in an instance writes."""
    return testbed("shell", instance, "bash", "-c", script, timeout=timeout)


def eventually(what: str, seconds: float, condition):
    """Waits until a condition gives something; gives that. If it does not, the bed's side of it is shown."""
    try:
        return waiting.eventually(what, seconds, condition)
    except waiting.Late as late:
        raise AssertionError(f"{late}\n{testbed('status')}{places.LOG.read_text()[-3000:]}") from None


def command_lines() -> list[bytes]:
    """Of every process."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes())
    return found


def status() -> dict:
    return json.loads(testbed("status", "-o", "json"))


class Machines(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        artifacts = tempfile.TemporaryDirectory()
        cls.addClassCleanup(artifacts.cleanup)
        write_artifacts(Path(artifacts.name))
        os.environ["KSPOT_BED_ARTIFACTS"] = artifacts.name
        bed = contextlib.ExitStack()
        cls.addClassCleanup(bed.close)
        try:
            bed.enter_context(held("--no-kubernetes"))
        except NotUp as error:
            if error.code == UNFIT:
                refuse(error.reasons)
            raise
        environment = dict(part.split("=", 1) for part in places.ENVIRONMENT.read_text().split() if "=" in part)
        session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        cls.clients = {
            name: session.client(name, endpoint_url=environment["AWS_ENDPOINT_URL"])
            for name in ("ec2", "autoscaling", "elbv2", "iam", "s3", "sqs", "events")
        }
        try:
            cls._create_cloud()
            cls._wait_for_boot()
        except BaseException:
            print(places.LOG.read_text(), file=sys.stderr)
            raise

    @classmethod
    def _create_cloud(cls) -> None:
        """A network with two zones, a load balancer, and a group of two spot instances."""
        ec2, elb, iam, events = (cls.clients[name] for name in ("ec2", "elbv2", "iam", "events"))
        cls.clients["s3"].create_bucket(Bucket="selftest")
        cls.clients["s3"].put_object(Bucket="selftest", Key="agent", Body=b"the agent")
        cls.vpc = ec2.create_vpc(CidrBlock=NETWORK)["Vpc"]["VpcId"]
        cls.subnets = [
            ec2.create_subnet(VpcId=cls.vpc, CidrBlock=f"172.31.{128 + n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
            for n, zone in enumerate("ab")
        ]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(VpcId=cls.vpc, InternetGatewayId=gateway)
        cls.routes = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [cls.vpc]}])["RouteTables"][0]["RouteTableId"]
        ec2.create_route(RouteTableId=cls.routes, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        cls.nodes, cls.front = (
            ec2.create_security_group(GroupName=name, Description=name, VpcId=cls.vpc)["GroupId"] for name in ("nodes", "front")
        )
        cls._allow(cls.front, 80, CidrIp="0.0.0.0/0")
        cls._allow(cls.nodes, 8080, GroupId=cls.front)
        balancer = elb.create_load_balancer(Name="selftest", Type="network", Subnets=cls.subnets, SecurityGroups=[cls.front])["LoadBalancers"][0]
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
        )
        cls.balancer_name = balancer["DNSName"]
        group = elb.create_target_group(
            Name="selftest", Protocol="TCP", Port=8080, VpcId=cls.vpc, HealthyThresholdCount=2, UnhealthyThresholdCount=2
        )
        cls.target_group = group["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(
            TargetGroupArn=cls.target_group, Attributes=[{"Key": "preserve_client_ip.enabled", "Value": "false"}]
        )
        forward = [{"Type": "forward", "TargetGroupArn": cls.target_group}]
        elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="TCP", Port=80, DefaultActions=forward)
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        iam.create_role(RoleName="selftest-nodes", AssumeRolePolicyDocument=json.dumps(trust))
        iam.create_instance_profile(InstanceProfileName="selftest")
        iam.add_role_to_instance_profile(InstanceProfileName="selftest", RoleName="selftest-nodes")
        cls.queue = cls.clients["sqs"].create_queue(QueueName="selftest")["QueueUrl"]
        pattern = {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]}
        events.put_rule(Name="spot", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="spot", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{places.ACCOUNT}:selftest"}])
        cls._create_group()

    @classmethod
    def _create_group(cls) -> None:
        template = cls.clients["ec2"].create_launch_template(LaunchTemplateName="selftest", LaunchTemplateData={
            "ImageId": IMAGE,
            "InstanceType": INSTANCE_TYPE,
            "IamInstanceProfile": {"Name": "selftest"},
            "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [cls.nodes]}],
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "UserData": base64.b64encode((USER_DATA + WEB + "\n").encode()).decode(),
        })["LaunchTemplate"]["LaunchTemplateId"]  # fmt: skip
        cls.clients["autoscaling"].create_auto_scaling_group(
            AutoScalingGroupName="selftest",
            MixedInstancesPolicy={
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
                    "Overrides": [{"InstanceType": INSTANCE_TYPE}],
                },
                "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
            },
            MinSize=0, MaxSize=4, DesiredCapacity=2,
            VPCZoneIdentifier=",".join(cls.subnets),
            TargetGroupARNs=[cls.target_group],
            Tags=[{"Key": "Name", "Value": "selftest", "PropagateAtLaunch": True}],
        )  # fmt: skip

    @classmethod
    def _allow(cls, group: str, port: int, **source: str) -> None:
        side = {"IpRanges": [source]} if "CidrIp" in source else {"UserIdGroupPairs": [source]}
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **side}
        cls.clients["ec2"].authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])

    @classmethod
    def running(cls) -> list[dict]:
        return [i for i in status()["instances"] if i["group"] == "selftest" and i["state"] == "running"]

    @classmethod
    def booted(cls) -> list[dict]:
        return [i for i in cls.running() if i["cloud-init"] == "done"]

    @classmethod
    def _wait_for_boot(cls) -> None:
        eventually("two instances have booted", BOOT_SECONDS, lambda: len(cls.booted()) == 2 and cls.booted())

    def one(self, **wanted: str) -> dict:
        return next(i for i in self.booted() if all(i[key] == value for key, value in wanted.items()))

    def test_01_instances_are_spread_over_the_zones(self) -> None:
        self.assertEqual({"us-east-1a", "us-east-1b"}, {i["zone"] for i in self.booted()})
        self.assertEqual({"spot", "on-demand"}, {i["lifecycle"] for i in self.booted()})

    def test_02_the_metadata_service_knows_the_instance(self) -> None:
        for instance in self.booted():
            seen = inside(instance["id"], "cd /var/seen && cat instance-id <(echo) lifecycle <(echo) zone <(echo) without-token <(echo) tags unknown-name")
            self.assertEqual([instance["id"], instance["lifecycle"], instance["zone"], "401", "none", "2"], seen.split())

    def test_03_an_instance_is_its_role(self) -> None:
        for instance in self.booted():
            identity = inside(instance["id"], "cat /var/seen/identity")
            self.assertIn(f"arn:aws:sts::{places.ACCOUNT}:assumed-role/selftest-nodes/{instance['id']}<", identity)

    def test_04_objects_are_read_in_both_styles(self) -> None:
        instance = self.one()["id"]
        self.assertEqual(["the agent", "the agent"], [inside(instance, f"cat /var/seen/{style}") for style in ("path-style", "host-style")])

    def test_05_hop_limit_keeps_metadata_from_containers(self) -> None:
        # A container's network: a namespace behind the instance's own routing.
        script = r"""
            ip netns add pod && ip link add pod0 type veth peer name eth0 netns pod && ip address add 10.9.0.1/24 dev pod0 && ip link set pod0 up
            ip -n pod address add 10.9.0.2/24 dev eth0 && ip -n pod link set eth0 up && ip -n pod route add default via 10.9.0.1
            sysctl -qw net.ipv4.ip_forward=1 && iptables -t nat -A POSTROUTING -s 10.9.0.0/24 -j MASQUERADE
            ask() { ip netns exec pod curl -s -m 2 -o /dev/null -w '%{http_code} ' -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token; }
            ask; ip netns exec pod getent hosts sts.us-east-1.amazonaws.com | cut -d ' ' -f 1
        """
        instance = self.one()["id"]
        # In the namespace of mounts that `ip netns` makes, the resolver is the instance's own.
        self.assertEqual(["000", places.FRONT_ADDRESS], inside(instance, script).split())
        self.clients["ec2"].modify_instance_metadata_options(InstanceId=instance, HttpPutResponseHopLimit=2, HttpTokens="required", HttpEndpoint="enabled")
        again = "ip netns exec pod curl -s -m 2 -o /dev/null -w '%{http_code}' -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token || true"
        eventually("two hops are allowed", 10, lambda: inside(instance, again) == "200")

    def test_06_security_groups_decide_who_connects(self) -> None:
        one, other = self.booted()
        ask = f"curl -s -m 2 http://{other['address']}:8080/instance-id || echo blocked"
        self.assertEqual("blocked", inside(one["id"], ask).strip())
        self._allow(self.nodes, 8080, GroupId=self.nodes)
        eventually("members of the group get through", 10, lambda: inside(one["id"], ask).strip() == other["id"])
        permission = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "UserIdGroupPairs": [{"GroupId": self.nodes}]}
        self.clients["ec2"].revoke_security_group_ingress(GroupId=self.nodes, IpPermissions=[permission])
        eventually("and no longer", 10, lambda: inside(one["id"], ask).strip() == "blocked")

    def test_07_the_load_balancer_uses_healthy_targets_only(self) -> None:
        one, other = (i["id"] for i in self.booted())

        def health() -> dict[str, str]:
            answer = self.clients["elbv2"].describe_target_health(TargetGroupArn=self.target_group)
            return {d["Target"]["Id"]: d["TargetHealth"]["State"] for d in answer["TargetHealthDescriptions"]}

        def reached(times: int = 12) -> set[str]:
            ask = f"for _ in $(seq {times}); do curl -s -m 2 http://{self.balancer_name}/instance-id; echo; done"
            return set(testbed("run", "sh", "-c", ask).split())

        eventually("both are healthy", 30, lambda: health() == {one: "healthy", other: "healthy"})
        eventually("both are reached", 10, lambda: reached() == {one, other})
        inside(other, "systemctl stop web")
        eventually("one is not healthy", 15, lambda: health() == {one: "healthy", other: "unhealthy"})
        eventually("the other one alone is reached", 5, lambda: reached() == {one})
        through = inside(one, f"curl -s -m 5 http://{self.balancer_name}/instance-id").strip()
        self.assertEqual(one, through, "through the load balancer to itself")
        inside(other, WEB)
        eventually("both are healthy again", 15, lambda: health() == {one: "healthy", other: "healthy"})

    def test_08_the_source_destination_check_drops_what_is_not_addressed_to_the_instance(self) -> None:
        one, other = self.booted()
        inside(one["id"], "ip address replace 10.10.0.1/32 dev lo")
        self.clients["ec2"].create_route(RouteTableId=self.routes, DestinationCidrBlock="10.10.0.0/24", InstanceId=one["id"])
        self._allow(self.nodes, 8080, CidrIp=NETWORK)
        ask = "curl -s -m 2 http://10.10.0.1:8080/instance-id || echo dropped"

        def check(on: bool) -> None:
            self.clients["ec2"].modify_instance_attribute(InstanceId=one["id"], SourceDestCheck={"Value": on})

        # First without it: so that it is the check that drops, and not a route that is not there yet.
        check(False)
        eventually("without the check it arrives", 10, lambda: inside(other["id"], ask).strip() == one["id"])
        check(True)
        eventually("with it it is dropped", 10, lambda: inside(other["id"], ask).strip() == "dropped")

    def test_09_a_volume_outlives_its_instance(self) -> None:
        ec2, instance = self.clients["ec2"], self.one(lifecycle="on-demand")
        volume = ec2.create_volume(AvailabilityZone=instance["zone"], Size=2, VolumeType="gp3")["VolumeId"]
        by_id = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_" + volume.replace("-", "")
        ec2.attach_volume(VolumeId=volume, InstanceId=instance["id"], Device="/dev/xvdu")
        eventually("the disk appears", 10, lambda: inside(instance["id"], f"test -b {by_id} && test -b /dev/xvdu && echo yes || true"))
        self.assertIn("/dev/nvme1n1", inside(instance["id"], f"readlink -f {by_id}"))
        inside(instance["id"], f"mkfs.ext4 -q {by_id} && mkdir -p /data && mount {by_id} /data && echo kept >/data/word && sync")
        testbed("kill", instance["id"])
        eventually("it is replaced", BOOT_SECONDS, lambda: len(self.booted()) == 2 and instance["id"] not in {i["id"] for i in self.running()})
        new = self.one(zone=instance["zone"])
        ec2.attach_volume(VolumeId=volume, InstanceId=new["id"], Device="/dev/xvdu")
        eventually("the disk appears again", 10, lambda: inside(new["id"], f"test -b {by_id} && echo yes || true"))
        self.assertEqual("kept", inside(new["id"], f"mkdir -p /data && mount {by_id} /data && cat /data/word").strip())
        inside(new["id"], "umount /data")
        ec2.detach_volume(VolumeId=volume)
        eventually("the disk disappears", 10, lambda: inside(new["id"], f"test -e {by_id} || echo gone"))
        ec2.delete_volume(VolumeId=volume)
        eventually("the data is gone", 10, lambda: not (places.VOLUMES / volume).exists())

    def test_10_a_spot_interruption_is_announced(self) -> None:
        instance = self.one(lifecycle="spot")["id"]
        testbed("interrupt", instance, "--notice", "8")
        script = r"""
            token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
            curl -fsS -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/spot/instance-action
        """
        self.assertEqual("terminate", json.loads(inside(instance, script))["action"])
        message = self.clients["sqs"].receive_message(QueueUrl=self.queue, WaitTimeSeconds=2)["Messages"][0]
        event = json.loads(message["Body"])
        self.assertEqual(("EC2 Spot Instance Interruption Warning", places.ACCOUNT), (event["detail-type"], event["account"]))
        self.assertEqual({"instance-id": instance, "instance-action": "terminate"}, event["detail"])
        eventually("it is gone, and another one has booted", BOOT_SECONDS, lambda: instance not in {i["id"] for i in status()["instances"]} and len(self.booted()) == 2)
        with self.assertRaisesRegex(AssertionError, "on-demand"):
            testbed("interrupt", self.one(lifecycle="on-demand")["id"])

    def test_11_the_console_is_kept(self) -> None:
        instance = self.one()["id"]
        for console in (testbed("console", instance), self.clients["ec2"].get_console_output(InstanceId=instance)["Output"]):
            self.assertIn("selftest: user data has run", console)
            self.assertIn("Cloud-init", console)

    def test_12_downloads_come_from_the_artifacts(self) -> None:
        script = r"""
            release=https://dl.k8s.io/release
            curl -fsSL $release/stable.txt; echo
            curl -fsS -r 1-3 $release/stable.txt; echo
            curl -s -o /dev/null -w '%{http_code}\n' $release/none
            image=https://registry.k8s.io/v2/selftest/hello
            digest=$(curl -fsS $image/manifests/1.0 | jq -r '.layers[0].digest')
            curl -fsS $image/blobs/$digest | tee layer.tar | sha256sum | grep -q ${digest#sha256:} && tar -xOf layer.tar hello; echo
            curl -s -o /dev/null -w '%{http_code}\n' https://quay.io/v2/selftest/hello/manifests/1.0
            curl -s -o /dev/null -w '%{http_code}\n' https://example.com/ || echo unknown
        """
        answers = inside(self.one()["id"], script).splitlines()
        self.assertEqual(["v1.36.4", "1.3", "404", "from the registry", "404", "000", "unknown"], answers)

    def test_05_without_a_default_route_there_is_no_way_out(self) -> None:
        ask = "curl -s -m 2 -o /dev/null -w '%{http_code}' https://sts.us-east-1.amazonaws.com/ || true"
        instance, routes = self.one()["id"], self.clients["ec2"]
        self.assertNotEqual("000", inside(instance, ask))
        gateway = routes.describe_route_tables(RouteTableIds=[self.routes])["RouteTables"][0]["Routes"]
        gateway = next(route["GatewayId"] for route in gateway if route["DestinationCidrBlock"] == "0.0.0.0/0")
        routes.delete_route(RouteTableId=self.routes, DestinationCidrBlock="0.0.0.0/0")
        eventually("the world is out of reach", 10, lambda: inside(instance, ask) == "000")
        routes.create_route(RouteTableId=self.routes, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        eventually("and back", 10, lambda: inside(instance, ask) != "000")

    def test_13_an_instance_reboots(self) -> None:
        instance = self.one()["id"]
        started = "systemctl show --property UserspaceTimestampMonotonic --value"
        before = inside(instance, started).strip()
        subprocess.run([sys.executable, "-m", "machines", "shell", instance, "systemctl", "reboot"], capture_output=True, timeout=30)
        eventually("it went down and came up", 40, lambda: f"{instance} reboots" in places.LOG.read_text() and instance in {i["id"] for i in self.booted()})
        self.assertIn(instance, inside(instance, "cat /var/seen/instance-id"))
        self.assertGreater(int(inside(instance, started)), int(before))

    def test_14_scaling_in_switches_off(self) -> None:
        self.clients["autoscaling"].update_auto_scaling_group(AutoScalingGroupName="selftest", DesiredCapacity=0)
        eventually("no instance is left", 45, lambda: status()["instances"] == [])

    def test_99_nothing_is_left_behind(self) -> None:
        self.clients["autoscaling"].update_auto_scaling_group(AutoScalingGroupName="selftest", DesiredCapacity=1)
        eventually("one instance is on", 30, self.running)
        testbed("down")
        self.assertEqual([], leftovers.found())
        self.assertEqual([], [line for line in command_lines() if b"machines.server" in line])
        left = (places.ENVIRONMENT, places.VOLUMES, places.CONTROL, places.TRACES)
        self.assertEqual([], [path for path in left if path.exists()])


if __name__ == "__main__":
    unittest.main()
