//! What ends by itself: the certificates of the authorities and of the API server.

use jiff::SignedDuration;

use super::{Case, Kind, Severity, Subject};

/// From then on before its end a key is worth a warning.
pub const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

pub(super) fn check(case: &mut Case<'_>) {
    let view = case.view;
    for key in &view.keys {
        let left = key.expires.duration_since(view.now);
        let (severity, message) = if left <= SignedDuration::ZERO {
            (Severity::Blocks, "has expired")
        } else if left < SOON {
            (Severity::Warning, "expires soon: rotate it with create, promote and distrust keypair")
        } else {
            continue;
        };
        case.say(severity, Subject::new(Kind::Key, &key.name).since(Some(key.expires)), message);
    }
    serving(case);
}

/// The API server's own certificate, which its machine makes anew in the last third of its year: that it ends soon is a
/// machine that does not get to it.
fn serving(case: &mut Case<'_>) {
    let Some(end) = case.view.serving else { return };
    let left = end.duration_since(case.view.now);
    let again = "its machine makes a new one when kspot-boot starts: end it, or `systemctl restart kspot-boot` on it";
    let (severity, message) = if left <= SignedDuration::ZERO {
        (Severity::Blocks, format!("has expired: {again}"))
    } else if left < SOON {
        (Severity::Warning, format!("expires soon, and should have been renewed: {again}"))
    } else {
        return;
    };
    case.say(severity, Subject::new(Kind::Api, "certificate").since(Some(end)), message);
}
