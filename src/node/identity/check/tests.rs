use super::*;

const HOST: &str = "sts.eu-west-1.amazonaws.com";
const BODY: &[u8] = b"{}";
const QUERY: &str = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=ASIAEXAMPLE%2F20261121%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261121T120000Z&X-Amz-Expires=300\
    &X-Amz-SignedHeaders=host%3Bx-kspot-request-sha256&X-Amz-Signature=0aF1&X-Amz-Security-Token=a%2Fb%2B%3D%3D";

fn token(url: &str) -> Token {
    Token { url: url.to_owned(), headers: BTreeMap::from([(BODY_HEADER.to_owned(), sha256(BODY))]) }
}

fn at(token: &Token, body: &[u8], seconds: i64) -> Result<Checked, Denied> {
    let made: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let now = made + SignedDuration::from_secs(seconds);
    check(token, &Expected { host: HOST, region: "eu-west-1", body, now })
}

/// What comes of a token whose query is changed.
fn changed(from: &str, to: &str) -> Denied {
    assert!(QUERY.contains(from), "{from}");
    match at(&token(&format!("https://{HOST}/?{}", QUERY.replace(from, to))), BODY, 10) {
        Err(denied) => denied,
        Ok(_) => panic!("{to} is taken"),
    }
}

/// A token as a worker makes it is taken, and what goes to STS is what was checked.
#[test]
fn a_worker_s_token_is_taken() {
    let checked = at(&token(&format!("https://{HOST}/?{QUERY}")), BODY, 10);
    let Ok(checked) = checked else { panic!("{:?}", checked.err()) };
    assert_eq!((checked.query.as_str(), checked.signature.as_str()), (QUERY, "0af1"));
    assert_eq!(checked.body_sha256, sha256(BODY));
    assert_eq!(checked.ends, "2026-11-21T12:05:00Z".parse().unwrap());
}

/// Nobody but STS of the region is asked, and only over HTTPS, however the name is dressed up.
#[test]
fn forged_hosts_are_refused() {
    for host in [
        "sts.us-east-1.amazonaws.com",
        "sts.amazonaws.com",
        "sts.eu-west-1.amazonaws.com.evil.example",
        "sts.eu-west-1.amazonaws.com:444",
        "sts.eu-west-1.amazonaws.com@evil.example",
        "evil@sts.eu-west-1.amazonaws.com",
        "sts.eu-west-1.amazonaws.com.",
        "sts.eu-west-1.amazonaws.com.cn",
        "127.0.0.1",
    ] {
        let denied = at(&token(&format!("https://{host}/?{QUERY}")), BODY, 0).err();
        assert!(matches!(denied, Some(Denied::OtherHost { .. })), "{host}: {denied:?}");
    }
    let http = at(&token(&format!("http://{HOST}/?{QUERY}")), BODY, 0).err();
    assert!(matches!(http, Some(Denied::NotHttps(_))), "{http:?}");
    for path in ["//", "/x", "/x/../"] {
        let denied = at(&token(&format!("https://{HOST}{path}?{QUERY}")), BODY, 0).err();
        assert!(matches!(denied, Some(Denied::OtherPath(_))), "{path}: {denied:?}");
    }
    for odd in ["", "/?a", "mailto:x", "https://"] {
        assert!(at(&token(odd), BODY, 0).is_err(), "{odd}");
    }
}

/// It is a GetCallerIdentity, with nothing more, nothing less, nothing twice, and nothing that can be read in two ways.
#[test]
fn other_requests_are_refused() {
    assert_eq!(changed("GetCallerIdentity", "AssumeRole"), Denied::OtherAction("AssumeRole".into()));
    assert_eq!(changed("Action=GetCallerIdentity&", ""), Denied::Missing("Action"));
    assert_eq!(changed("&X-Amz-Signature=0aF1", ""), Denied::Missing("X-Amz-Signature"));
    assert!(matches!(changed("2011-06-15", "2012-06-15"), Denied::OtherValue("Version", _)));
    assert!(matches!(changed("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), Denied::OtherValue("X-Amz-Algorithm", _)));
    assert_eq!(changed("Action=", "RoleArn=x&Action="), Denied::ExtraParameter("RoleArn".into()));
    assert_eq!(changed("Action=", "action=x&Action="), Denied::ExtraParameter("action".into()));
    assert_eq!(changed("Action=", "Action=AssumeRole&Action="), Denied::Repeated("Action".into()));
    assert_eq!(changed("Action=", "%41ction=AssumeRole&Action="), Denied::Repeated("Action".into()));
    for odd in
        ["Action=x;Action=", "Action", "&Action=", "Action==", "Action=+", "Action=%4&x=", "Action=%zz", "Action=%ff"]
    {
        assert_eq!(changed("Action=", odd), Denied::OddQuery, "{odd}");
    }
}

/// It is signed for STS of this region.
#[test]
fn other_scopes_are_refused() {
    for (from, to) in
        [("%2Fsts%2F", "%2Fs3%2F"), ("%2Feu-west-1%2F", "%2Fus-east-1%2F"), ("aws4_request", "x"), ("%2F20261121", "")]
    {
        let denied = changed(from, to);
        assert!(matches!(denied, Denied::OtherValue("X-Amz-Credential", _)), "{to}: {denied}");
        assert!(!denied.to_string().contains("ASIAEXAMPLE"), "{denied}");
    }
}

/// The signature covers the host and the hash, and the hash is this body's.
#[test]
fn a_token_is_for_one_body() {
    assert_eq!(changed("host%3Bx-kspot-request-sha256", "host"), Denied::Unsigned(BODY_HEADER));
    assert_eq!(changed("host%3Bx-kspot-request-sha256", "x-kspot-request-sha256"), Denied::Unsigned("host"));
    assert_eq!(
        changed("host%3Bx-kspot-request-sha256", "host%3Bx-kspot-request-sha2566"),
        Denied::Unsigned(BODY_HEADER)
    );
    let good = token(&format!("https://{HOST}/?{QUERY}"));
    assert_eq!(at(&good, b"{\"cluster\":\"\"}", 0).err(), Some(Denied::OtherBody));
    let mut more = good.clone();
    more.headers.insert("x-amz-content-sha256".into(), "0".into());
    assert_eq!(at(&more, BODY, 0).err(), Some(Denied::ExtraHeader("x-amz-content-sha256".into())));
    let mut none = good;
    none.headers.clear();
    assert_eq!(at(&none, BODY, 0).err(), Some(Denied::Missing(BODY_HEADER)));
}

/// It was made a moment ago, by clocks that agree more or less, and does not count for long.
#[test]
fn old_and_future_tokens_are_refused() {
    let good = token(&format!("https://{HOST}/?{QUERY}"));
    assert!(at(&good, BODY, 300).is_ok() && at(&good, BODY, -300).is_ok());
    assert_eq!(at(&good, BODY, 301).err(), Some(Denied::TooOld(301)));
    assert_eq!(at(&good, BODY, -301).err(), Some(Denied::Future(301)));
    assert!(Denied::TooOld(301).to_string().contains("clock") && Denied::Future(301).to_string().contains("clock"));
    assert_eq!(changed("Expires=300", "Expires=901"), Denied::LastsTooLong(901));
    assert_eq!(changed("Expires=300", "Expires=9"), Denied::TooOld(10));
    assert!(matches!(changed("Expires=300", "Expires=-1"), Denied::OtherValue("X-Amz-Expires", _)));
    assert!(matches!(changed("20261121T120000Z", "2026-11-21"), Denied::OtherValue("X-Amz-Date", _)));
}
