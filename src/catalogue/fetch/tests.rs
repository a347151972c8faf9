//! The real clients against a connection that pages as AWS does.

use std::sync::{Arc, Mutex};

use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::*;

/// Answers each request with what `answer` makes of its body, and remembers the bodies.
#[derive(Clone)]
struct Stub {
    asked: Arc<Mutex<Vec<String>>>,
    answer: fn(&str) -> (u16, String),
}

impl std::fmt::Debug for Stub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stub")
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (status, text) = (self.answer)(&body);
        self.asked.lock().unwrap().push(body);
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(text))))
    }
}

fn aws(answer: fn(&str) -> (u16, String)) -> (Aws, Stub) {
    let stub = Stub { asked: Arc::default(), answer };
    let connector = stub.clone();
    let http: SharedHttpClient = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(RetryConfig::disabled())
        .http_client(http)
        .build();
    (Aws::new(&config, &Context::system()).unwrap(), stub)
}

fn parameter<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Two pages of whatever is asked for: the first with a token, the second with an empty one.
fn two_pages(body: &str) -> (u16, String) {
    let action = parameter(body, "Action").unwrap_or("GetProducts");
    let second = parameter(body, "NextToken").is_some() || body.contains("\"NextToken\"");
    let n = if second { 2 } else { 1 };
    let token = if second { "" } else { "more" };
    let quarter: String = (1..=2).filter_map(|f| parameter(body, &format!("Filter.{f}.Value.1"))).collect();
    let (set, item) = match action {
        "DescribeAvailabilityZones" => (
            "availabilityZoneInfo",
            "<zoneName>eu-west-1a</zoneName><zoneId>euw1-az1</zoneId><optInStatus>opted-in</optInStatus>".to_owned(),
        ),
        "DescribeInstanceTypes" => (
            "instanceTypeSet",
            format!(
                "<instanceType>{quarter}.{n}</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo>\
                 <memoryInfo><sizeInMiB>4096</sizeInMiB></memoryInfo>"
            ),
        ),
        "DescribeInstanceTypeOfferings" => (
            "instanceTypeOfferingSet",
            format!("<instanceType>m{n}.large</instanceType><location>eu-west-1a</location>"),
        ),
        "DescribeSpotPriceHistory" => (
            "spotPriceHistorySet",
            format!(
                "<instanceType>m5.large</instanceType><availabilityZone>{}</availabilityZone>\
                 <spotPrice>0.0{n}</spotPrice><timestamp>2026-03-0{n}T00:00:00Z</timestamp>",
                parameter(body, "Filter.1.Value.1").unwrap_or_default()
            ),
        ),
        "DescribeImages" => (
            "imagesSet",
            format!(
                "<imageId>ami-{n}</imageId><name>noble-{n}</name><imageOwnerId>1</imageOwnerId>\
                 <architecture>x86_64</architecture><creationDate>2026-0{n}-01T00:00:00.000Z</creationDate>"
            ),
        ),
        _ => return products(n, token),
    };
    let response = format!("{action}Response");
    (200, format!("<{response}><{set}><item>{item}</item></{set}><nextToken>{token}</nextToken></{response}>"))
}

fn products(n: u32, token: &str) -> (u16, String) {
    let product = serde_json::json!({
        "product": {"attributes": {"instanceType": format!("m{n}.large")}},
        "publicationDate": "2026-03-01",
        "terms": {"OnDemand": {"A": {"priceDimensions": {"B": {"pricePerUnit": {"USD": "0.1"}}}}}},
    });
    let page = serde_json::json!({"FormatVersion": "aws_v1", "PriceList": [product.to_string()], "NextToken": token});
    (200, page.to_string())
}

/// Every page of every list arrives, and the lists of types have no gap between them.
#[tokio::test]
async fn all_pages_of_the_inventory_arrive() {
    let (aws, stub) = aws(two_pages);
    let catalogue = aws.inventory(None, Timestamp::UNIX_EPOCH).await.unwrap();
    let names: Vec<&str> = catalogue.types.keys().map(String::as_str).collect();
    let halves = ["falsefalse", "falsetrue", "truefalse", "truetrue"];
    let expected: Vec<String> = halves.iter().flat_map(|half| [1, 2].map(|n| format!("{half}.{n}"))).collect();
    assert_eq!(names, expected);
    assert_eq!(catalogue.offerings["eu-west-1a"].len(), 2);
    assert_eq!(catalogue.zone_name("euw1-az1"), Some("eu-west-1a"));
    assert_eq!(stub.asked.lock().unwrap().len(), 1 + 4 * 2 + 2);
}

/// A few types need no more than their own pages: the names go to AWS as a filter.
#[tokio::test]
async fn a_few_types_are_asked_for_by_name() {
    let (aws, stub) = aws(two_pages);
    let only = BTreeSet::from(["m5.large".to_owned()]);
    aws.inventory(Some(&only), Timestamp::UNIX_EPOCH).await.unwrap();
    let asked = stub.asked.lock().unwrap();
    let filtered = asked.iter().filter(|body| body.contains("Filter.1.Value.1=m5.large")).count();
    assert_eq!((asked.len(), filtered), (5, 4));
}

/// Spot prices of all zones and on-demand prices arrive, the newest price of a pool counts.
#[tokio::test]
async fn all_pages_of_the_prices_arrive() {
    let (aws, _) = aws(two_pages);
    let zones = ["eu-west-1a".to_owned(), "eu-west-1b".to_owned()];
    let prices = aws.prices(&zones, Timestamp::UNIX_EPOCH).await;
    assert_eq!(prices.missing, Vec::<String>::new());
    let pools: Vec<_> = prices.spot["m5.large"].iter().map(|(zone, p)| (zone.as_str(), p.usd_per_hour)).collect();
    assert_eq!(pools, [("eu-west-1a", 0.02), ("eu-west-1b", 0.02)]);
    assert_eq!(prices.on_demand.keys().collect::<Vec<_>>(), ["m1.large", "m2.large"]);
    assert!(prices.source.contains("2026-03-01"), "{}", prices.source);
}

/// Where the Pricing service is missing, spot prices still come, and the gap is told with its cause.
#[tokio::test]
async fn a_missing_price_list_is_told() {
    let answer = |body: &str| if body.contains("Action=") { two_pages(body) } else { (404, "<html>".to_owned()) };
    let (aws, _) = aws(answer);
    let prices = aws.prices(&["eu-west-1a".to_owned()], Timestamp::UNIX_EPOCH).await;
    assert_eq!(prices.spot.len(), 1);
    assert!(prices.on_demand.is_empty());
    assert!(prices.missing[0].starts_with("on-demand prices are unknown"), "{:?}", prices.missing);
}

/// A pattern means the newest image of all pages; none at all is an error with a hint.
#[tokio::test]
async fn the_newest_image_of_all_pages_is_found() {
    let (aws, stub) = aws(two_pages);
    let spec = ImageSpec::default_for("amd64");
    assert_eq!(aws.image(&spec, Some("x86_64")).await.unwrap().id, "ami-2");
    assert!(stub.asked.lock().unwrap()[0].contains("Owner.1=099720109477"));
    let (empty, _) = self::aws(|_| (200, "<DescribeImagesResponse/>".to_owned()));
    let error = empty.image(&spec, Some("arm64")).await.unwrap_err();
    assert!(error.message().contains("eu-west-1") && error.message().ends_with("for arm64"), "{error}");
}
