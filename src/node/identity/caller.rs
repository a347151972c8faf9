//! What STS answers: whose credentials they are. Pure.

use serde_json::Value;

use super::Denied;
use crate::node::configuration::Cloud;

/// Whose credentials they are, as STS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// `arn:...`
    pub arn: String,
}

impl Caller {
    /// Reads an answer, JSON or XML; none if it is neither.
    pub fn parse(answer: &str) -> Option<Self> {
        let json = serde_json::from_str::<Value>(answer).ok();
        let field = |name: &str| match &json {
            Some(json) => {
                let value = &json["GetCallerIdentityResponse"]["GetCallerIdentityResult"][name];
                value.as_str().map(str::to_owned)
            }
            None => element(answer, name),
        };
        Some(Caller { account: field("Account")?, arn: field("Arn")? })
    }

    /// The role, if they are this instance's credentials, in the cluster's account.
    pub fn role_of(&self, instance: &str, cloud: &Cloud) -> Result<String, Denied> {
        let stranger = || Denied::NoInstance(self.arn.clone());
        let parts: Vec<&str> = self.arn.splitn(6, ':').collect();
        let ["arn", partition, "sts", region, account, resource] = parts.as_slice() else { return Err(stranger()) };
        if *partition != cloud.partition {
            return Err(Denied::OtherPartition { is: (*partition).to_owned(), wanted: cloud.partition.clone() });
        }
        // Both say it, and both have to.
        for account in [*account, self.account.as_str()] {
            if account != cloud.account {
                return Err(Denied::OtherAccount { is: account.to_owned(), wanted: cloud.account.clone() });
            }
        }
        let parts: Vec<&str> = resource.split('/').collect();
        match parts.as_slice() {
            ["assumed-role", role, session] if region.is_empty() && !role.is_empty() => {
                if *session != instance {
                    return Err(Denied::OtherInstance { is: (*session).to_owned(), wanted: instance.to_owned() });
                }
                Ok((*role).to_owned())
            }
            _ => Err(stranger()),
        }
    }
}

/// What AWS says went wrong, of an answer that is an error: `code: message`.
pub fn refusal(answer: &str) -> Option<String> {
    let json = serde_json::from_str::<Value>(answer).ok();
    let field = |name: &str| match &json {
        Some(json) => json["Error"][name].as_str().map(str::to_owned),
        None => element(answer, name),
    };
    let code = field("Code")?;
    Some(field("Message").map_or(code.clone(), |message| format!("{code}: {message}")))
}

/// The text of the one element of this name; none if there are more.
fn element(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = xml.split_once(&open)?;
    let (text, after) = rest.split_once(&close)?;
    (!after.contains(&open) && !text.contains('<')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "123456789012";

    fn cloud() -> Cloud {
        Cloud { account: ACCOUNT.into(), partition: "aws".into(), region: "eu-west-1".into() }
    }

    fn role_of(arn: &str, account: &str) -> Result<String, Denied> {
        Caller { account: account.into(), arn: arn.into() }.role_of("i-1", &cloud())
    }

    /// Both forms of STS's answer are read; anything else is none.
    #[test]
    fn answers_are_read() {
        let caller = Caller { account: ACCOUNT.into(), arn: "arn:aws:sts::123456789012:assumed-role/r/i-1".into() };
        let xml = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{}</Arn><UserId>AROA:i-1</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>",
            caller.arn
        );
        let json = serde_json::json!({"GetCallerIdentityResponse": {"GetCallerIdentityResult":
            {"Account": ACCOUNT, "Arn": caller.arn, "UserId": "AROA:i-1"}}});
        assert_eq!(Caller::parse(&xml).as_ref(), Some(&caller));
        assert_eq!(Caller::parse(&json.to_string()).as_ref(), Some(&caller));
        for odd in ["", "{}", "<Arn>a</Arn>", "<Arn>a</Arn><Arn>b</Arn><Account>1</Account>"] {
            assert_eq!(Caller::parse(odd), None, "{odd}");
        }
        let error =
            "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error></ErrorResponse>";
        assert_eq!(refusal(error).as_deref(), Some("SignatureDoesNotMatch: no"));
        assert_eq!(refusal(r#"{"Error": {"Code": "ExpiredToken"}}"#).as_deref(), Some("ExpiredToken"));
    }

    /// An instance's session is one of the cluster's account and partition, named like the instance.
    #[test]
    fn only_the_instance_is_believed() {
        let own = "arn:aws:sts::123456789012:assumed-role/nodes.c.example.com/i-1";
        assert_eq!(role_of(own, ACCOUNT).as_deref(), Ok("nodes.c.example.com"));
        assert!(matches!(role_of(own, "999999999999"), Err(Denied::OtherAccount { .. })));
        let other = own.replace(ACCOUNT, "999999999999");
        assert!(matches!(role_of(&other, ACCOUNT), Err(Denied::OtherAccount { .. })));
        let china = own.replace("arn:aws:", "arn:aws-cn:");
        assert!(matches!(role_of(&china, ACCOUNT), Err(Denied::OtherPartition { .. })));
        assert!(matches!(role_of(&own.replace("i-1", "i-2"), ACCOUNT), Err(Denied::OtherInstance { .. })));
        for odd in [
            "arn:aws:iam::123456789012:user/ann",
            "arn:aws:sts::123456789012:federated-user/i-1",
            "arn:aws:sts::123456789012:assumed-role/r/x/i-1",
            "arn:aws:sts::123456789012:assumed-role//i-1",
            "i-1",
        ] {
            assert!(matches!(role_of(odd, ACCOUNT), Err(Denied::NoInstance(_))), "{odd}");
        }
    }
}
