//! Certificates do not expire while the machine lives.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cloud::aws::AwsCloud;
use crate::error::Result;
use crate::node::agent::steps::keys::is_due;
use crate::node::agent::steps::kubelet;
use crate::node::agent::{Birth, worker};
use crate::node::host::Command;

/// How often certificates are looked at.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// How soon again when they could not be renewed.
const AGAIN: Duration = Duration::from_secs(600);

/// Renews the kubelet's certificates in the last third of their life; the kubelet reads them again by itself.
pub async fn renew(birth: &Birth, aws: &AwsCloud, control_plane: bool, stop: CancellationToken) {
    let join = async || {
        let controllers = worker::controllers(birth, aws).await?;
        worker::join(birth, &controllers).await.map(|_| ())
    };
    loop {
        let pause = attempt(birth, control_plane, join).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Renews what is due; how long to wait until the next look.
async fn attempt(birth: &Birth, control_plane: bool, join: impl AsyncFn() -> Result<()>) -> Duration {
    match once(birth, control_plane, join).await {
        Ok(()) => EVERY,
        Err(e) => {
            tracing::warn!(error = e.line(), "the kubelet's certificates are not renewed");
            AGAIN
        }
    }
}

async fn once(birth: &Birth, control_plane: bool, join: impl AsyncFn() -> Result<()>) -> Result<()> {
    let host = birth.host.as_ref();
    let pem = host.text(format!("{}/{}.crt", kubelet::PKI, kubelet::CLIENT)).await?;
    if pem.is_none_or(|pem| !is_due(&pem, birth.context.now())) {
        return Ok(());
    }
    tracing::info!("the kubelet's certificates are renewed");
    if control_plane {
        // Its boot makes whatever is due, for etcd and the API server as well.
        return host.run(&Command::new("systemctl", ["restart", "--no-block", "kspot-boot"])).await.map(|_| ());
    }
    join().await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jiff::Timestamp;

    use super::*;
    use crate::error::Error;
    use crate::node::agent::steps::keys::LIFE;
    use crate::node::agent::tests::birth;
    use crate::node::host::fake::{Fake, failed};
    use crate::pki::Name;
    use crate::pki::issue::{Leaf, Usage, authority, leaf};

    /// A certificate that began at noon, and lasts a year.
    fn certificate() -> String {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let ca = authority(Name::KubernetesCa, "c", now).unwrap();
        let wanted = Leaf {
            common_name: "system:node:i-1".into(),
            organizations: Vec::new(),
            names: Vec::new(),
            usage: Usage::Client,
            life: LIFE,
        };
        leaf(&ca, &wanted, now).unwrap().public
    }

    const FRESH: &str = "2027-07-21T12:00:00Z";
    const DUE: &str = "2027-07-24T12:00:00Z";

    fn machine() -> Fake {
        let host = Fake::default();
        host.put("/var/lib/kubelet/pki/kubelet-client.crt", certificate());
        host
    }

    /// What the machine ran, how often it asked the control plane, and how long it waits then.
    async fn looked(
        host: Fake,
        now: &str,
        control_plane: bool,
        answer: Result<(), &str>,
    ) -> (Vec<String>, usize, Duration) {
        let host = Arc::new(host);
        let birth = birth(Arc::clone(&host) as Arc<dyn crate::node::host::Host>, now);
        let joined = AtomicUsize::new(0);
        let join = async || {
            joined.fetch_add(1, Ordering::Relaxed);
            answer.map_err(Error::failed)
        };
        let pause = attempt(&birth, control_plane, join).await;
        (host.ran(), joined.into_inner(), pause)
    }

    /// Before the last third of a certificate's life nothing happens, on whichever machine; nor on one that has none yet.
    #[tokio::test]
    async fn what_is_not_due_stays() {
        for control_plane in [true, false] {
            assert_eq!(looked(machine(), FRESH, control_plane, Ok(())).await, (vec![], 0, EVERY));
            assert_eq!(looked(Fake::default(), DUE, control_plane, Ok(())).await, (vec![], 0, EVERY));
        }
    }

    /// A machine of the control plane boots once more, which does not wait for the end; a worker asks the control plane.
    #[tokio::test]
    async fn what_is_due_is_renewed() {
        let restart = vec!["systemctl restart --no-block kspot-boot".to_owned()];
        assert_eq!(looked(machine(), DUE, true, Ok(())).await, (restart, 0, EVERY));
        assert_eq!(looked(machine(), DUE, false, Ok(())).await, (vec![], 1, EVERY));
        let damaged = Fake::default();
        damaged.put("/var/lib/kubelet/pki/kubelet-client.crt", "half a certif");
        assert_eq!(looked(damaged, FRESH, false, Ok(())).await, (vec![], 1, EVERY), "a damaged one is due");
    }

    /// What failed is tried again soon: long before the certificate ends, and long before the next look.
    #[tokio::test]
    async fn a_failure_is_tried_again_sooner() {
        let host = machine();
        host.program("systemctl", |_, _| failed(1, "Failed to connect to bus"));
        assert_eq!(looked(host, DUE, true, Ok(())).await.2, AGAIN);
        let (_, asked, pause) = looked(machine(), DUE, false, Err("nobody answers")).await;
        assert_eq!((asked, pause), (1, AGAIN));
        assert!(AGAIN * 10 < EVERY);
    }
}
