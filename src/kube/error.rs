//! What the API said, as our errors.

use std::borrow::Borrow;

use kube::core::Status;

use crate::error::{Error, chain};

/// The error of a failed call: what was being done, what the API said, what to do.
pub fn of(doing: &str, error: impl Borrow<kube::Error>) -> Error {
    match error.borrow() {
        kube::Error::Api(status) => refused(doing, status),
        other => unreachable(doing, other),
    }
}

/// Whether the call may succeed a little later: the API is coming up, or is busy.
pub fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
            !chain(error).contains("certificate")
        }
        _ => false,
    }
}

fn refused(doing: &str, status: &Status) -> Error {
    let error = Error::failed(format!("can't {doing}: {}", status.message.trim()));
    match status.code {
        401 => error.hint("the credentials are not taken: kspot export kubeconfig --admin makes new ones"),
        403 => error.hint("the credentials lack this right"),
        409 if status.reason == "Conflict" => conflict(doing, status),
        500 if is_of_webhook(&status.message) => error.hint(WEBHOOK),
        _ => error,
    }
}

/// What helps where a webhook that has to be asked does not answer.
pub(super) const WEBHOOK: &str = "the API asks this webhook first, and it does not answer: repair what serves it, or take \
                                  its configuration away: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations";

/// Whether the API's words are of a webhook that it could not ask. It has no other mark for that.
pub(super) fn is_of_webhook(said: &str) -> bool {
    said.contains("failed calling webhook")
}

/// Somebody else manages a field: who, and which.
fn conflict(doing: &str, status: &Status) -> Error {
    let causes = status.details.iter().flat_map(|d| &d.causes);
    let causes: Vec<String> = causes.map(|c| format!("{}: {}", c.field, c.message)).collect();
    let error = Error::failed(format!("can't {doing}: somebody else manages fields of it"));
    let error = causes.into_iter().fold(error, Error::detail);
    error.hint("take the fields over with --force-conflicts, or leave them to whoever manages them")
}

fn unreachable(doing: &str, error: &kube::Error) -> Error {
    let text = chain(error);
    let hint = if text.contains("certificate") && (text.contains("expired") || text.contains("Expired")) {
        "the certificate is over: kspot export kubeconfig --admin makes a new one"
    } else if text.contains("NotValidYet") || text.contains("not valid yet") {
        "the clock of this machine, or the cluster's, is wrong"
    } else if text.contains("certificate") || text.contains("UnknownIssuer") {
        "the server's certificate is not of this cluster: is the address, or the kubeconfig, another cluster's?"
    } else {
        "is the API server up and reachable from here? kspot get instances shows the control plane's machines"
    };
    Error::failed(format!("can't {doing}: the Kubernetes API does not answer")).because(text).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        let status = Status { code, reason: reason.into(), message: message.into(), ..Status::default() };
        kube::Error::Api(Box::new(status))
    }

    /// A conflict names the field and its manager.
    #[test]
    fn conflicts_name_the_manager() {
        let conflict: Status = serde_json::from_value(serde_json::json!({
            "code": 409,
            "reason": "Conflict",
            "details": {"causes": [{
                "reason": "FieldManagerConflict",
                "message": "conflict with \"kubectl\"",
                "field": ".spec.replicas",
            }]},
        }))
        .unwrap();
        let error = of("apply Deployment kube-system/x", kube::Error::Api(Box::new(conflict)));
        assert_eq!(error.details(), [".spec.replicas: conflict with \"kubectl\""]);
        assert!(error.message().contains("Deployment kube-system/x"));
    }

    /// Refusals say what the API said and what to do; what passes by itself is told apart.
    #[test]
    fn refusals_have_hints() {
        let unauthorized = of("list nodes", status(401, "Unauthorized", "Unauthorized"));
        assert!(unauthorized.hints().iter().any(|h| h.contains("export kubeconfig --admin")));
        assert!(
            of("list nodes", status(403, "Forbidden", "nodes is forbidden")).message().contains("nodes is forbidden")
        );
        let webhook = "Internal error occurred: failed calling webhook \"a.example.com\": service \"a\" not found";
        let error = of("apply ConfigMap a/b", status(500, "InternalError", webhook));
        assert!(error.message().contains("ConfigMap a/b") && error.message().contains("a.example.com"), "{error}");
        assert_eq!(error.hints(), [WEBHOOK]);
        assert!(passes(&status(503, "ServiceUnavailable", "starting")) && !passes(&status(422, "Invalid", "no")));
    }
}
