//! That a token is rightly signed, and that a changed one is found out: an STS that verifies signatures as AWS documents it
//! (IAM user guide, "Create a signed AWS API request"). moto believes everybody.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use jiff::Timestamp;
use kspot::cloud::aws::identity::token;
use kspot::digest::sha256;
use kspot::node::identity::Token;
use kspot::node::identity::token::BODY_HEADER;
use kspot::node::worker::{Unsuccessful, ask};

use super::stage::{Stage, signing_with};
use crate::bed::REGION;

/// What the service has as the secret of every access key.
const SECRET: &str = "a secret that only AWS and the machine have";

/// Serves until the test's process ends: the identity of who signed, or a refusal.
fn sts(arn: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &arn);
        }
    });
    url
}

fn answer(mut stream: TcpStream, arn: &str) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':').map(|(k, v)| (k.to_lowercase(), v.trim().to_owned())))
        .collect();
    let target = first.split(' ').nth(1).unwrap();
    let (status, body) = match is_signed(target, &headers) {
        true => {
            let account = arn.split(':').nth(4).unwrap();
            let result = format!("<Arn>{arn}</Arn><UserId>A:i</UserId><Account>{account}</Account>");
            ("200 OK", format!("<GetCallerIdentityResponse><GetCallerIdentityResult>{result}</GetCallerIdentityResult></GetCallerIdentityResponse>"))
        }
        false => ("403 Forbidden", "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature does not match</Message></Error></ErrorResponse>".to_owned()),
    };
    let length = body.len();
    // A client that left is its own business.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

/// Whether the signature in the query is right.
fn is_signed(target: &str, headers: &BTreeMap<String, String>) -> bool {
    let (path, query) = target.split_once('?').unwrap();
    let mut parameters: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    parameters.sort_unstable();
    let get = |name: &str| {
        parameters.iter().find(|(k, _)| *k == name).map(|(_, v)| v.replace("%2F", "/").replace("%3B", ";"))
    };
    let canonical: Vec<String> =
        parameters.iter().filter(|(k, _)| *k != "X-Amz-Signature").map(|(k, v)| format!("{k}={v}")).collect();
    let signed = get("X-Amz-SignedHeaders").unwrap();
    let header = |name: &str| format!("{name}:{}\n", headers.get(name).map_or("", String::as_str));
    let lines: String = signed.split(';').map(header).collect();
    let request = format!("GET\n{path}\n{}\n{lines}\n{signed}\n{}", canonical.join("&"), sha256(b""));
    let date = get("X-Amz-Date").unwrap();
    let scope = get("X-Amz-Credential").unwrap();
    let scope = scope.split_once('/').unwrap().1;
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(request.as_bytes()));
    let made = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &date).unwrap();
    let made: SystemTime = made.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().into();
    let key = generate_signing_key(SECRET, made, REGION, "sts");
    get("X-Amz-Signature").is_some_and(|signature| signature == calculate_signature(key, text.as_bytes()))
}

/// STS takes the token that we make; one that was changed on its way, or signed by somebody else, it does not.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_verified() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let arn = format!("arn:aws:sts::{}:assumed-role/nodes.c.example.com/{}", stage.bed.account(), worker.id);
    let stage = stage.asking(&sts(arn));
    let controller = stage.start().await;
    let keys = |secret: &str| {
        let token = Some("a/session+token==".to_owned());
        signing_with(&aws_credential_types::Credentials::new("ASIAEXAMPLE", secret, token, None, "test"))
    };
    let (ours, theirs) = (&keys(SECRET), &keys("a guess"));
    let controllers = stage.controllers(&controller, &worker);
    let request = stage.request(&worker);

    let sign = |body: Vec<u8>| async move { token(ours, REGION, &body, Timestamp::now()).await };
    let granted = ask(&controllers, &request, sign).await;
    assert!(granted.is_ok(), "{:?}\n{}", granted.err(), controller.log());

    let guessed = |body: Vec<u8>| async move { token(theirs, REGION, &body, Timestamp::now()).await };
    found_out(ask(&controllers, &request, guessed).await);

    // A thief has seen a token for another body, and names his own body's hash.
    let stolen = |body: Vec<u8>| async move {
        let mut token = token(ours, REGION, b"another body", Timestamp::now()).await?;
        token.headers.insert(BODY_HEADER.to_owned(), sha256(&body));
        Ok(token)
    };
    found_out(ask(&controllers, &request, stolen).await);

    // Or makes an old one young, or one of somebody else's session his own.
    for (what, to) in
        [("X-Amz-Expires=300", "X-Amz-Expires=301"), ("ASIAEXAMPLE", "ASIAANOTHER"), ("session", "nothing")]
    {
        let changed = |body: Vec<u8>| async move {
            let made = token(ours, REGION, &body, Timestamp::now()).await?;
            assert!(made.url.contains(what), "{}", made.url);
            Ok(Token { url: made.url.replace(what, to), ..made })
        };
        found_out(ask(&controllers, &request, changed).await);
    }
    assert!(!controller.log().contains("X-Amz"), "no signature is in the log: {}", controller.log());
}

/// While STS does not answer nobody is let in, nobody is refused, and the worker is told what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn without_sts_nobody_is_believed() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stage = stage.asking(&format!("http://{nobody}"));
    let controller = stage.start().await;
    match stage.ask(&controller, &worker).await {
        Err(Unsuccessful::Nobody(error)) => {
            let said = error.details().join("\n");
            assert!(said.contains("503") && said.contains(&format!("can't ask sts.{REGION}.amazonaws.com")), "{said}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was granted"),
    }
}

#[track_caller]
fn found_out(answer: Result<kspot::node::join::Grant, Unsuccessful>) {
    match answer {
        Err(Unsuccessful::Refused { why, .. }) => assert!(why.contains("SignatureDoesNotMatch"), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was granted"),
    }
}
