//! Security-group rule: who may talk to whom. Each rule is a resource with tags of its own, so that the rules which
//! controllers in the cluster add to the same groups are seen for what they are and left alone.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroupRule as AwsRule,
    SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use serde::{Deserialize, Serialize};

use super::{Aws, Changed, Created, Found, Kind, Model, Ref, ReplaceOrder, Rules, Tags, tags};
use crate::cloud::aws::{AwsCloud, AwsError, Call, ec2_cluster_filter, ec2_tag_spec, ec2_tags, from_ec2_tags, no_retry, once};
use crate::cloud::{Attrs, Scope};
use crate::error::Result;

/// One rule of a security group. Its address is made of [`SecurityGroupRule::name`]: other content is another rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupRule {
    /// The group it belongs to.
    pub group: Ref,
    /// Which way.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or the protocol's number.
    pub protocol: String,
    /// The first port; the type for ICMP; none where the protocol has no ports, or for every type of ICMP.
    pub from_port: Option<i32>,
    /// The last port; the code for ICMP; none as above.
    pub to_port: Option<i32>,
    /// Who is at the other end.
    pub peer: Peer,
    /// Why it is there; may be empty.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
}

/// Which way a rule lets packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// To the group's machines.
    Ingress,
    /// From the group's machines.
    Egress,
}

/// The other end of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// An IPv4 range.
    Ipv4(String),
    /// An IPv6 range.
    Ipv6(String),
    /// A prefix list's id.
    PrefixList(String),
    /// The machines of a group.
    Group(Ref),
}

impl Model for SecurityGroupRule {
    const KIND: Kind = Kind::SecurityGroupRule;
    const RULES: Rules = Rules {
        noun: "security-group rule",
        forces_replacement: &["group", "direction", "protocol", "fromPort", "toPort", "peer"],
        replace: ReplaceOrder::CreateFirst,
        text: &[],
        ec2_type: Some("security-group-rule"),
        only_grows: &[],
        loses_data: None,
    };
}

fn called(reference: &Ref) -> &str {
    match reference {
        Ref::Addr(addr) => &addr.name,
        Ref::Id(id) => id,
    }
}

impl SecurityGroupRule {
    /// The name that follows from the content, unique in the cluster: `masters.c ingress tcp 443 from api-elb.c`.
    /// It is the name in the rule's address and in its `Name` tag.
    pub fn name(&self) -> String {
        let (way, preposition) = match self.direction {
            Direction::Ingress => ("ingress", "from"),
            Direction::Egress => ("egress", "to"),
        };
        let protocol = if self.protocol == "-1" { "all" } else { &self.protocol };
        let ports = match (self.from_port, self.to_port) {
            (None, None) => String::new(),
            (from, to) if from == to => format!(" {}", from.unwrap_or(-1)),
            (from, to) => format!(" {}-{}", from.unwrap_or(-1), to.unwrap_or(-1)),
        };
        let peer = match &self.peer {
            Peer::Ipv4(range) | Peer::Ipv6(range) | Peer::PrefixList(range) => range,
            Peer::Group(group) => called(group),
        };
        format!("{} {way} {protocol}{ports} {preposition} {peer}", called(&self.group))
    }

    /// The ports as AWS wants them: ICMP needs -1 for "all".
    fn ports(&self) -> (Option<i32>, Option<i32>) {
        let all = self.protocol.starts_with("icmp").then_some(-1);
        (self.from_port.or(all), self.to_port.or(all))
    }

    fn said(&self) -> Option<String> {
        Some(self.description.clone()).filter(|d| !d.is_empty())
    }

