//! Roles of service accounts: of kspot's own addons, and of those that the spec names. Whoever brings a token of the
//! account, meant for AWS, may assume the role.

use std::collections::{BTreeMap, BTreeSet};

use super::controllers::Controller;
use super::{Policy, Statement, checked};
use crate::cloud::aws::Account;
use crate::error::{Error, Result};
use crate::model::Input;
use crate::model::issuer::{AWS_AUDIENCE, Issuer};
use crate::model::naming::Names;
use crate::resource::{Desired, IamRole};
use crate::spec::Cluster;
use crate::spec::iam::ServiceAccountPermission;

/// Where kspot's own addons run.
const NAMESPACE: &str = "kube-system";

/// The ARNs of the roles of kspot's own addons, by the names of their service accounts.
pub fn addon_roles(cluster: &Cluster, account: &Account) -> BTreeMap<String, String> {
    let arn = |service_account: &str| {
        let name = Names::of(cluster.name()).service_account_role(NAMESPACE, service_account);
        format!("arn:{}:iam::{}:role/{name}", account.partition, account.id)
    };
    let with_role = Controller::of(&cluster.spec).filter(|c| c.has_role(&cluster.spec));
    with_role.map(|c| (c.service_account().to_owned(), arn(c.service_account()))).collect()
}

/// What a role of a service account may do.
#[derive(Default)]
struct Rights {
    policy: Policy,
    managed: BTreeSet<String>,
}

pub(super) fn build(input: &Input<'_>, desired: &mut Desired) -> Result<()> {
    let spec = &input.cluster.spec;
    let Some(issuer) = Issuer::of(input)? else { return Ok(()) };
    for controller in Controller::of(spec).filter(|c| c.has_role(spec)) {
        let policy = Policy::of(controller.statements(input).into_iter().chain(controller.shared(input)));
        let rights = Rights { policy, ..Rights::default() };
        add(input, desired, &issuer, (NAMESPACE, controller.service_account()), rights)?;
    }
    for given in spec.iam.iter().flat_map(|i| &i.service_account_external_permissions) {
        add(input, desired, &issuer, (&given.namespace, &given.name), rights(given)?)?;
    }
    Ok(())
}

fn rights(given: &ServiceAccountPermission) -> Result<Rights> {
    let mut rights = Rights { managed: given.aws.policy_arns.iter().cloned().collect(), ..Rights::default() };
    if let Some(statements) = &given.aws.inline_policy {
        rights.policy.append_json(statements).map_err(|e| {
            let whose = format!("{}/{}", given.namespace, given.name);
            Error::invalid(format!("the inlinePolicy of service account {whose} is not a list of IAM statements"))
                .because(e)
        })?;
    }
    Ok(rights)
}

fn add(
    input: &Input<'_>,
    desired: &mut Desired,
    issuer: &Issuer<'_>,
    (namespace, name): (&str, &str),
    rights: Rights,
) -> Result<()> {
    let role = input.names().service_account_role(namespace, name);
    let trust = trust(&issuer.name(), issuer.provider_arn(input), (namespace, name));
    let iam = IamRole {
        trust_policy: Policy::of([trust]).to_json(),
        identity_provider: Some(issuer.provider(input)),
        policy: checked(&role, &rights.policy, "name an existing policy in policyARNs instead of an inlinePolicy")?,
        managed_policies: rights.managed,
        permissions_boundary: super::boundary(input),
        tags: crate::model::tags::owned(input, &role),
    };
    input.add(desired, &role, iam)
}

/// Tokens of this account, meant for AWS; a star in the namespace stands for any text.
fn trust(issuer: &str, provider: String, (namespace, name): (&str, &str)) -> Statement {
    let like = if namespace.contains('*') { "StringLike" } else { "StringEquals" };
    Statement::allow(["sts:AssumeRoleWithWebIdentity"])
        .by_provider(provider)
        .when("StringEquals", &format!("{issuer}:aud"), AWS_AUDIENCE)
        .when(like, &format!("{issuer}:sub"), format!("system:serviceaccount:{namespace}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn conditions(namespace: &str) -> Value {
        let issuer = "b.s3.eu-west-1.amazonaws.com/c";
        let provider = format!("arn:aws:iam::123456789012:oidc-provider/{issuer}");
        let policy = Policy::of([trust(issuer, provider.clone(), (namespace, "app"))]).to_json();
        let mut statement = serde_json::from_str::<Value>(&policy).unwrap()["Statement"][0].take();
        assert_eq!(statement["Principal"]["Federated"], provider);
        assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
        assert_eq!(statement.get("Resource"), None, "a trust policy names no resource");
        statement["Condition"].take()
    }

    /// One account of one namespace, with a token for AWS: both are compared, and compared exactly.
    #[test]
    fn one_account_is_trusted() {
        let found = conditions("shop");
        let equal = &found["StringEquals"];
        assert_eq!(equal["b.s3.eu-west-1.amazonaws.com/c:sub"], "system:serviceaccount:shop:app");
        assert_eq!(equal["b.s3.eu-west-1.amazonaws.com/c:aud"], "amazonaws.com");
        assert_eq!(found.as_object().unwrap().len(), 1);
    }

    /// A star stands for namespaces alone: the audience is still compared exactly.
    #[test]
    fn stars_are_for_namespaces() {
        let found = conditions("test-*");
        assert_eq!(found["StringLike"]["b.s3.eu-west-1.amazonaws.com/c:sub"], "system:serviceaccount:test-*:app");
        assert_eq!(found["StringEquals"]["b.s3.eu-west-1.amazonaws.com/c:aud"], "amazonaws.com");
        assert_eq!(found["StringEquals"].as_object().unwrap().len(), 1);
    }
}
