//! What the answer to an eviction means.

use kube::core::Status;

use crate::error::innermost;
use crate::kube::error;

/// Why a pod can't be evicted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A budget does not allow it.
    Budget {
        /// Its name; empty if the API did not say it.
        name: String,
        /// The API's words.
        said: String,
    },
    /// The API is busy, fails or does not answer; its words.
    Api(String),
}

/// What an eviction that was not accepted means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The pod is not there any more.
    Gone,
    /// It may work later.
    Later(Obstacle),
    /// It will never work.
    Final,
}

/// Reads a failed eviction.
pub(super) fn read(refused: &kube::Error) -> Refusal {
    match refused {
        kube::Error::Api(status) => status_means(status),
        other if error::passes(other) => Refusal::Later(Obstacle::Api(innermost(other))),
        _ => Refusal::Final,
    }
}

fn status_means(status: &Status) -> Refusal {
    let budget = status.details.iter().any(|d| d.kind.to_lowercase().starts_with("poddisruptionbudget"));
    let cause = |reason: &str| status.details.iter().flat_map(|d| &d.causes).find(|cause| cause.reason == reason);
    let words = || Obstacle::Api(status.message.trim().to_owned());
    match (status.code, cause("DisruptionBudget")) {
        (404, _) => Refusal::Gone,
        (429, Some(cause)) => Refusal::Later(Obstacle::Budget {
            name: named(&cause.message).to_owned(),
            said: cause.message.trim().to_owned(),
        }),
        // The server refuses to note more evictions than it may before the budget's controller has seen the last ones.
        (403, _) if budget => {
            let name = status.details.as_ref().map(|d| d.name.clone()).unwrap_or_default();
            Refusal::Later(Obstacle::Budget { name, said: status.message.trim().to_owned() })
        }
        // The pod is deleted together with its namespace.
        (403, _) if cause("NamespaceTerminating").is_some() => Refusal::Later(words()),
        // Another pod of this name, or one that changed this moment: the next look at the node tells.
        (409 | 429 | 500..=599, _) => Refusal::Later(words()),
        _ => Refusal::Final,
    }
}

/// The name in the API's sentence: `The disruption budget NAME needs 2 healthy pods and has 2 currently`.
fn named(sentence: &str) -> &str {
    sentence.trim().strip_prefix("The disruption budget ").and_then(|rest| rest.split(' ').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn means(code: u16, details: Value) -> Refusal {
        let status = json!({"code": code, "message": "said", "details": details});
        read(&kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())))
    }

    fn because(reason: &str, message: &str) -> Value {
        json!({"causes": [{"reason": reason, "message": message}]})
    }

    /// A budget that does not allow is named, in each of the ways in which the API says it.
    #[test]
    fn budgets_are_named() {
        for sentence in [
            "The disruption budget web needs 2 healthy pods and has 2 currently",
            "The disruption budget web is still being processed by the server.",
            "The disruption budget web does not allow evicting pods currently because it failed sync: no controller",
        ] {
            let budget = Obstacle::Budget { name: "web".into(), said: sentence.into() };
            assert_eq!(means(429, because("DisruptionBudget", sentence)), Refusal::Later(budget));
        }
        let full = means(403, json!({"group": "policy", "kind": "poddisruptionbudget", "name": "web"}));
        assert_eq!(full, Refusal::Later(Obstacle::Budget { name: "web".into(), said: "said".into() }));
        let odd = Refusal::Later(Obstacle::Budget { name: String::new(), said: "Other words".into() });
        assert_eq!(means(429, because("DisruptionBudget", "Other words")), odd);
    }

    /// What passes is told apart from what never will: a right that is missing ends the drain, a busy API does not.
    #[test]
    fn what_passes() {
        let later = Refusal::Later(Obstacle::Api("said".into()));
        for code in [409, 429, 500, 503, 504] {
            assert_eq!(means(code, json!({})), later, "{code}");
        }
        assert_eq!(means(403, because("NamespaceTerminating", "namespace a is being terminated")), later);
        assert_eq!(means(404, json!({})), Refusal::Gone);
        for code in [400, 401, 403, 405, 422] {
            assert_eq!(means(code, json!({"kind": "pods"})), Refusal::Final, "{code}");
        }
    }
}
