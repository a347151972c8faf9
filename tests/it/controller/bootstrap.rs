//! Workers that join, and workers that may not.

use kspot::node::worker::Unsuccessful;
use kspot::pki::certificate::read;

use super::stage::Stage;

/// A worker that proves who it is gets its configuration and two certificates in its own name, though the API server is
/// away.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_joins() {
    let stage = Stage::new().await;
    let worker = stage.worker().await;
    let controller = stage.start().await;
    let grant = stage.ask(&controller, &worker).await.unwrap_or_else(|e| panic!("{e:?}\n{}", controller.log()));
    assert!(grant.configuration.contains("NodeConfiguration"));
    assert_eq!(grant.authorities, stage.authority.public);
    let said = read(&grant.client).unwrap();
    assert_eq!(said.common_name, format!("system:node:{}", worker.id));
    assert_eq!(controller.end(), Some(0));
}

fn refused(answer: Result<kspot::node::join::Grant, Unsuccessful>) -> (u16, String) {
    match answer {
        Err(Unsuccessful::Refused { status, why }) => (status, why),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was granted"),
    }
}
