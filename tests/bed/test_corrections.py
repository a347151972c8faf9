"""The contract of the bed: what each correction puts right, proved on both sides.

    python test_corrections.py

Each test here says what AWS documents. It must pass on the corrected emulator and fail on stock moto: a test that passes
there too would prove no correction, and a correction that moto has come to make itself should go.
"""

import base64
import concurrent.futures
import itertools
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = os.path.dirname(os.path.abspath(__file__))
REGION = "eu-west-1"
IMAGE = "ami-0a1b2c3d4e5f60001"
PREVIOUS_IMAGE = "ami-0a1b2c3d4e5f60003"


class Server:
    """A server of the bed, until `stop`."""

    def __init__(self, script: str, *arguments: str):
        command = [sys.executable, os.path.join(HERE, script), "--lifeline", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[1]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Account:
    """An AWS account of its own on a server, with what most tests begin with."""

    numbers = itertools.count(200_000_000_000)

    def __init__(self, url: str):
        self.url = url
        self.number = str(next(self.numbers))

    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=f"AKIA{self.number}TEST",
            aws_secret_access_key="bed",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False),
        )

    def __getattr__(self, service: str):
        setattr(self, service, self.client(service))
        return getattr(self, service)

    def vpc(self) -> str:
        return self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def subnets(self, vpc: str, count: int = 1) -> list[str]:
        zones = [f"{REGION}{letter}" for letter in "abc"][:count]
        return [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for n, zone in enumerate(zones)
        ]

    def group(self, vpc: str, name: str) -> str:
        return self.ec2.create_security_group(VpcId=vpc, GroupName=name, Description=name)["GroupId"]

    def template(self, name: str = "t", **data) -> str:
        data = {"ImageId": IMAGE, "InstanceType": "m5.large", **data}
        return self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]

    def mixed_group(self, name: str = "g", template: str | None = None, subnets: int = 3, **settings) -> dict:
        """An Auto Scaling group of spot instances over types and zones."""
        ids = self.subnets(self.vpc(), subnets)
        policy = {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template or self.template(), "Version": "1"},
                "Overrides": [{"InstanceType": "m5.large"}, {"InstanceType": "m6i.large"}],
            },
            "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
        }
        request = {"MinSize": 0, "MaxSize": 9, "MixedInstancesPolicy": policy, "VPCZoneIdentifier": ",".join(ids), **settings}
        self.autoscaling.create_auto_scaling_group(AutoScalingGroupName=name, **request)
        return self.described(name)

    def described(self, name: str = "g") -> dict:
        return self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]

    def instances(self) -> list[dict]:
        running = [{"Name": "instance-state-name", "Values": ["running"]}]
        return [i for r in self.ec2.describe_instances(Filters=running)["Reservations"] for i in r["Instances"]]


