//! A signed request for STS, as it travels in a header: base64 of JSON.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Denied;
use crate::cloud::aws::partition::{dns_suffix, of_region};

/// The signed header that binds a token to what is asked for with it: the hex sha256 of the body.
pub const BODY_HEADER: &str = "x-kspot-request-sha256";

/// A signed request, which is a secret for as long as it counts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Where it goes, with the signature in its query.
    pub url: String,
    /// The signed headers besides the host.
    pub headers: BTreeMap<String, String>,
}

impl Token {
    /// As it stands in the header.
    pub fn encode(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the header.
    pub fn decode(text: &str) -> Result<Self, Denied> {
        let odd = |why: String| Denied::UnreadableToken(why);
        let json = BASE64.decode(text.trim()).map_err(|_| odd("it is no base64".to_owned()))?;
        // serde's message might quote what it read.
        serde_json::from_slice(&json).map_err(|e| odd(format!("it is no token, at column {}", e.column())))
    }
}

/// STS of a region: only it is asked, and only for it a token counts.
pub fn sts_host(region: &str) -> String {
    format!("sts.{region}.{}", dns_suffix(of_region(region)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token survives its way; damage is told without quoting it.
    #[test]
    fn tokens_travel() {
        let token = Token {
            url: "https://sts.eu-west-1.amazonaws.com/?X-Amz-Signature=secret".into(),
            headers: BTreeMap::from([(BODY_HEADER.to_owned(), "00".to_owned())]),
        };
        assert!(Token::decode(&token.encode()).is_ok_and(|back| back == token));
        for bad in ["", "%%%", &BASE64.encode("{\"url\": \"secret\"}"), &BASE64.encode("[\"secret\"]")] {
            let Err(e) = Token::decode(bad) else { panic!("{bad}") };
            assert!(matches!(e, Denied::UnreadableToken(_)) && !e.to_string().contains("secret"), "{e}");
        }
    }

    /// China has an AWS of its own.
    #[test]
    fn hosts_of_sts() {
        assert_eq!(sts_host("eu-west-1"), "sts.eu-west-1.amazonaws.com");
        assert_eq!(sts_host("cn-north-1"), "sts.cn-north-1.amazonaws.com.cn");
        assert_eq!(sts_host("us-gov-west-1"), "sts.us-gov-west-1.amazonaws.com");
    }
}
