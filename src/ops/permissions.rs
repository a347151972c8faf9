//! The permissions that kspot itself needs: for the person or the pipeline that runs it.

use serde_json::{Value, json};

use crate::state::Location;

/// What kspot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Plans, drift, get: nothing is changed.
    Read,
    /// Everything.
    Write,
}

/// Actions of one service: those that read, those that change.
struct Service {
    prefix: &'static str,
    read: &'static [&'static str],
    write: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service {
        prefix: "ec2",
        read: &[
            "DescribeAccountAttributes",
            "DescribeAddresses",
            "DescribeAvailabilityZones",
            "DescribeDhcpOptions",
            "DescribeEgressOnlyInternetGateways",
            "DescribeImages",
            "DescribeInstanceTypeOfferings",
            "DescribeInstanceTypes",
            "DescribeInstances",
            "DescribeInternetGateways",
            "DescribeKeyPairs",
            "DescribeLaunchTemplateVersions",
            "DescribeLaunchTemplates",
            "DescribeNatGateways",
            "DescribeNetworkInterfaces",
            "DescribeRouteTables",
            "DescribeSecurityGroupRules",
            "DescribeSecurityGroups",
            "DescribeSpotPriceHistory",
            "DescribeSubnets",
            "DescribeTags",
            "DescribeVolumes",
            "DescribeVolumesModifications",
            "DescribeVpcAttribute",
            "DescribeVpcs",
            "GetConsoleOutput",
            "GetSpotPlacementScores",
        ],
        write: &[
            "AllocateAddress",
            "AssociateDhcpOptions",
            "AssociateRouteTable",
            "AssociateVpcCidrBlock",
            "AttachInternetGateway",
            "AuthorizeSecurityGroupEgress",
            "AuthorizeSecurityGroupIngress",
            "CreateDhcpOptions",
            "CreateEgressOnlyInternetGateway",
            "CreateInternetGateway",
            "CreateLaunchTemplate",
            "CreateLaunchTemplateVersion",
            "CreateNatGateway",
            "CreateRoute",
            "CreateRouteTable",
            "CreateSecurityGroup",
            "CreateSubnet",
            "CreateTags",
            "CreateVolume",
            "CreateVpc",
            "DeleteDhcpOptions",
            "DeleteEgressOnlyInternetGateway",
            "DeleteInternetGateway",
            "DeleteKeyPair",
            "DeleteLaunchTemplate",
            "DeleteLaunchTemplateVersions",
            "DeleteNatGateway",
            "DeleteRoute",
            "DeleteRouteTable",
            "DeleteSecurityGroup",
            "DeleteSubnet",
            "DeleteTags",
            "DeleteVolume",
            "DeleteVpc",
            "DetachInternetGateway",
            "DetachVolume",
            "DisassociateAddress",
            "DisassociateRouteTable",
            "DisassociateVpcCidrBlock",
            "ImportKeyPair",
            "ModifyLaunchTemplate",
            "ModifySecurityGroupRules",
            "ModifySubnetAttribute",
            "ModifyVolume",
            "ModifyVpcAttribute",
            "ReleaseAddress",
            "ReplaceRoute",
            "ReplaceRouteTableAssociation",
            "RevokeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
            "RunInstances",
            "TerminateInstances",
        ],
    },
    Service {
        prefix: "autoscaling",
        read: &[
            "DescribeAccountLimits",
            "DescribeAutoScalingGroups",
            "DescribeAutoScalingInstances",
            "DescribeLifecycleHooks",
            "DescribePolicies",
            "DescribeScalingActivities",
            "DescribeTags",
        ],
        write: &[
            "AttachLoadBalancerTargetGroups",
            "AttachTrafficSources",
            "CreateAutoScalingGroup",
            "CreateOrUpdateTags",
            "DeleteAutoScalingGroup",
            "DeleteLifecycleHook",
            "DeletePolicy",
            "DeleteTags",
            "DetachLoadBalancerTargetGroups",
            "DetachTrafficSources",
            "DisableMetricsCollection",
            "EnableMetricsCollection",
            "PutLifecycleHook",
            "PutScalingPolicy",
            "ResumeProcesses",
            "SetDesiredCapacity",
            "SuspendProcesses",
            "TerminateInstanceInAutoScalingGroup",
            "UpdateAutoScalingGroup",
        ],
    },
    Service {
        prefix: "elasticloadbalancing",
        read: &[
            "DescribeAccountLimits",
            "DescribeListeners",
            "DescribeLoadBalancerAttributes",
            "DescribeLoadBalancers",
            "DescribeTags",
            "DescribeTargetGroupAttributes",
            "DescribeTargetGroups",
            "DescribeTargetHealth",
        ],
        write: &[
            "AddTags",
            "CreateListener",
            "CreateLoadBalancer",
            "CreateTargetGroup",
            "DeleteListener",
            "DeleteLoadBalancer",
            "DeleteTargetGroup",
            "ModifyListener",
            "ModifyLoadBalancerAttributes",
            "ModifyTargetGroup",
            "ModifyTargetGroupAttributes",
            "RemoveTags",
            "SetIpAddressType",
            "SetSecurityGroups",
            "SetSubnets",
        ],
    },
    Service {
        prefix: "iam",
        read: &[
            "GetInstanceProfile",
            "GetOpenIDConnectProvider",
            "GetRole",
            "GetRolePolicy",
            "ListAttachedRolePolicies",
            "ListInstanceProfilesForRole",
            "ListOpenIDConnectProviders",
            "ListRolePolicies",
            "ListRoles",
        ],
        write: &[
            "AddClientIDToOpenIDConnectProvider",
            "AddRoleToInstanceProfile",
            "AttachRolePolicy",
            "CreateInstanceProfile",
            "CreateOpenIDConnectProvider",
            "CreateRole",
            "CreateServiceLinkedRole",
            "DeleteInstanceProfile",
            "DeleteOpenIDConnectProvider",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "PassRole",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "RemoveClientIDFromOpenIDConnectProvider",
            "RemoveRoleFromInstanceProfile",
            "TagInstanceProfile",
            "TagOpenIDConnectProvider",
            "TagRole",
            "UntagInstanceProfile",
            "UntagOpenIDConnectProvider",
            "UntagRole",
            "UpdateAssumeRolePolicy",
        ],
    },
    Service {
        prefix: "sqs",
        read: &["GetQueueAttributes", "GetQueueUrl", "ListQueueTags"],
        write: &["CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"],
    },
    Service {
        prefix: "events",
        read: &["DescribeRule", "ListRuleNamesByTarget", "ListRules", "ListTagsForResource", "ListTargetsByRule"],
        write: &[
            "DeleteRule",
            "DisableRule",
            "EnableRule",
            "PutRule",
            "PutTargets",
            "RemoveTargets",
            "TagResource",
            "UntagResource",
        ],
    },
    Service {
        prefix: "route53",
        read: &[
            "GetChange",
            "GetHostedZone",
            "ListHostedZones",
            "ListHostedZonesByName",
            "ListHostedZonesByVPC",
            "ListResourceRecordSets",
            "ListTagsForResource",
            "ListTagsForResources",
        ],
        write: &[
            "AssociateVPCWithHostedZone",
            "ChangeResourceRecordSets",
            "ChangeTagsForResource",
            "CreateHostedZone",
            "DeleteHostedZone",
            "DisassociateVPCFromHostedZone",
            "UpdateHostedZoneComment",
        ],
    },
    Service { prefix: "sts", read: &["GetCallerIdentity"], write: &[] },
    Service { prefix: "kms", read: &["Decrypt"], write: &["GenerateDataKey"] },
    Service { prefix: "pricing", read: &["GetProducts"], write: &[] },
];

