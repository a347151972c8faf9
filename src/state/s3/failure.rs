//! What S3 answered instead of doing it, in the few terms that the store needs, and as an error for people.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, innermost};

/// A request that S3 did not fulfil.
#[derive(Debug)]
pub(in crate::state) struct Failure {
    /// The HTTP status; `None` if there was no answer at all.
    pub(in crate::state) status: Option<u16>,
    /// S3's error code; empty if the answer had none.
    pub(in crate::state) code: String,
    /// One sentence: S3's own message, or why there was no answer.
    message: String,
    /// The region that the answer points to.
    pub(in crate::state) region: Option<String>,
    request_id: Option<String>,
}

impl<E> From<SdkError<E>> for Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(e: SdkError<E>) -> Self {
        let raw = e.raw_response();
        let header = |name: &str| raw.and_then(|r| r.headers().get(name)).map(str::to_owned);
        let message = match e.message() {
            Some(message) if raw.is_some() => message.to_owned(),
            _ if raw.is_some() => String::new(),
            _ => innermost(&e),
        };
        Failure {
            status: raw.map(|r| r.status().as_u16()),
            code: e.code().unwrap_or_default().to_owned(),
            message,
            region: header("x-amz-bucket-region"),
            request_id: header("x-amz-request-id"),
        }
    }
}

impl Failure {
    /// The bucket exists, elsewhere.
    pub(super) fn is_wrong_region(&self) -> bool {
        matches!(self.status, Some(301 | 307))
            || matches!(self.code.as_str(), "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException")
    }

    /// A precondition did not hold. S3 answers `If-Match` on a missing object with 404.
    pub(super) fn is_lost_precondition(&self) -> bool {
        self.status == Some(412) || self.code == "NoSuchKey"
    }

    /// Another conditional write of the same key was under way: nothing was decided, ask again.
    pub(super) fn is_undecided(&self) -> bool {
        self.status == Some(409) && matches!(self.code.as_str(), "ConditionalRequestConflict" | "OperationAborted")
    }

    /// The request may have been done although no good answer came.
    pub(super) fn may_have_happened(&self) -> bool {
        self.status.is_none_or(|s| s >= 500)
    }

    /// There is no such object. An answer without a body counts if no bucket is said to be missing.
    pub(super) fn is_missing_object(&self) -> bool {
        self.code == "NoSuchKey" || (self.status == Some(404) && self.code != "NoSuchBucket")
    }

    /// The error for people: what was being done, to which store, and what S3 said.
    pub(in crate::state) fn error(&self, doing: &str, store: &str) -> Error {
        let bucket = store.trim_start_matches("s3://").split('/').next().unwrap_or_default();
        if self.code == "NoSuchBucket" {
            return Error::failed(format!("state store s3://{bucket} does not exist"))
                .hint(format!("kspot create state-store s3://{bucket}"))
                .hint("the bucket's name may be misspelt, or the credentials belong to another account");
        }
        let refused = format!("can't {doing} in {store}");
        let error = match (self.status, self.code.as_str()) {
            (None, _) => return self.unanswered(refused),
            (_, "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken") => {
                Error::failed(format!("{refused}: AWS does not accept the credentials ({})", self.code))
                    .hint("check AWS_PROFILE or the AWS_* variables; `aws sts get-caller-identity` shows who you are")
            }
            (Some(403), _) => Error::failed(format!("{refused}: access denied")).hint(format!(
                "the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on {bucket}; \
                 `kspot iam policy` prints all that kspot needs"
            )),
            _ if self.is_wrong_region() => {
                let place = self.region.as_deref().map(|r| format!(", {r}")).unwrap_or_default();
                Error::failed(format!("{refused}: the bucket is in another region{place}"))
                    .hint(format!("AWS_REGION={}", self.region.as_deref().unwrap_or("<the bucket's region>")))
            }
            (Some(status), "") => Error::failed(format!("{refused}: S3 answered {status}")),
            (_, code) => Error::failed(format!("{refused}: {code}")),
        };
        let said = [Some(self.message.clone()), self.request_id.as_ref().map(|id| format!("request id {id}"))];
        said.into_iter().flatten().filter(|line| !line.is_empty()).fold(error, Error::detail)
    }

    fn unanswered(&self, refused: String) -> Error {
        let error = Error::failed(format!("{refused}: {}", self.message));
        if ["credential", "profile"].iter().any(|word| self.message.contains(word)) {
            error.hint("give credentials: AWS_PROFILE, the AWS_* variables, or `aws configure`")
        } else if self.message.to_lowercase().contains("region") {
            error.hint("set AWS_REGION")
        } else {
            error.hint("check the network, and AWS_ENDPOINT_URL if it is set")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Failure {
        Failure {
            status: Some(status),
            code: code.into(),
            message: "said so".into(),
            region: Some("eu-west-1".into()),
            request_id: Some("R1".into()),
        }
    }

    /// Each refusal that people meet names its cause and the next step.
    #[test]
    fn refusals_have_a_cause_and_a_hint() {
        let cases = [
            (answered(404, "NoSuchBucket"), "state store s3://b does not exist", "kspot create state-store s3://b"),
            (answered(403, "AccessDenied"), "can't read c/config in s3://b/p: access denied", "kspot iam policy"),
            (answered(400, "ExpiredToken"), "does not accept the credentials (ExpiredToken)", "AWS_PROFILE"),
            (answered(301, "PermanentRedirect"), "in another region, eu-west-1", "AWS_REGION=eu-west-1"),
        ];
        for (failure, cause, hint) in cases {
            let e = failure.error("read c/config", "s3://b/p");
            assert!(e.message().contains(cause), "{e}");
            assert!(e.hints().iter().any(|h| h.contains(hint)), "{:?}", e.hints());
        }
        let e = answered(500, "InternalError").error("read x", "s3://b");
        assert_eq!(e.details(), ["said so", "request id R1"]);
    }

    /// A missing object is not a missing bucket, and an unclear answer is told from a lost race.
    #[test]
    fn answers_are_told_apart() {
        assert!(answered(404, "NoSuchKey").is_missing_object());
        assert!(!answered(404, "NoSuchBucket").is_missing_object());
        assert!(answered(409, "ConditionalRequestConflict").is_undecided());
        assert!(!answered(412, "PreconditionFailed").is_undecided());
        assert!(answered(412, "PreconditionFailed").is_lost_precondition());
        assert!(answered(503, "SlowDown").may_have_happened() && !answered(403, "").may_have_happened());
    }
}