    fn permission(&self, call: &Call<'_>) -> Result<IpPermission> {
        let (from, to) = self.ports();
        let rule = IpPermission::builder().ip_protocol(&self.protocol).set_from_port(from).set_to_port(to);
        let said = self.said();
        Ok(match &self.peer {
            Peer::Ipv4(cidr) => rule.ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(said).build()),
            Peer::Ipv6(cidr) => rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).set_description(said).build()),
            Peer::PrefixList(id) => {
                rule.prefix_list_ids(PrefixListId::builder().prefix_list_id(id).set_description(said).build())
            }
            Peer::Group(group) => rule.user_id_group_pairs(
                UserIdGroupPair::builder().group_id(call.id(group)?).set_description(said).build(),
            ),
        }
        .build())
    }

    fn request(&self, call: &Call<'_>) -> Result<SecurityGroupRuleRequest> {
        let (from, to) = self.ports();
        let rule = SecurityGroupRuleRequest::builder().ip_protocol(&self.protocol).set_from_port(from).set_to_port(to);
        let rule = rule.set_description(Some(self.description.clone()));
        Ok(match &self.peer {
            Peer::Ipv4(cidr) => rule.cidr_ipv4(cidr),
            Peer::Ipv6(cidr) => rule.cidr_ipv6(cidr),
            Peer::PrefixList(id) => rule.prefix_list_id(id),
            Peer::Group(group) => rule.referenced_group_id(call.id(group)?),
        }
        .build())
    }

    /// Whether both let the same packets pass.
    fn same_as(&self, other: &SecurityGroupRule) -> bool {
        let key = |r: &SecurityGroupRule| {
            (r.direction, r.protocol.clone(), r.from_port, r.to_port, r.peer.clone(), r.group.clone())
        };
        key(self) == key(other)
    }

    /// The same rule with ids instead of addresses, as an observation has it.
    fn with_ids(&self, call: &Call<'_>) -> Result<SecurityGroupRule> {
        let peer = match &self.peer {
            Peer::Group(group) => Peer::Group(Ref::Id(call.id(group)?)),
            other => other.clone(),
        };
        Ok(SecurityGroupRule { group: Ref::Id(call.id(&self.group)?), peer, ..self.clone() })
    }
}

fn normalise(rule: &AwsRule, tags: Tags) -> SecurityGroupRule {
    let protocol = rule.ip_protocol().unwrap_or_default();
    let has_ports = matches!(protocol, "tcp" | "udp" | "icmp" | "icmpv6");
    let port = |p: Option<i32>| p.filter(|p| has_ports && *p != -1);
    let text = |t: &str| t.to_owned();
    let peer = match (rule.cidr_ipv4(), rule.cidr_ipv6(), rule.prefix_list_id()) {
        (Some(cidr), _, _) => Peer::Ipv4(text(cidr)),
        (_, Some(cidr), _) => Peer::Ipv6(text(cidr)),
        (_, _, Some(list)) => Peer::PrefixList(text(list)),
        _ => Peer::Group(Ref::id(rule.referenced_group_info().and_then(|g| g.group_id()).unwrap_or_default())),
    };
    SecurityGroupRule {
        group: Ref::id(rule.group_id().unwrap_or_default()),
        direction: if rule.is_egress() == Some(true) { Direction::Egress } else { Direction::Ingress },
        protocol: text(protocol),
        from_port: port(rule.from_port()),
        to_port: port(rule.to_port()),
        peer,
        description: text(rule.description().unwrap_or_default()),
        tags,
    }
}

/// The id of the rule with the same content, whoever made it.
async fn find(call: &Call<'_>, wanted: &SecurityGroupRule) -> Result<Option<String>> {
    let group = Filter::builder().name("group-id").values(wanted.group.to_string()).build();
    let mut pages = call.cloud.ec2.describe_security_group_rules().filters(group).into_paginator().items().send();
    while let Some(rule) = pages.next().await {
        let rule = rule.map_err(|e| AwsError::of(call.doing("look for"), &e))?;
        if wanted.same_as(&normalise(&rule, Tags::new())) {
            return Ok(rule.security_group_rule_id().map(str::to_owned));
        }
    }
    Ok(None)
}

