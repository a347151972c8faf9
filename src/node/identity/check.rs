//! What can be told of a token without asking anybody: that it is a `GetCallerIdentity` for the right STS, made a moment
//! ago, for this very body. Pure.
//!
//! The check is stricter than STS: a request that two readers might read in two ways is refused, since what STS sees must
//! be what was checked.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::Denied;
use super::token::{BODY_HEADER, Token};
use crate::digest::sha256;

/// How long after it was made a token is taken, and how far ahead of ours the worker's clock may be.
pub const AGE: Duration = Duration::from_secs(300);

/// The longest that a signature may count, in seconds.
pub const LIFE: u64 = 900;

/// What a token has to be.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// STS's name.
    pub host: &'a str,
    /// The region that it is signed for.
    pub region: &'a str,
    /// The body that came with it.
    pub body: &'a [u8],
    /// The time.
    pub now: Timestamp,
}

/// A token that may be shown to STS.
#[derive(Clone, PartialEq, Eq)]
pub struct Checked {
    /// The query of the request.
    pub query: String,
    /// The value of [`BODY_HEADER`].
    pub body_sha256: String,
    /// What tells it from every other token.
    pub signature: String,
    /// When it is too old.
    pub ends: Timestamp,
}

/// The parameters that a signed request has; the last one only with credentials that end.
const PARAMETERS: [&str; 9] = [
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// Checks a token.
pub fn check(token: &Token, expected: &Expected<'_>) -> Result<Checked, Denied> {
    let url: Uri = token.url.parse().map_err(|_| Denied::UnreadableToken("its URL is none".to_owned()))?;
    match url.scheme_str() {
        Some("https") => {}
        other => return Err(Denied::NotHttps(other.unwrap_or("no scheme").to_owned())),
    }
    // The whole of it: a user or a port before or behind the name is another one.
    let authority = url.authority().map(|a| a.as_str()).unwrap_or_default();
    if authority != expected.host {
        return Err(Denied::OtherHost { is: authority.to_owned(), wanted: expected.host.to_owned() });
    }
    if url.path() != "/" {
        return Err(Denied::OtherPath(url.path().to_owned()));
    }
    let query = url.query().unwrap_or_default();
    let given = parameters(query)?;
    let get = |name: &'static str| given.get(name).map(String::as_str).ok_or(Denied::Missing(name));
    let action = get("Action")?;
    if action != "GetCallerIdentity" {
        return Err(Denied::OtherAction(action.to_owned()));
    }
    for (name, only) in [("Version", "2011-06-15"), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256")] {
        let value = get(name)?;
        if value != only {
            return Err(Denied::OtherValue(name, value.to_owned()));
        }
    }
    let made = date(get("X-Amz-Date")?, get("X-Amz-Expires")?, expected.now)?;
    scope(get("X-Amz-Credential")?, expected.region)?;
    let signature = get("X-Amz-Signature")?.to_ascii_lowercase();
    let body_sha256 = body(token, get("X-Amz-SignedHeaders")?, expected.body)?;
    let ends = made + SignedDuration::try_from(AGE).unwrap_or_default();
    Ok(Checked { query: query.to_owned(), body_sha256, signature, ends })
}

/// The query's parameters, each known and there once.
fn parameters(query: &str) -> Result<BTreeMap<String, String>, Denied> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%&=".contains(&b);
    if !query.bytes().all(plain) {
        return Err(Denied::OddQuery);
    }
    let mut given = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(Denied::OddQuery)?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(Denied::ExtraParameter(name));
        }
        if given.insert(name.clone(), value).is_some() {
            return Err(Denied::Repeated(name));
        }
    }
    Ok(given)
}

fn decoded(text: &str) -> Result<String, Denied> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            // The values' own `=` are written as %3D.
            b'=' => return Err(Denied::OddQuery),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or(Denied::OddQuery);
                let value = digit(rest.next())? * 16 + digit(rest.next())?;
                bytes.push(u8::try_from(value).map_err(|_| Denied::OddQuery)?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Denied::OddQuery)
}

/// When it was made, if that is neither too long ago nor in the future.
fn date(date: &str, expires: &str, now: Timestamp) -> Result<Timestamp, Denied> {
    let made = DateTime::strptime("%Y%m%dT%H%M%SZ", date).and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC));
    let made = made.map_err(|_| Denied::OtherValue("X-Amz-Date", date.to_owned()))?.timestamp();
    let life: u64 = expires.parse().map_err(|_| Denied::OtherValue("X-Amz-Expires", expires.to_owned()))?;
    if life > LIFE {
        return Err(Denied::LastsTooLong(life));
    }
    let age = now.as_second() - made.as_second();
    let most = i64::try_from(AGE.as_secs().min(life)).unwrap_or(0);
    let ahead = i64::try_from(AGE.as_secs()).unwrap_or(0);
    match age {
        age if age > most => Err(Denied::TooOld(age)),
        age if -age > ahead => Err(Denied::Future(-age)),
        _ => Ok(made),
    }
}

/// `<access key>/<date>/<region>/sts/aws4_request`
fn scope(credential: &str, region: &str) -> Result<(), Denied> {
    let parts: Vec<&str> = credential.split('/').collect();
    match parts.as_slice() {
        [_, _, r, "sts", "aws4_request"] if *r == region => Ok(()),
        _ => {
            // The access key is nobody's business.
            let scope = parts.get(1..).map(|rest| rest.join("/")).unwrap_or_default();
            Err(Denied::OtherValue("X-Amz-Credential", scope))
        }
    }
}

/// The signed hash, if it is this body's.
fn body(token: &Token, signed: &str, body: &[u8]) -> Result<String, Denied> {
    for header in ["host", BODY_HEADER] {
        if !signed.split(';').any(|name| name == header) {
            return Err(Denied::Unsigned(header));
        }
    }
    if let Some(extra) = token.headers.keys().find(|name| *name != BODY_HEADER) {
        return Err(Denied::ExtraHeader(extra.clone()));
    }
    let hash = token.headers.get(BODY_HEADER).ok_or(Denied::Missing(BODY_HEADER))?;
    if *hash != sha256(body) { Err(Denied::OtherBody) } else { Ok(hash.clone()) }
}

#[cfg(test)]
mod tests;
