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
    loop {
        let pause = match once(birth, aws, control_plane).await {
            Ok(()) => EVERY,
            Err(e) => {
                tracing::warn!(error = e.chain(), "the kubelet's certificates are not renewed");
                AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn once(birth: &Birth, aws: &AwsCloud, control_plane: bool) -> Result<()> {
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
    let controllers = worker::controllers(birth, aws).await?;
    worker::join(birth, &controllers).await.map(|_| ())
}