async fn authorize(
    call: &Call<'_>,
    rule: &SecurityGroupRule,
    permission: &IpPermission,
) -> std::result::Result<String, AwsError> {
    let (ec2, group) = (&call.cloud.ec2, rule.group.to_string());
    let tags = ec2_tag_spec(ResourceType::SecurityGroupRule, &rule.tags);
    let rules = match rule.direction {
        Direction::Ingress => {
            let add = ec2.authorize_security_group_ingress().group_id(group).ip_permissions(permission.clone());
            let done = add.tag_specifications(tags).customize().config_override(no_retry()).send().await;
            done.map_err(|e| AwsError::of(call.doing("create"), &e))?.security_group_rules
        }
        Direction::Egress => {
            let add = ec2.authorize_security_group_egress().group_id(group).ip_permissions(permission.clone());
            let done = add.tag_specifications(tags).customize().config_override(no_retry()).send().await;
            done.map_err(|e| AwsError::of(call.doing("create"), &e))?.security_group_rules
        }
    };
    let rule = rules.and_then(|r| r.into_iter().next());
    Ok(rule.and_then(|r| r.security_group_rule_id).unwrap_or_default())
}

#[async_trait]
impl Aws for SecurityGroupRule {
    async fn observe(cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Self>>> {
        let filter = ec2_cluster_filter(&scope.cluster);
        let mut pages = cloud.ec2.describe_security_group_rules().filters(filter).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(rule) = pages.next().await {
            let rule = rule.map_err(|e| AwsError::of("list security-group rules", &e))?;
            let tags = from_ec2_tags(scope, rule.tags());
            if !tags::is_owned(scope, &tags) {
                continue;
            }
            found.push(Found {
                name: tags.get(tags::NAME).cloned().unwrap_or_default(),
                id: rule.security_group_rule_id().unwrap_or_default().to_owned(),
                attrs: Attrs::new(),
                resource: normalise(&rule, tags),
            });
        }
        Ok(found)
    }

    async fn create(&self, call: &Call<'_>) -> Result<Created> {
        let rule = self.with_ids(call)?;
        let permission = self.permission(call)?;
        let (id, was_there) = once::create_once(
            || async { Ok((authorize(call, &rule, &permission).await?, false)) },
            || async { Ok(find(call, &rule).await?.map(|id| (id, true))) },
        )
        .await?;
        if was_there {
            // One that was there (by hand, by AWS) becomes ours: it does what the spec asks for.
            let tag = call.cloud.ec2.create_tags().resources(&id).set_tags(Some(ec2_tags(&self.tags))).customize().send().await;
            tag.map_err(|e| AwsError::of(call.doing("adopt"), &e))?;
            self.describe(call, &id).await?;
        }
        Ok(Created { id, attrs: Attrs::new() })
    }

    async fn update(&self, call: &Call<'_>, live: &Found<Self>, changed: &Changed) -> Result<Attrs> {
        if changed.has("description") {
            self.describe(call, &live.id).await?;
        }
        call.retag_ec2(&live.id, &live.resource.tags, &self.tags).await?;
        Ok(Attrs::new())
    }

    async fn delete(call: &Call<'_>, live: &Found<Self>) -> Result<()> {
        let group = call.id(&live.resource.group)?;
        let ec2 = &call.cloud.ec2;
        once::deleted(12, || async {
            match live.resource.direction {
                Direction::Ingress => {
                    let revoke = ec2.revoke_security_group_ingress().group_id(&group);
                    let done = revoke.security_group_rule_ids(&live.id).customize().send().await;
                    done.map(drop).map_err(|e| AwsError::of(call.doing("delete"), &e))
                }
                Direction::Egress => {
                    let revoke = ec2.revoke_security_group_egress().group_id(&group);
                    let done = revoke.security_group_rule_ids(&live.id).customize().send().await;
                    done.map(drop).map_err(|e| AwsError::of(call.doing("delete"), &e))
                }
            }
        })
        .await
    }
}

impl SecurityGroupRule {
    /// Writes the description; AWS wants the whole rule for that.
    async fn describe(&self, call: &Call<'_>, id: &str) -> Result<()> {
        let update =
            SecurityGroupRuleUpdate::builder().security_group_rule_id(id).security_group_rule(self.request(call)?).build();
        let modify = call.cloud.ec2.modify_security_group_rules().group_id(call.id(&self.group)?);
        let done = modify.security_group_rules(update).customize().send().await;
        done.map_err(|e| AwsError::of(call.doing("describe"), &e))?;
        Ok(())
    }
}
