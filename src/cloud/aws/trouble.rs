//! Tells of requests that AWS throttled, failed, or left unanswered. They are sent again, by the SDK or by
//! [`super::once`]; a user who waits sees why.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::error::{Class, class_of};
use crate::context::Context;

/// Watches every attempt of every request of a client.
#[derive(Clone, Debug)]
pub struct Watch(Context);

impl Watch {
    /// Tells the context's listener.
    pub fn new(context: &Context) -> Self {
        Watch(context.clone())
    }
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_after_attempt(
        &self,
        attempt: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(Err(error)), Some(call)) = (attempt.output_or_error(), cfg.load::<Metadata>()) else {
            return Ok(());
        };
        let unanswered = error.is_connector_error() || error.is_timeout_error() || error.is_response_error();
        let what = match attempt.response() {
            None if unanswered => Some("no answer".to_owned()),
            None => None,
            Some(response) => passing(response),
        };
        if let Some(what) = what {
            self.0.tell(&format!("{} {}: {what}", call.service(), call.name()));
        }
        Ok(())
    }
}

/// What is wrong with the answer, if it passes by itself. A refusal does not.
fn passing(response: &HttpResponse) -> Option<String> {
    let code = response.body().bytes().and_then(|body| code_in(std::str::from_utf8(body).ok()?));
    describe(response.status().as_u16(), code)
}

fn describe(status: u16, code: Option<&str>) -> Option<String> {
    let throttled = status == 429 || code.is_some_and(|code| class_of(code) == Class::Throttled);
    match (throttled, code) {
        (true, code) => Some(format!("throttled ({})", code.unwrap_or("429"))),
        (false, Some(code)) if status >= 500 => Some(format!("{code} ({status})")),
        (false, None) if status >= 500 => Some(format!("error {status}")),
        _ => None,
    }
}

/// The error code in an answer of any of AWS's protocols.
fn code_in(body: &str) -> Option<&str> {
    let between = |from: &str, to: &str| {
        let (_, rest) = body.split_once(from)?;
        rest.split_once(to).map(|(code, _)| code)
    };
    let code = between("<Code>", "</Code>").or_else(|| between("\"__type\":\"", "\""))?;
    // A JSON protocol's code may carry its namespace: com.amazonaws.sqs#RequestThrottled.
    Some(code.rsplit('#').next().unwrap_or(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code is found in XML and in JSON, without its namespace.
    #[test]
    fn codes_are_found() {
        let xml = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>m</Message></Error></Errors></Response>";
        assert_eq!(code_in(xml), Some("RequestLimitExceeded"));
        assert_eq!(
            code_in(r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"m"}"#),
            Some("RequestThrottled")
        );
        assert_eq!(code_in("<html>"), None);
    }

    /// Throttling is told whatever its status is, a server's error always, a refusal never.
    #[test]
    fn what_passes_is_told() {
        assert_eq!(describe(400, Some("Throttling")).as_deref(), Some("throttled (Throttling)"));
        assert_eq!(describe(503, Some("SlowDown")).as_deref(), Some("throttled (SlowDown)"));
        assert_eq!(describe(500, Some("InternalError")).as_deref(), Some("InternalError (500)"));
        assert_eq!(describe(502, None).as_deref(), Some("error 502"));
        assert_eq!(describe(403, Some("UnauthorizedOperation")), None);
        assert_eq!(describe(404, None), None);
    }
}
