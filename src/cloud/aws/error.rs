//! AWS error codes, in one table: what class of trouble each is, and what helps.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{Error, chain, innermost};

/// What a failed AWS call means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The thing is not there (or not visible yet).
    NotFound,
    /// A thing of that name or value is there already.
    Exists,
    /// Too many requests; nothing happened.
    Throttled,
    /// Something still uses the thing that was to be deleted or changed.
    InUse,
    /// A thing that was just made is not visible to another service yet.
    NotYetVisible,
    /// The caller's credentials are missing, wrong or expired.
    Credentials,
    /// The caller lacks a permission.
    Denied,
    /// A quota is reached.
    Quota,
    /// AWS can't be reached, or the connection broke: a mutating call may or may not have happened.
    Lost,
    /// AWS failed on its side: a mutating call may or may not have happened.
    Server,
    /// Anything else: the request is refused.
    Refused,
}

/// One row: codes, their class. A code that ends with `*` matches as a prefix, one that starts with `*` as a suffix.
const TABLE: &[(Class, &[&str])] = &[
    (
        Class::Throttled,
        &[
            "Throttling*",
            "RequestLimitExceeded",
            "TooManyRequests*",
            "SlowDown",
            "BandwidthLimitExceeded",
            "RequestThrottled*",
            "PriorRequestNotComplete",
            "EC2ThrottledException",
        ],
    ),
    (
        Class::InUse,
        &[
            "DependencyViolation",
            "*InUse",
            "*InUseException",
            "*.InUse",
            "ResourceInUse*",
            "DeleteConflict",
            "ScalingActivityInProgress",
            "ResourceContention*",
            "HostedZoneNotEmpty",
            "IncorrectState",
            "IncorrectInstanceState",
            "InvalidIPAddress.InUse",
            "AddressInUse",
        ],
    ),
    (Class::NotYetVisible, &["*QueueDeletedRecently"]),
    (
        Class::Credentials,
        &[
            "AuthFailure",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "ExpiredToken*",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId",
            "MissingAuthenticationToken*",
            "OptInRequired",
        ],
    ),
    (Class::Denied, &["UnauthorizedOperation", "AccessDenied*", "*NotAuthorized*", "AuthorizationError"]),
    (
        Class::Quota,
        &[
            "*LimitExceeded",
            "*LimitExceededException",
            "Too*",
            "MaxSpotInstanceCountExceeded",
            "InsufficientFreeAddressesInSubnet",
        ],
    ),
    (
        Class::NotFound,
        &[
            "*.NotFound",
            "*NotFound",
            "*NotFoundException",
            "NoSuch*",
            "*NonExistentQueue",
            "*QueueDoesNotExist",
            "InvalidHostedZone*",
            "*.Unknown",
            "*NotFoundFault",
        ],
    ),
    (
        Class::Exists,
        &[
            "*.Duplicate",
            "Duplicate*",
            "*AlreadyExists*",
            "*.AlreadyExists",
            "EntityAlreadyExists",
            "AlreadyExists",
            "*AlreadyExist",
            "BucketAlready*",
            "QueueAlreadyExists",
            "QueueNameExists",
            "Resource.AlreadyAssociated",
            "*.AlreadyAssociated",
            "InvalidKeyPair.Duplicate",
        ],
    ),
    (
        Class::Server,
        &[
            "InternalError",
            "InternalFailure",
            "InternalServer*",
            "ServiceUnavailable*",
            "Unavailable",
            "RequestTimeout",
            "503",
            "500",
        ],
    ),
];

fn matches(pattern: &str, code: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(p), Some(_)) => code.contains(p.trim_end_matches('*')),
        (Some(suffix), None) => code.ends_with(suffix),
        (None, Some(prefix)) => code.starts_with(prefix),
        (None, None) => code == pattern,
    }
}

/// The class of an AWS error code.
pub fn class_of(code: &str) -> Class {
    TABLE.iter().find(|(_, codes)| codes.iter().any(|p| matches(p, code))).map_or(Class::Refused, |(c, _)| *c)
}

/// A failed AWS call: what was asked, AWS's code and message. It holds no request body, header or credential.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct AwsError {
    /// What was being done to what, for people: `create VPC vpc/c.example.com`.
    pub doing: String,
    /// AWS's error code, when AWS answered.
    pub code: Option<String>,
    /// AWS's message, or what broke on the way.
    pub message: String,
    /// AWS's id of the request, for support cases.
    pub request_id: Option<String>,
    /// What it means.
    pub class: Class,
}

