//! Certificates and kubeconfigs, as a real API server and kubectl take them.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kspot::kube::{connect, error};
use kspot::pki::Name;
use kspot::pki::issue::authority;
use kspot::pki::kubeconfig::merge;
use kube::api::{Api, ListParams};

use super::Plane;
use super::plane::kubectl;

/// The way in works for the library and for kubectl; what goes wrong on it is said with what to do: a certificate that is
/// over, one of another cluster, a missing right, nobody there.
#[tokio::test]
async fn ways_in() {
    let plane = Plane::start().await;
    let namespaces = Api::<Namespace>::all(plane.admin().await);
    assert!(
        namespaces
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .iter()
            .any(|n| n.metadata.name.as_deref() == Some("kube-system"))
    );

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    std::fs::write(&file, merge("", &[plane.admin_entry()], Some("c.example.com")).unwrap()).unwrap();
    let kubectl = kubectl(directory.path())
        .args(["--kubeconfig", file.to_str().unwrap(), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kubectl.stdout), "kspot:test", "{}", String::from_utf8_lossy(&kubectl.stderr));

    let nobody = plane.entry(plane.certificate("nobody", &[], SignedDuration::from_hours(1)));
    let refused = Api::<Secret>::all(connect(&nobody).await.unwrap()).list(&ListParams::default()).await.unwrap_err();
    let said = error::of("list secrets", refused);
    assert!(said.message().contains("nobody") && said.hints().iter().any(|h| h.contains("right")), "{said}");

    let over = plane.entry(plane.certificate("late", &["system:masters"], SignedDuration::from_secs(-60)));
    let refused = Api::<Namespace>::all(connect(&over).await.unwrap()).list(&ListParams::default()).await.unwrap_err();
    let said = error::of("list namespaces", refused);
    assert!(said.hints().iter().any(|h| h.contains("export kubeconfig --admin")), "{said:?}");

    let mut stranger = plane.admin_entry();
    stranger.authority = authority(Name::KubernetesCa, "other", jiff::Timestamp::now()).unwrap().public;
    let refused =
        Api::<Namespace>::all(connect(&stranger).await.unwrap()).list(&ListParams::default()).await.unwrap_err();
    let said = error::of("list namespaces", refused);
    assert!(said.hints().iter().any(|h| h.contains("another cluster")), "{said:?}");

    let mut nowhere = plane.admin_entry();
    nowhere.server = "https://127.0.0.1:1".into();
    let refused =
        Api::<Namespace>::all(connect(&nowhere).await.unwrap()).list(&ListParams::default()).await.unwrap_err();
    assert!(error::passes(&refused));
    assert!(error::of("list namespaces", refused).message().contains("does not answer"));
}