/// Actions on the state store's bucket.
const BUCKET_READ: &[&str] = &["GetBucketLocation", "ListBucket", "ListBucketVersions"];
const BUCKET_WRITE: &[&str] = &[
    "CreateBucket",
    "DeleteBucket",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPublicAccessBlock",
    "GetBucketVersioning",
    "GetEncryptionConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketVersioning",
    "PutEncryptionConfiguration",
];
const OBJECT_READ: &[&str] = &["GetObject"];
const OBJECT_WRITE: &[&str] = &["DeleteObject", "DeleteObjectVersion", "PutObject"];

/// The policy document. With a store, S3 is limited to its bucket and prefix.
pub fn policy(used: Use, store: Option<&Location>) -> Value {
    let writes = used == Use::Write;
    let actions = |prefix: &str, read: &[&str], write: &[&str]| {
        let mut all: Vec<String> =
            read.iter().chain(if writes { write } else { &[] }).map(|a| format!("{prefix}:{a}")).collect();
        all.sort();
        all
    };
    let mut statements: Vec<Value> = SERVICES
        .iter()
        .map(|s| {
            let sid = format!("Kspot{}", s.prefix);
            json!({ "Sid": sid, "Effect": "Allow", "Action": actions(s.prefix, s.read, s.write), "Resource": "*" })
        })
        .collect();
    let (bucket, objects) = match store {
        Some(Location::S3 { bucket, prefix }) => {
            let path = if prefix.is_empty() { bucket.clone() } else { format!("{bucket}/{prefix}") };
            (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{path}/*"))
        }
        Some(Location::Directory(_)) => return document(statements),
        None => ("arn:aws:s3:::*".to_owned(), "arn:aws:s3:::*/*".to_owned()),
    };
    let on_bucket = actions("s3", BUCKET_READ, BUCKET_WRITE);
    let on_objects = actions("s3", OBJECT_READ, OBJECT_WRITE);
    statements.push(json!({ "Sid": "KspotBucket", "Effect": "Allow", "Action": on_bucket, "Resource": bucket }));
    statements.push(json!({ "Sid": "KspotObjects", "Effect": "Allow", "Action": on_objects, "Resource": objects }));
    document(statements)
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The read-only policy allows nothing that changes AWS.
    #[test]
    fn reading_changes_nothing() {
        let text = policy(Use::Read, None).to_string();
        for verb in ["Create", "Delete", "Put", "Modify", "Update", "Attach", "PassRole", "Terminate"] {
            assert!(!text.contains(&format!(":{verb}")), "{verb}");
        }
    }

    /// With a store, S3 is limited to its bucket and prefix.
    #[test]
    fn the_bucket_is_named() {
        let store: Location = "s3://bucket/team".parse().unwrap();
        let text = policy(Use::Write, Some(&store)).to_string();
        assert!(text.contains("arn:aws:s3:::bucket/team/*") && !text.contains("s3:::*"));
    }
}