impl AwsError {
    fn sentence(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// Classifies a failed SDK call.
    pub fn of<E>(doing: impl Into<String>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        use aws_sdk_ec2::operation::RequestId;
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|m| m.code()).map(str::to_owned);
        let status = error.raw_response().map(|r| r.status().as_u16());
        let class = match (&code, error) {
            (Some(code), _) => match class_of(code) {
                Class::Refused => refine(meta.and_then(|m| m.message()).unwrap_or_default(), status),
                class => class,
            },
            (None, SdkError::ServiceError(_)) if status.is_some_and(|s| s >= 500) => Class::Server,
            (None, SdkError::ServiceError(_)) if status == Some(404) => Class::NotFound,
            (None, SdkError::ConstructionFailure(_)) => construction(error),
            (None, SdkError::DispatchFailure(d)) if d.as_connector_error().is_none_or(|c| c.is_user()) => {
                construction(error)
            }
            (None, SdkError::ServiceError(_)) => Class::Refused,
            (None, _) => Class::Lost,
        };
        let message = meta.and_then(|m| m.message()).map_or_else(|| innermost(error), str::to_owned);
        let request_id = error.request_id().map(str::to_owned);
        AwsError { doing: doing.into(), code, message, request_id, class }
    }

    /// Whether the call may have happened although it failed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.class, Class::Lost | Class::Server)
    }
}

/// AWS says some things only in words, under `ValidationError` or `InvalidParameterValue`.
fn refine(message: &str, status: Option<u16>) -> Class {
    let m = message.to_ascii_lowercase();
    if m.contains("invalid iam instance profile")
        || m.contains("is not yet")
        || m.contains("not authorized to perform: sts")
    {
        Class::NotYetVisible
    } else if m.contains("name not found") || m.contains("does not exist") || m.contains("not found") {
        Class::NotFound
    } else if m.contains("rate exceeded") {
        Class::Throttled
    } else if status.is_some_and(|s| s >= 500) {
        Class::Server
    } else {
        Class::Refused
    }
}

fn construction<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> Class {
    let text = chain(error).to_ascii_lowercase();
    if text.contains("credential") || text.contains("token") { Class::Credentials } else { Class::Lost }
}

impl From<AwsError> for Error {
    fn from(e: AwsError) -> Error {
        let mut error = Error::failed(format!("can't {}", e.doing));
        if let Some(hint) = hint(&e) {
            error = error.hint(hint);
        }
        error.because(e)
    }
}

fn hint(e: &AwsError) -> Option<String> {
    Some(match e.class {
        Class::Credentials => "check the AWS credentials: `aws sts get-caller-identity` must work in this shell (AWS_PROFILE, AWS_ACCESS_KEY_ID, aws sso login)".into(),
        Class::Denied => "`kspot iam policy` prints the permissions that kspot needs".into(),
        Class::Quota => "a quota of the account is reached: see Service Quotas in the AWS console".into(),
        Class::Throttled => "AWS throttles this account's requests: wait a minute and run the same command again".into(),
        Class::Lost => "AWS could not be reached: check the network, the region and AWS_ENDPOINT_URL, then run the same command again".into(),
        Class::Server => "AWS failed on its side; run the same command again".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of different services that mean the same get the same class.
    #[test]
    fn codes_are_classified() {
        for (code, class) in [
            ("InvalidVpcID.NotFound", Class::NotFound),
            ("NoSuchEntity", Class::NotFound),
            ("AWS.SimpleQueueService.NonExistentQueue", Class::NotFound),
            ("LoadBalancerNotFound", Class::NotFound),
            ("InvalidGroup.Duplicate", Class::Exists),
            ("InvalidPermission.Duplicate", Class::Exists),
            ("EntityAlreadyExists", Class::Exists),
            ("RequestLimitExceeded", Class::Throttled),
            ("ThrottlingException", Class::Throttled),
            ("VpcLimitExceeded", Class::Quota),
            ("DependencyViolation", Class::InUse),
            ("ResourceInUse", Class::InUse),
            ("VolumeInUse", Class::InUse),
            ("DeleteConflict", Class::InUse),
            ("AWS.SimpleQueueService.QueueDeletedRecently", Class::NotYetVisible),
            ("UnauthorizedOperation", Class::Denied),
            ("InternalError", Class::Server),
            ("InvalidParameterValue", Class::Refused),
        ] {
            assert_eq!(class_of(code), class, "{code}");
        }
    }
}