def code_of(call, **arguments) -> str:
    """The code of the error that a call answers; a test fails if it answers none."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError(f"{call.__name__} was not refused")


class Contract:
    """One method per correction; `aws` is an account of its own."""

    # launch templates

    def template_tags_stay_out_of_its_data(self, aws):
        tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "a", "Value": "b"}]}]
        aws.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": IMAGE}, TagSpecifications=tags)
        [version] = aws.ec2.describe_launch_template_versions(LaunchTemplateName="t")["LaunchTemplateVersions"]
        assert "TagSpecifications" not in version["LaunchTemplateData"]

    def a_version_builds_on_its_source(self, aws):
        template = aws.template(KeyName="k")
        aws.ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.large"})
        data = aws.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["2"])["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        assert (data["KeyName"], data["InstanceType"]) == ("k", "c5.large")

    def many_templates_are_answered_whole(self, aws):
        for n in range(17):
            aws.template(f"t{n}")
        assert len(aws.ec2.describe_launch_templates()["LaunchTemplates"]) == 17
        latest = aws.ec2.describe_launch_template_versions(Versions=["$Latest", "$Default"])
        assert len(latest["LaunchTemplateVersions"]) == 34

    def templates_are_answered_in_pages(self, aws):
        for n in range(3):
            aws.template(f"t{n}")
        first = aws.ec2.describe_launch_templates(MaxResults=2)
        second = aws.ec2.describe_launch_templates(MaxResults=2, NextToken=first["NextToken"])
        assert [len(page["LaunchTemplates"]) for page in (first, second)] == [2, 1]

    def an_unknown_template_id_is_an_error(self, aws):
        assert code_of(aws.ec2.describe_launch_templates, LaunchTemplateIds=["lt-0123456789abcdef0"]) == "InvalidLaunchTemplateId.NotFound"

    def versions_are_deleted_and_never_renumbered(self, aws):
        template = aws.template()
        for _ in range(2):
            aws.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"ImageId": IMAGE})
        answer = aws.ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["1", "2", "3", "9"])
        deleted = [v["VersionNumber"] for v in answer["SuccessfullyDeletedLaunchTemplateVersions"]]
        refused = [v["VersionNumber"] for v in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]]
        assert (deleted, refused) == ([2, 3], [1, 9])
        again = aws.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"ImageId": IMAGE})
        assert again["LaunchTemplateVersion"]["VersionNumber"] == 4

    # Auto Scaling groups

    def a_group_keeps_every_parameter(self, aws):
        hook = {"LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "NotificationMetadata": "m"}
        group = aws.mixed_group(
            MaxInstanceLifetime=86400, DefaultInstanceWarmup=60, InstanceMaintenancePolicy={"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
            LifecycleHookSpecificationList=[hook],
        )  # fmt: skip
        assert (group["MaxInstanceLifetime"], group["DefaultInstanceWarmup"]) == (86400, 60)
        assert group["InstanceMaintenancePolicy"] == {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120}
        [kept] = aws.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName="g")["LifecycleHooks"]
        assert kept["NotificationMetadata"] == "m" and "NotificationTargetARN" not in kept
        assert (kept["DefaultResult"], kept["HeartbeatTimeout"]) == ("ABANDON", 3600)

    def a_group_name_is_taken_once(self, aws):
        aws.mixed_group()
        template = {"LaunchTemplateName": "t", "Version": "1"}
        again = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 1, "LaunchTemplate": template, "AvailabilityZones": [f"{REGION}a"]}
        assert code_of(aws.autoscaling.create_auto_scaling_group, **again) == "AlreadyExists"

    def a_size_update_keeps_the_policy(self, aws):
        before = aws.mixed_group(DesiredCapacity=2)
        aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="g", DesiredCapacity=3, CapacityRebalance=True, TerminationPolicies=["OldestInstance"])
        after = aws.described()
        assert after["MixedInstancesPolicy"] == before["MixedInstancesPolicy"]
        assert (after["CapacityRebalance"], after["TerminationPolicies"], len(after["Instances"])) == (True, ["OldestInstance"], 3)

    def capacity_stays_within_bounds(self, aws):
        aws.mixed_group()
        assert code_of(aws.autoscaling.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=10) == "ValidationError"

    def a_group_with_instances_is_deleted_by_force_only(self, aws):
        aws.mixed_group(DesiredCapacity=2)
        aws.autoscaling.put_scaling_policy(AutoScalingGroupName="g", PolicyName="p", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
        assert code_of(aws.autoscaling.delete_auto_scaling_group, AutoScalingGroupName="g") == "ResourceInUse"
        aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
        assert not aws.instances() and not aws.autoscaling.describe_policies()["ScalingPolicies"]

    def two_groups_have_policies_of_one_name(self, aws):
        aws.mixed_group("one")
        template = {"LaunchTemplateName": "t", "Version": "1"}
        aws.autoscaling.create_auto_scaling_group(AutoScalingGroupName="two", MinSize=0, MaxSize=1, LaunchTemplate=template, AvailabilityZones=[f"{REGION}a"])
        for name in ("one", "two"):
            aws.autoscaling.put_scaling_policy(AutoScalingGroupName=name, PolicyName="p", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
        aws.autoscaling.delete_policy(AutoScalingGroupName="one", PolicyName="p")
        assert [p["AutoScalingGroupName"] for p in aws.autoscaling.describe_policies()["ScalingPolicies"]] == ["two"]

    def the_account_s_limits_are_told(self, aws):
        aws.mixed_group()
        limits = aws.autoscaling.describe_account_limits()
        assert limits["NumberOfAutoScalingGroups"] == 1, limits
        assert limits["MaxNumberOfAutoScalingGroups"] > 1, limits

    def metrics_are_enabled_and_disabled(self, aws):
        aws.mixed_group()
        aws.autoscaling.enable_metrics_collection(AutoScalingGroupName="g", Granularity="1Minute")
        assert len(aws.described()["EnabledMetrics"]) > 10
        aws.autoscaling.disable_metrics_collection(AutoScalingGroupName="g")
        assert not aws.described()["EnabledMetrics"]

    def a_missing_group_is_named(self, aws):
        assert code_of(aws.autoscaling.describe_warm_pool, AutoScalingGroupName="x") == "ValidationError"
        tag = {"ResourceId": "x", "ResourceType": "auto-scaling-group", "Key": "k", "Value": "v", "PropagateAtLaunch": False}
        assert code_of(aws.autoscaling.create_or_update_tags, Tags=[tag]) == "ValidationError"
        assert code_of(aws.autoscaling.put_lifecycle_hook, AutoScalingGroupName="x", LifecycleHookName="h") == "ValidationError"
        assert code_of(aws.autoscaling.terminate_instance_in_auto_scaling_group, InstanceId="i-0123456789abcdef0", ShouldDecrementDesiredCapacity=True) == "ValidationError"

    def at_most_a_hundred_groups_are_a_page(self, aws):
        assert code_of(aws.autoscaling.describe_auto_scaling_groups, MaxRecords=101) == "ValidationError"

    def a_template_must_name_what_exists(self, aws):
        aws.template(IamInstanceProfile={"Name": "none"})
        template = {"LaunchTemplateName": "t", "Version": "1"}
        group = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 1, "LaunchTemplate": template, "AvailabilityZones": [f"{REGION}a"]}
        assert code_of(aws.autoscaling.create_auto_scaling_group, **group) == "ValidationError"

    # launches

    def launches_follow_the_policy(self, aws):
        aws.mixed_group(DesiredCapacity=5)
        launched = aws.instances()
        assert len({i["SubnetId"] for i in launched}) == 3
        assert sum(i.get("InstanceLifecycle") == "spot" for i in launched) == 4
        assert {i["InstanceType"] for i in launched if "InstanceLifecycle" in i} == {"m5.large", "m6i.large"}

    def as_many_are_launched_as_are_desired(self, aws):
        template = aws.template()
        aws.mixed_group(template=template, DesiredCapacity=0)
        policy = aws.described()["MixedInstancesPolicy"]
        del policy["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateName"]
        policy["InstancesDistribution"] = {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 33}
        aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="g", MixedInstancesPolicy=policy, DesiredCapacity=5)
        assert len(aws.instances()) == 5

    def an_instance_keeps_the_version_it_was_launched_from(self, aws):
        template = aws.template()
        aws.mixed_group(template=template, DesiredCapacity=1)
        aws.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"ImageId": PREVIOUS_IMAGE, "UserData": base64.b64encode(b"x").decode()})
        aws.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
        policy = aws.described()["MixedInstancesPolicy"]
        policy["LaunchTemplate"]["LaunchTemplateSpecification"] = {"LaunchTemplateId": template, "Version": "2"}
        aws.autoscaling.update_auto_scaling_group(AutoScalingGroupName="g", MixedInstancesPolicy=policy, DesiredCapacity=2)
        versions = sorted(i["LaunchTemplate"]["Version"] for i in aws.described()["Instances"])
        assert versions == ["1", "2"], versions
        tagged = sorted(tag["Value"] for i in aws.instances() for tag in i["Tags"] if tag["Key"] == "aws:ec2launchtemplate:version")
        assert tagged == ["1", "2"], tagged

    def suspended_launches_do_not_happen(self, aws):
        aws.mixed_group()
        aws.autoscaling.suspend_processes(AutoScalingGroupName="g", ScalingProcesses=["Launch"])
        aws.autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=2)
        assert not aws.instances()

    def an_instance_is_what_its_template_says(self, aws):
        aws.iam.create_instance_profile(InstanceProfileName="p")
        root = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Throughput": 250, "DeleteOnTermination": True}}
        tags = [{"ResourceType": kind, "Tags": [{"Key": "k", "Value": kind}]} for kind in ("instance", "volume", "network-interface")]
        vpc = aws.vpc()
        group = aws.group(vpc, "nodes")
        aws.template(
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1}, IamInstanceProfile={"Name": "p"}, BlockDeviceMappings=[root],
            NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [group], "AssociatePublicIpAddress": False}], TagSpecifications=tags,
            InstanceMarketOptions={"MarketType": "spot"},
        )  # fmt: skip
        [subnet] = aws.subnets(vpc)
        template = {"LaunchTemplateName": "t", "Version": "1"}
        aws.autoscaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=1, MaxSize=1, LaunchTemplate=template, VPCZoneIdentifier=subnet)
        [instance] = aws.instances()
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["IamInstanceProfile"]["Arn"].endswith("/p")
        assert instance["InstanceLifecycle"] == "spot"
        assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
        [volume] = aws.ec2.describe_volumes()["Volumes"]
        assert (volume["Size"], volume["Throughput"], volume["Tags"]) == (20, 250, [{"Key": "k", "Value": "volume"}])
        [interface] = aws.ec2.describe_network_interfaces()["NetworkInterfaces"]
        assert interface["TagSet"] == [{"Key": "k", "Value": "network-interface"}]

    def an_instance_takes_its_interface_along(self, aws):
        aws.mixed_group(DesiredCapacity=1)
        aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
        assert not aws.ec2.describe_network_interfaces()["NetworkInterfaces"] and not aws.ec2.describe_volumes()["Volumes"]

    def the_ended_leave_and_the_new_join_target_groups(self, aws):
        group = aws.mixed_group(DesiredCapacity=2)
        vpc = aws.ec2.describe_subnets(SubnetIds=[group["VPCZoneIdentifier"].split(",")[0]])["Subnets"][0]["VpcId"]
        target_group = aws.elbv2.create_target_group(Name="t", Protocol="TCP", Port=443, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        aws.autoscaling.attach_load_balancer_target_groups(AutoScalingGroupName="g", TargetGroupARNs=[target_group])

        def registered():
            health = aws.elbv2.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
            return sorted(target["Target"]["Id"] for target in health)

        aws.autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
        assert registered() == [i["InstanceId"] for i in aws.described()["Instances"]]
        aws.ec2.terminate_instances(InstanceIds=registered())
        assert registered() == [i["InstanceId"] for i in aws.described()["Instances"]]

    # network

    def a_subnet_keeps_its_hostname_type(self, aws):
        [subnet] = aws.subnets(aws.vpc())
        aws.ec2.modify_subnet_attribute(SubnetId=subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
        [described] = aws.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
        assert described["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "resource-name"

    def a_subnet_takes_its_association_along(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        table = aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        aws.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        aws.ec2.delete_subnet(SubnetId=subnet)
        aws.ec2.delete_route_table(RouteTableId=table)

    def dhcp_options_outlive_the_vpc(self, aws):
        vpc = aws.vpc()
        tags = [{"ResourceType": "dhcp-options", "Tags": [{"Key": "a", "Value": "b"}]}]
        answer = aws.ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["x"]}], TagSpecifications=tags)
        options = answer["DhcpOptions"]["DhcpOptionsId"]
        aws.ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc)
        aws.ec2.delete_vpc(VpcId=vpc)
        aws.ec2.delete_dhcp_options(DhcpOptionsId=options)

    def dhcp_options_are_tagged_at_birth(self, aws):
        tags = [{"ResourceType": "dhcp-options", "Tags": [{"Key": "a", "Value": "b"}]}]
        aws.ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["x"]}], TagSpecifications=tags)
        found = aws.ec2.describe_dhcp_options(Filters=[{"Name": "tag:a", "Values": ["b"]}])["DhcpOptions"]
        assert found[0]["Tags"] == [{"Key": "a", "Value": "b"}]

    def egress_only_gateways_are_filtered(self, aws):
        aws.ec2.create_egress_only_internet_gateway(VpcId=aws.vpc())
        filters = [{"Name": "tag:a", "Values": ["b"]}]
        assert not aws.ec2.describe_egress_only_internet_gateways(Filters=filters)["EgressOnlyInternetGateways"]

    def ipv6_state_is_a_word(self, aws):
        vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        [described] = aws.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
        block = described["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
        subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=block)["Subnet"]
        [described] = aws.ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"]
        assert described["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlockState"] == {"State": "associated"}

    def nat_gateways_are_named_filtered_and_let_go(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
        gateway = aws.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
        assert not aws.ec2.describe_nat_gateways(Filter=[{"Name": "tag:a", "Values": ["b"]}])["NatGateways"]
        assert code_of(aws.ec2.describe_nat_gateways, NatGatewayIds=["nat-0123456789abcdef0"]) == "NatGatewayNotFound"
        assert code_of(aws.ec2.delete_nat_gateway, NatGatewayId="nat-0123456789abcdef0") == "NatGatewayNotFound"
        aws.ec2.delete_nat_gateway(NatGatewayId=gateway)
        aws.ec2.release_address(AllocationId=address)
        aws.ec2.delete_subnet(SubnetId=subnet)
        aws.ec2.delete_vpc(VpcId=vpc)

    # security groups

    def rules_need_no_ports(self, aws):
        group = aws.group(aws.vpc(), "g")
        permission = {"IpProtocol": "4", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        assert code_of(aws.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[permission]) == "InvalidPermission.Duplicate"
        aws.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])

    def a_rule_between_groups_is_described_in_full(self, aws):
        group = aws.group(aws.vpc(), "g")
        permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": group, "Description": "why"}]}
        aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        rules = aws.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        [rule] = [rule for rule in rules if not rule["IsEgress"]]
        assert (rule["Description"], rule["GroupOwnerId"], rule["ReferencedGroupInfo"]["GroupId"]) == ("why", aws.number, group)

    def a_rule_without_ports_can_be_described(self, aws):
        group = aws.group(aws.vpc(), "g")
        [rule] = aws.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        wanted = {"IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0", "Description": "why"}
        update = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
        aws.ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[update])
        [after] = aws.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        assert after == {**rule, "Description": "why"}, after

    def a_description_is_no_part_of_a_rule(self, aws):
        group = aws.group(aws.vpc(), "g")
        pair = {"GroupId": group, "Description": "why"}
        permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2}
        aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**permission, "UserIdGroupPairs": [pair]}])
        other = {**permission, "UserIdGroupPairs": [{"GroupId": group}]}
        assert code_of(aws.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[other]) == "InvalidPermission.Duplicate"
        aws.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[other])

    def rules_are_added_together_or_not_at_all(self, aws):
        group = aws.group(aws.vpc(), "g")
        ranges = [{"IpProtocol": "tcp", "FromPort": n, "ToPort": n, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]} for n in (1, 2)]
        added = aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ranges)["SecurityGroupRules"]
        assert len(added) == 2
        third = {**ranges[0], "FromPort": 3, "ToPort": 3}
        assert code_of(aws.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[third, ranges[0]]) == "InvalidPermission.Duplicate"
        assert len(aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]) == 2

    # what is in use

    def a_subnet_in_use_stays(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        aws.ec2.run_instances(ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet)
        assert code_of(aws.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"

    def a_subnet_of_a_load_balancer_stays(self, aws):
        [subnet] = aws.subnets(aws.vpc())
        aws.elbv2.create_load_balancer(Name="b", Type="network", Subnets=[subnet])
        assert code_of(aws.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"

    def a_group_in_use_stays(self, aws):
        vpc = aws.vpc()
        one, other = aws.group(vpc, "one"), aws.group(vpc, "other")
        permission = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": one}]}
        aws.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[permission])
        assert code_of(aws.ec2.delete_security_group, GroupId=one) == "DependencyViolation"
        aws.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[permission])
        aws.ec2.delete_security_group(GroupId=one)
        interface = aws.ec2.create_network_interface(SubnetId=aws.subnets(vpc)[0], Groups=[other])["NetworkInterface"]
        assert code_of(aws.ec2.delete_security_group, GroupId=other) == "DependencyViolation"
        aws.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
        aws.ec2.delete_security_group(GroupId=other)

    def an_attached_interface_stays(self, aws):
        [subnet] = aws.subnets(aws.vpc())
        aws.ec2.run_instances(ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet)
        [interface] = aws.ec2.describe_network_interfaces()["NetworkInterfaces"]
        assert code_of(aws.ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"]) == "InvalidNetworkInterface.InUse"

    def a_vpc_in_use_stays(self, aws):
        vpc = aws.vpc()
        gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        assert code_of(aws.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
        aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        group = aws.group(vpc, "g")
        assert code_of(aws.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
        aws.ec2.delete_security_group(GroupId=group)
        aws.ec2.delete_vpc(VpcId=vpc)

    def an_internet_gateway_in_use_stays(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
        aws.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)
        assert code_of(aws.ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc) == "DependencyViolation"
        assert code_of(aws.ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
        assert code_of(aws.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"

    def a_default_group_goes_with_its_vpc_only(self, aws):
        vpc = aws.vpc()
        [group] = aws.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        assert code_of(aws.ec2.delete_security_group, GroupId=group["GroupId"]) == "CannotDelete"
        aws.ec2.delete_vpc(VpcId=vpc)

    def nothing_of_a_vpc_is_left(self, aws):
        vpc = aws.vpc()
        aws.ec2.delete_vpc(VpcId=vpc)
        acls = aws.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
        assert not acls

    # once, however often it is asked

    def client_tokens_make_one(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        calls = [
            (aws.ec2.create_launch_template, {"LaunchTemplateName": "t", "LaunchTemplateData": {"ImageId": IMAGE}}),
            (aws.ec2.create_launch_template_version, {"LaunchTemplateName": "t", "LaunchTemplateData": {"ImageId": IMAGE}}),
            (aws.ec2.create_volume, {"AvailabilityZone": f"{REGION}a", "Size": 1}),
            (aws.ec2.create_route_table, {"VpcId": vpc}),
            (aws.ec2.create_egress_only_internet_gateway, {"VpcId": vpc}),
            (aws.ec2.create_nat_gateway, {"SubnetId": subnet, "ConnectivityType": "private"}),
            (aws.ec2.run_instances, {"ImageId": IMAGE, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet}),
        ]
        for call, arguments in calls:
            first, second = (call(**arguments, ClientToken="once") for _ in range(2))
            for answer in (first, second):
                answer.pop("ResponseMetadata")
            assert first == second, call.__name__
        assert code_of(aws.ec2.create_volume, AvailabilityZone=f"{REGION}a", Size=2, ClientToken="once") == "IdempotentParameterMismatch"

    def load_balancers_are_made_once(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        arns = {aws.elbv2.create_load_balancer(Name="b", Type="network", Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"] for _ in range(2)}
        [arn] = arns
        assert ":loadbalancer/net/b/" in arn
        assert code_of(aws.elbv2.create_load_balancer, Name="b", Type="network", Subnets=[subnet], Scheme="internal") == "DuplicateLoadBalancerName"

    def target_groups_are_made_once(self, aws):
        group = {"Name": "a--b", "Protocol": "TCP", "Port": 443, "VpcId": aws.vpc()}
        assert len({aws.elbv2.create_target_group(**group)["TargetGroups"][0]["TargetGroupArn"] for _ in range(2)}) == 1
        assert code_of(aws.elbv2.create_target_group, **{**group, "Port": 1}) == "DuplicateTargetGroupName"

    def listeners_are_made_once(self, aws):
        vpc = aws.vpc()
        group = aws.elbv2.create_target_group(Name="t", Protocol="TCP", Port=443, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        balancer = aws.elbv2.create_load_balancer(Name="b", Type="network", Subnets=aws.subnets(vpc))["LoadBalancers"][0]["LoadBalancerArn"]
        listener = {"LoadBalancerArn": balancer, "Protocol": "TCP", "Port": 443, "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}]}
        assert len({aws.elbv2.create_listener(**listener)["Listeners"][0]["ListenerArn"] for _ in range(2)}) == 1
        assert code_of(aws.elbv2.create_listener, **{**listener, "Protocol": "UDP"}) == "DuplicateListener"

    def a_protected_load_balancer_stays(self, aws):
        balancer = aws.elbv2.create_load_balancer(Name="b", Type="network", Subnets=aws.subnets(aws.vpc()))["LoadBalancers"][0]["LoadBalancerArn"]
        aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}])
        assert code_of(aws.elbv2.delete_load_balancer, LoadBalancerArn=balancer) == "OperationNotPermitted"

    def hosted_zones_are_made_once(self, aws):
        zone = {"Name": "example.com", "CallerReference": "once"}
        aws.route53.create_hosted_zone(**zone)
        assert code_of(aws.route53.create_hosted_zone, **zone) == "HostedZoneAlreadyExists"

    # tags

    def tags_are_found_by_their_kind(self, aws):
        vpc = aws.vpc()
        [subnet] = aws.subnets(vpc)
        address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = {
            "vpc": vpc,
            "subnet": subnet,
            "elastic-ip": address,
            "natgateway": aws.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"],
            "launch-template": aws.template(),
            "egress-only-internet-gateway": aws.ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"],
            "dhcp-options": aws.ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["x"]}])["DhcpOptions"]["DhcpOptionsId"],
            "key-pair": aws.ec2.create_key_pair(KeyName="k")["KeyPairId"],
            "internet-gateway": aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"],
            "route-table": aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
            "security-group": aws.group(vpc, "g"),
            "volume": aws.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"],
        }
        for resource in made.values():
            aws.ec2.create_tags(Resources=[resource], Tags=[{"Key": "owner", "Value": "me"}])
        for kind, resource in made.items():
            filters = [{"Name": "resource-type", "Values": [kind]}, {"Name": "key", "Values": ["owner"]}, {"Name": "value", "Values": ["me"]}]
            found = aws.ec2.describe_tags(Filters=filters)["Tags"]
            assert [(tag["ResourceId"], tag["ResourceType"]) for tag in found] == [(resource, kind)], kind

    def tags_go_with_their_resource(self, aws):
        vpc = aws.vpc()
        aws.ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "b"}])
        aws.ec2.delete_vpc(VpcId=vpc)
        assert not aws.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]

    def reserved_tags_are_refused(self, aws):
        assert code_of(aws.ec2.create_tags, Resources=[aws.vpc()], Tags=[{"Key": "aws:x", "Value": "y"}]) == "InvalidParameterValue"

    # others

    def a_gp3_volume_has_its_default_throughput(self, aws):
        volume = aws.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1, VolumeType="gp3")["VolumeId"]
        assert aws.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Throughput"] == 125

    def _instance_and_volumes(self, aws, zone: str) -> tuple[str, list[str]]:
        """An instance in the first zone, and two volumes in a zone."""
        [subnet] = aws.subnets(aws.vpc())
        instance = aws.ec2.run_instances(ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet)
        volumes = [aws.ec2.create_volume(AvailabilityZone=f"{REGION}{zone}", Size=1)["VolumeId"] for _ in range(2)]
        return instance["Instances"][0]["InstanceId"], volumes

    def a_device_name_is_given_to_one_volume(self, aws):
        instance, (one, other) = self._instance_and_volumes(aws, "a")
        aws.ec2.attach_volume(VolumeId=one, InstanceId=instance, Device="/dev/sdf")
        assert code_of(aws.ec2.attach_volume, VolumeId=other, InstanceId=instance, Device="/dev/sdf") == "InvalidParameterValue"
        aws.ec2.attach_volume(VolumeId=other, InstanceId=instance, Device="/dev/sdg")

    def a_volume_is_attached_once(self, aws):
        instance, (volume, _) = self._instance_and_volumes(aws, "a")
        aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
        assert code_of(aws.ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdg") == "VolumeInUse"

    def a_volume_is_attached_in_its_zone(self, aws):
        instance, (volume, _) = self._instance_and_volumes(aws, "b")
        assert code_of(aws.ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdf") == "InvalidVolume.ZoneMismatch"

    def a_volume_is_detached_without_naming_the_instance(self, aws):
        [subnet] = aws.subnets(aws.vpc())
        aws.ec2.run_instances(ImageId=IMAGE, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet)
        [volume] = aws.ec2.describe_volumes()["Volumes"]
        aws.ec2.detach_volume(VolumeId=volume["VolumeId"])

    def instances_are_filtered_by_lifecycle(self, aws):
        aws.mixed_group(DesiredCapacity=3)
        spot = aws.ec2.describe_instances(Filters=[{"Name": "instance-lifecycle", "Values": ["spot"]}])["Reservations"]
        assert len(spot) == 2

    def a_policy_against_plain_http_denies_no_one(self, aws):
        aws.s3.create_bucket(Bucket=f"b-{aws.number}", CreateBucketConfiguration={"LocationConstraint": REGION})
        statement = {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::b-{aws.number}", f"arn:aws:s3:::b-{aws.number}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }  # fmt: skip
        aws.s3.put_bucket_policy(Bucket=f"b-{aws.number}", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        aws.s3.put_object(Bucket=f"b-{aws.number}", Key="k", Body=b"x")
        assert aws.s3.get_object(Bucket=f"b-{aws.number}", Key="k")["Body"].read() == b"x"

    def a_role_leaves_a_profile_once(self, aws):
        aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        aws.iam.create_instance_profile(InstanceProfileName="p", Tags=[{"Key": "a", "Value": "b"}])
        assert aws.iam.list_instance_profile_tags(InstanceProfileName="p")["Tags"] == [{"Key": "a", "Value": "b"}]
        assert code_of(aws.iam.remove_role_from_instance_profile, InstanceProfileName="p", RoleName="r") == "NoSuchEntity"

    def audiences_of_an_identity_provider_change(self, aws):
        made = aws.iam.create_open_id_connect_provider(Url=f"https://issuer-{aws.number}.example.com/c", ClientIDList=["a"])
        provider = {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]}
        for client in ["b", "b"]:
            aws.iam.add_client_id_to_open_id_connect_provider(ClientID=client, **provider)
        assert sorted(aws.iam.get_open_id_connect_provider(**provider)["ClientIDList"]) == ["a", "b"]
        for client in ["a", "a"]:
            aws.iam.remove_client_id_from_open_id_connect_provider(ClientID=client, **provider)
        assert aws.iam.get_open_id_connect_provider(**provider)["ClientIDList"] == ["b"]

    def a_signature_may_stand_in_the_query(self, aws):
        aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        role = f"arn:aws:iam::{aws.number}:role/r"
        made = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="i-1")["Credentials"]
        key, secret, token = made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
        sts = boto3.client("sts", endpoint_url=aws.url, region_name=REGION, **keys)
        url = sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
        answer = urllib.request.urlopen(url).read().decode()
        assert f"<Arn>arn:aws:sts::{aws.number}:assumed-role/r/i-1</Arn>" in answer, answer

    def who_waits_for_a_message_keeps_nobody_from_sending_it(self, aws):
        queue = {"QueueUrl": aws.sqs.create_queue(QueueName="q")["QueueUrl"]}
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            waiting = pool.submit(aws.sqs.receive_message, WaitTimeSeconds=3, **queue)
            time.sleep(0.5)
            aws.sqs.send_message(MessageBody="word", **queue)
            assert time.monotonic() - started < 2.5, "it was sent when nobody waited any more"
            assert waiting.result()["Messages"][0]["Body"] == "word"
            assert time.monotonic() - started < 2.5, "it was not received when it was there"

    def spot_prices_name_their_product(self, aws):
        prices = aws.ec2.describe_spot_price_history(InstanceTypes=["m5.large"])["SpotPriceHistory"]
        assert {price["ProductDescription"] for price in prices} == {"Linux/UNIX"}


RULES = [name for name, value in vars(Contract).items() if callable(value) and not name.startswith("_")]


class Corrected(unittest.TestCase):
    """Every rule holds on the corrected emulator."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("emulator.py")
        cls.addClassCleanup(cls.server.stop)


