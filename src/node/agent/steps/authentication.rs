//! Who the API server believes, besides its own certificates and tokens: the document of `--authentication-config`.

use serde_json::{Value, json};

use crate::spec::KubernetesVersion;
use crate::spec::kubernetes::KubeApiServerConfig;

/// The paths that say whether the API server is well. Nothing else is served to who shows no credentials.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// The minor release of Kubernetes 1 in which the document left its beta.
const STABLE: u32 = 34;

/// The document. The settings of OpenID Connect mean what the API server's flags of the same names mean; the flags can't
/// be given beside it.
pub(super) fn document(version: KubernetesVersion, given: &KubeApiServerConfig) -> Value {
    let api_version = if version.minor < STABLE { "v1beta1" } else { "v1" };
    let open: Vec<Value> = OPEN.iter().map(|path| json!({"path": path})).collect();
    let mut document = json!({
        "apiVersion": format!("apiserver.config.k8s.io/{api_version}"),
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": true, "conditions": open},
    });
    if let Some(jwt) = jwt(given) {
        document["jwt"] = json!([jwt]);
    }
    document
}

fn jwt(given: &KubeApiServerConfig) -> Option<Value> {
    let (issuer, client) = (given.oidc_issuer_url.as_ref()?, given.oidc_client_id.as_ref()?);
    let claim = given.oidc_username_claim.as_deref().unwrap_or("sub");
    let prefix = match given.oidc_username_prefix.as_deref().unwrap_or_default() {
        "-" => String::new(),
        // Names of an issuer must not be taken for others; only mail addresses are clear by themselves.
        "" if claim != "email" => format!("{issuer}#"),
        prefix => prefix.to_owned(),
    };
    let mut mappings = json!({"username": {"claim": claim, "prefix": prefix}});
    if let Some(groups) = &given.oidc_groups_claim {
        mappings["groups"] =
            json!({"claim": groups, "prefix": given.oidc_groups_prefix.as_deref().unwrap_or_default()});
    }
    let rules: Vec<Value> = given
        .oidc_required_claim
        .iter()
        .filter_map(|claim| claim.split_once('='))
        .map(|(claim, value)| json!({"claim": claim, "requiredValue": value}))
        .collect();
    let mut jwt = json!({"issuer": {"url": issuer, "audiences": [client]}, "claimMappings": mappings});
    if !rules.is_empty() {
        jwt["claimValidationRules"] = rules.into();
    }
    Some(jwt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> KubeApiServerConfig {
        KubeApiServerConfig {
            oidc_issuer_url: Some("https://login.example.com".into()),
            oidc_client_id: Some("kubernetes".into()),
            ..KubeApiServerConfig::default()
        }
    }

    /// Without single sign-on only the paths of health are open; releases before 1.34 know the document as a beta.
    #[test]
    fn only_health_is_open() {
        let of = |version: &str| document(version.parse().unwrap(), &KubeApiServerConfig::default());
        assert_eq!(of("1.33.1")["apiVersion"], "apiserver.config.k8s.io/v1beta1");
        assert_eq!(
            of("1.34.0"),
            json!({
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "AuthenticationConfiguration",
                "anonymous": {
                    "enabled": true,
                    "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}],
                },
            })
        );
    }

    /// What the flags' own defaults would be, and everything given.
    #[test]
    fn single_sign_on_is_as_the_flags_have_it() {
        let username = |given: &KubeApiServerConfig| jwt(given).unwrap()["claimMappings"]["username"].clone();
        assert_eq!(username(&given()), json!({"claim": "sub", "prefix": "https://login.example.com#"}));
        let email = KubeApiServerConfig { oidc_username_claim: Some("email".into()), ..given() };
        assert_eq!(username(&email), json!({"claim": "email", "prefix": ""}));
        let bare = KubeApiServerConfig { oidc_username_prefix: Some("-".into()), ..given() };
        assert_eq!(username(&bare), json!({"claim": "sub", "prefix": ""}));
        let all = KubeApiServerConfig {
            oidc_username_prefix: Some("oidc:".into()),
            oidc_groups_claim: Some("groups".into()),
            oidc_groups_prefix: Some("team:".into()),
            oidc_required_claim: vec!["hd=example.com".into(), "a=b=c".into()],
            ..email
        };
        assert_eq!(
            jwt(&all).unwrap(),
            json!({
                "issuer": {"url": "https://login.example.com", "audiences": ["kubernetes"]},
                "claimMappings": {
                    "username": {"claim": "email", "prefix": "oidc:"},
                    "groups": {"claim": "groups", "prefix": "team:"},
                },
                "claimValidationRules": [
                    {"claim": "hd", "requiredValue": "example.com"},
                    {"claim": "a", "requiredValue": "b=c"},
                ],
            })
        );
    }
}