class Stock(Corrected):
    """No rule holds on stock moto."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("emulator.py", "--stock")
        cls.addClassCleanup(cls.server.stop)


def _generate(rule: str) -> None:
    def holds(self):
        getattr(Contract(), rule)(Account(self.server.url))

    def fails(self):
        with self.assertRaises((AssertionError, ClientError, KeyError, ValueError, IndexError), msg=f"{rule} holds on stock moto"):
            getattr(Contract(), rule)(Account(self.server.url))

    setattr(Corrected, f"test_{rule}", holds)
    setattr(Stock, f"test_{rule}", fails)


for _rule in RULES:
    _generate(_rule)


class Proxies(unittest.TestCase):
    """What the proxies promise."""

    @classmethod
    def setUpClass(cls):
        cls.emulator = Server("emulator.py")
        cls.addClassCleanup(cls.emulator.stop)

    def start(self, script: str, *arguments: str) -> Server:
        server = Server(script, "--upstream", self.emulator.url, *arguments)
        self.addCleanup(server.stop)
        return server

    def test_every_list_comes_in_pages(self):
        """The pages together are the whole list, and a token without its question is refused."""
        direct = Account(self.emulator.url)
        paged = Account(self.start("paging.py", "--page-size", "1").url)
        paged.number = direct.number
        vpc = direct.vpc()
        direct.subnets(vpc, 3)
        for n in range(3):
            direct.iam.create_role(RoleName=f"r{n}", AssumeRolePolicyDocument="{}")
            direct.template(f"t{n}")
        whole = [s["SubnetId"] for s in direct.ec2.describe_subnets()["Subnets"]]
        pages = list(paged.ec2.get_paginator("describe_subnets").paginate())
        self.assertEqual([s["SubnetId"] for page in pages for s in page["Subnets"]], whole)
        self.assertEqual(len(pages), len(whole))
        self.assertEqual(len(list(paged.iam.get_paginator("list_roles").paginate())), 3)
        self.assertEqual(len(list(paged.ec2.get_paginator("describe_launch_templates").paginate())), 3)
        token = paged.ec2.describe_subnets()["NextToken"]
        other = {"NextToken": token, "Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
        self.assertEqual(code_of(paged.ec2.describe_subnets, **other), "InvalidParameterValue")

    def test_prices_and_regional_types(self):
        """Types differ between regions, prices come in pages and are the same each time."""
        aws = Account(self.start("paging.py", "--prices", "--regional").url)
        types = [t["InstanceType"] for page in aws.ec2.get_paginator("describe_instance_types").paginate() for t in page["InstanceTypes"]]
        self.assertGreater(len(types), 500)
        self.assertLess(len(types), 1395)
        offered = aws.ec2.describe_instance_type_offerings(LocationType="region", MaxResults=100)
        self.assertEqual(len(offered["InstanceTypeOfferings"]), 100)
        pages = aws.ec2.get_paginator("describe_spot_price_history").paginate(InstanceTypes=["m5.large"])
        self.assertEqual({p["AvailabilityZone"] for page in pages for p in page["SpotPriceHistory"]} - {f"{REGION}{z}" for z in "abc"}, set())
        region = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": REGION}]
        listed = [p for page in aws.pricing.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=region) for p in page["PriceList"]]
        self.assertGreater(len(listed), 500)

    def test_the_paging_proxy_counts_pages(self):
        """A list of three pages is three requests there, and each waits the latency."""
        server = self.start("paging.py", "--page-size", "1")
        aws = Account(server.url)
        subnets = len(aws.ec2.describe_subnets(MaxResults=1000)["Subnets"])
        self.ask(server, "/_bed/latency?ms=50", b"")
        started = time.monotonic()
        pages = len(list(aws.ec2.get_paginator("describe_subnets").paginate()))
        self.assertGreaterEqual(time.monotonic() - started, 0.05 * pages)
        asked = [r["action"] for r in self.ask(server, f"/_bed/requests?account={aws.number}")]
        self.assertEqual((subnets, asked), (1, ["DescribeSubnets"] * (pages + 1)))

    def test_faults(self):
        """Rules count their requests; an answer can be an error, nothing, half, or old; the log tells."""
        server = self.start("faultproxy.py", "--seed", "1")
        aws = Account(server.url)
        self.rules(server, [{"service": "ec2", "action": "CreateVpc", "nth": [1], "do": "error", "code": "RequestLimitExceeded", "status": 503}])
        self.assertEqual(code_of(aws.ec2.create_vpc, CidrBlock="10.0.0.0/16"), "RequestLimitExceeded")
        before = len(aws.ec2.describe_vpcs()["Vpcs"])
        self.rules(server, [{"action": "CreateVpc", "do": "drop_after"}])
        with self.assertRaises(Exception):
            aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
        self.assertEqual(len(aws.ec2.describe_vpcs()["Vpcs"]), before + 1)
        self.rules(server, [{"action": "DescribeVpcs", "do": "stale", "ms": 60000, "times": 1}, {"action": "CreateTags", "do": "drop_before"}])
        aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
        self.assertEqual([len(aws.ec2.describe_vpcs()["Vpcs"]) for _ in range(2)], [before + 1, before + 2])
        with self.assertRaises(Exception):
            aws.ec2.create_tags(Resources=["vpc-0"], Tags=[])
        self.rules(server, [{"action": "DescribeVpcs", "do": "truncate", "times": 1}])
        with self.assertRaises(Exception):
            aws.ec2.describe_vpcs()
        self.assertEqual([e["injected"] for e in self.log(server)][:2], ["error", None])

    def rules(self, server: Server, rules: list[dict]) -> None:
        self.ask(server, "/_fault/rules", json.dumps(rules).encode())

    def log(self, server: Server) -> list[dict]:
        return self.ask(server, "/_fault/log")

    @staticmethod
    def ask(server: Server, path: str, body: bytes | None = None):
        return json.load(urllib.request.urlopen(server.url + path, body))


if __name__ == "__main__":
    unittest.main()
