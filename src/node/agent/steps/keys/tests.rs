use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::PublicKeyData;
use x509_parser::pem::parse_x509_pem;

use super::*;
use crate::node::agent::step::tests::act;
use crate::node::configuration::Configuration;
use crate::node::host::fake::Fake;
use crate::pki::seal::DataKey;
use crate::state::Precondition;
use crate::state::memory::Memory;

/// The certificates that the machine makes for itself, without the ending.
const MADE: [&str; 5] = [
    "/etc/kubernetes/pki/etcd/main",
    "/etc/kubernetes/pki/etcd/events",
    "/etc/kubernetes/pki/apiserver-etcd-client",
    "/var/lib/kubelet/pki/kubelet-client",
    "/var/lib/kubelet/pki/kubelet",
];

/// KMS of one test: its data keys are encrypted by turning every bit.
struct Kms;

#[async_trait]
impl DataKeys for Kms {
    fn kms_key(&self) -> &str {
        "alias/kspot"
    }

    fn context(&self) -> &str {
        "c.example.com"
    }

    async fn create(&self) -> Result<DataKey> {
        Ok(DataKey { clear: vec![7; 32], encrypted: vec![!7; 32] })
    }

    async fn open(&self, encrypted: &[u8]) -> Result<Vec<u8>> {
        Ok(encrypted.iter().map(|b| !b).collect())
    }
}

fn start() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

async fn store(seal_with: Option<&dyn DataKeys>) -> ClusterStore {
    let store = ClusterStore::new(Arc::new(Memory::default()), "c.example.com").unwrap();
    keep::ensure(&store, start(), seal_with).await.unwrap();
    store
}

fn step(store: &ClusterStore, now: Timestamp) -> Keys {
    let text = include_str!("../../../../../tests/fixtures/node/control-plane.yaml");
    let configuration: Configuration = serde_yaml::from_str(text).unwrap();
    Keys {
        store: store.clone(),
        data_keys: None,
        context: Context::fixed(now, "root", "i-1"),
        etcd: configuration.control_plane.unwrap().etcd,
        address: "172.20.0.10".parse().unwrap(),
        instance: "i-0123".into(),
    }
}

/// A machine that has its keys.
async fn machine(store: &ClusterStore) -> Fake {
    let host = Fake::default();
    act(&step(store, start()), &host).await.unwrap();
    host
}

fn certificates(host: &Fake) -> BTreeMap<&'static str, String> {
    MADE.map(|place| (place, host.get(format!("{place}.crt")).unwrap())).into()
}

/// Which of its certificates the step makes anew.
async fn made_anew(step: &Keys, host: &Fake) -> Vec<&'static str> {
    let before = certificates(host);
    act(step, host).await.unwrap();
    let after = certificates(host);
    MADE.into_iter().filter(|place| before[place] != after[place]).collect()
}

/// Whether a key is the certificate's own.
fn fits(host: &Fake, place: &str) -> bool {
    let key = rcgen::KeyPair::from_pem(&host.get(format!("{place}.key")).unwrap()).unwrap();
    let (_, block) = parse_x509_pem(host.get(format!("{place}.crt")).unwrap().as_bytes()).unwrap();
    block.parse_x509().unwrap().public_key().raw == key.subject_public_key_info()
}

/// Whether a certificate names the key of this authority, the first of the text, as its signer.
fn is_signed_by(host: &Fake, place: &str, authority: &str) -> bool {
    use x509_parser::extensions::ParsedExtension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
    let key = |path: String, of_signer: bool| {
        let text = host.get(path).unwrap();
        let (_, block) = parse_x509_pem(text.as_bytes()).unwrap();
        let certificate = block.parse_x509().unwrap();
        let key = certificate.iter_extensions().find_map(|e| match e.parsed_extension() {
            SubjectKeyIdentifier(id) if !of_signer => Some(id.0.to_vec()),
            AuthorityKeyIdentifier(id) if of_signer => Some(id.key_identifier.as_ref()?.0.to_vec()),
            _ => None,
        });
        key.unwrap()
    };
    key(authority.to_owned(), false) == key(format!("{place}.crt"), true)
}

/// Every file with its mode, and nothing else: private keys are for root alone, and of etcd's authority there is no private
/// key at all.
#[tokio::test]
async fn these_files_are_written_with_these_modes() {
    let host = machine(&store(None).await).await;
    let mut wanted: BTreeMap<String, u32> = BTreeMap::from([(format!("{ETCD_PKI}/ca.crt"), 0o644)]);
    for (public, private) in [("ca.crt", "ca.key"), ("front-proxy-ca.crt", "front-proxy-ca.key"), ("sa.pub", "sa.key")]
    {
        wanted.extend([(format!("{PKI}/{public}"), 0o644), (format!("{PKI}/{private}"), 0o600)]);
    }
    for place in MADE {
        wanted.extend([(format!("{place}.crt"), 0o644), (format!("{place}.key"), 0o600)]);
    }
    let modes: BTreeMap<String, u32> =
        host.files().into_iter().map(|(path, (_, mode))| (path.display().to_string(), mode)).collect();
    assert_eq!(modes, wanted);
    for (path, (content, mode)) in host.files() {
        let is_private = String::from_utf8(content).unwrap().contains("PRIVATE KEY");
        assert_eq!(is_private, mode == 0o600, "{}", path.display());
    }
}

/// Each certificate says who it is for, has its own key, and is signed by the authority that its readers trust.
#[tokio::test]
async fn certificates_say_who_they_are_for() {
    let host = machine(&store(None).await).await;
    let said = |place: &str| {
        let pem = host.get(format!("{place}.crt")).unwrap();
        let who = certificate::read(&pem).unwrap();
        (who.common_name, who.organizations, certificate::names(&pem).unwrap().join(" "))
    };
    let etcd = "localhost 127.0.0.1 172.20.0.10";
    let nodes = vec!["system:nodes".to_owned()];
    let peer = |name: &str| format!("a.etcd-{name}.internal.ha.example.com {etcd}");
    let [main, events, client, kubelet, server] = MADE;
    assert_eq!(said(main), ("a".to_owned(), vec![], peer("main")));
    assert_eq!(said(events), ("a".to_owned(), vec![], peer("events")));
    assert_eq!(said(client), ("kube-apiserver-etcd-client".to_owned(), vec![], String::new()));
    assert_eq!(said(kubelet), ("system:node:i-0123".to_owned(), nodes.clone(), String::new()));
    assert_eq!(said(server), ("system:node:i-0123".to_owned(), nodes, "i-0123 172.20.0.10".to_owned()));
    for (place, authority) in MADE.into_iter().zip(["etcd/ca", "etcd/ca", "etcd/ca", "ca", "ca"]) {
        assert!(fits(&host, place) && is_signed_by(&host, place, &format!("{PKI}/{authority}.crt")), "{place}");
    }
}

/// What is right stays, until the last third of its life; then it is made anew.
#[tokio::test]
async fn certificates_are_kept_until_they_are_due() {
    let store = store(None).await;
    let host = machine(&store).await;
    let day = |days: i64| step(&store, start() + SignedDuration::from_hours(24 * days));
    assert_eq!(made_anew(&day(0), &host).await, [""; 0]);
    assert_eq!(made_anew(&day(243), &host).await, [""; 0]);
    let (etcds, kubelets) = MADE.split_at(3);
    assert_eq!(made_anew(&day(244), &host).await, etcds);
    // The kubelet's last longer, less a part that is each machine's own.
    assert_eq!(made_anew(&day(283), &host).await, [""; 0]);
    assert_eq!(made_anew(&day(304), &host).await, kubelets);
    assert_eq!(made_anew(&day(244 + 243), &host).await, [""; 0]);
    assert!(is_due("no certificate", start()));
}

/// A certificate with a name too few, or without its key, is made anew, and no other.
#[tokio::test]
async fn a_certificate_that_does_not_fit_is_made_anew() {
    let store = store(None).await;
    let host = machine(&store).await;
    let mut moved = step(&store, start());
    moved.address = "172.20.0.11".parse().unwrap();
    let [main, events, _, _, server] = MADE;
    assert_eq!(made_anew(&moved, &host).await, [main, events, server]);
    moved.etcd[1].members[0].peer_name = "x.etcd-events.internal.ha.example.com".into();
    assert_eq!(made_anew(&moved, &host).await, [events]);
    host.remove(format!("{main}.key").as_ref()).await.unwrap();
    assert_eq!(made_anew(&moved, &host).await, [main]);
    assert!(MADE.iter().all(|place| fits(&host, place)));
}

/// Lets another key sign.
async fn rotate(store: &ClusterStore, name: Name) {
    let key = keep::key(name, store.name(), start(), None).await.unwrap();
    let change = async |all: &mut Keysets| {
        let set = all.get_mut(name)?;
        set.create(key);
        set.promote(None)
    };
    keep::change(store, change).await.unwrap();
}

/// When an authority signs with another key, that one signs what the machine shows; wherever the boot is killed, the next one
/// sees to it.
#[tokio::test]
async fn a_rotated_authority_signs_anew_also_after_a_boot_that_was_killed() {
    let (store, authority) = (store(None).await, format!("{ETCD_PKI}/ca.crt"));
    let before = machine(&store).await.files();
    rotate(&store, Name::EtcdCa).await;
    let mut cuts = 0;
    loop {
        let host = Fake::default();
        before.iter().for_each(|(path, (content, mode))| host.put_as(path, content, *mode));
        host.cut_after(cuts);
        let killed = act(&step(&store, start()), &host).await.is_err();
        host.revive();
        act(&step(&store, start()), &host).await.unwrap();
        for place in MADE {
            assert!(fits(&host, place), "{cuts}: {place} and its key");
        }
        for place in &MADE[..3] {
            assert!(is_signed_by(&host, place, &authority), "{cuts}: {place}");
        }
        if !killed {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 3 * MADE.len(), "{cuts}");
}

/// Sealed keys are opened with KMS; without it the step says what is missing, and writes nothing.
#[tokio::test]
async fn sealed_keys_are_opened() {
    let store = store(Some(&Kms)).await;
    let sealed = store.store().get(&store.keys().pki("keysets")).await.unwrap().unwrap();
    assert!(!String::from_utf8(sealed.bytes).unwrap().contains("PRIVATE KEY"));
    let host = Fake::default();
    let refused = act(&step(&store, start()), &host).await.unwrap_err();
    assert!(refused.chain().contains("is sealed") && refused.hints()[0].contains("alias/kspot"), "{}", refused.chain());
    assert!(host.files().is_empty());
    let with_kms = Keys { data_keys: Some(Box::new(Kms)), ..step(&store, start()) };
    act(&with_kms, &host).await.unwrap();
    assert!(host.get(format!("{PKI}/ca.key")).unwrap().contains("PRIVATE KEY"));
    assert!(MADE.iter().all(|place| fits(&host, place)));
}

/// A cluster without keys is named, and so are keys that can't be read.
#[tokio::test]
async fn missing_keys_are_named() {
    let store = ClusterStore::new(Arc::new(Memory::default()), "c.example.com").unwrap();
    let refused = act(&step(&store, start()), &Fake::default()).await.unwrap_err();
    assert!(refused.chain().contains("cluster c.example.com has no keys in the store"), "{}", refused.chain());
    let key = store.keys().pki("keysets");
    store.store().put(&key, b"{", Precondition::None).await.unwrap();
    let refused = act(&step(&store, start()), &Fake::default()).await.unwrap_err();
    assert!(refused.chain().contains("pki/keysets"), "{}", refused.chain());
}
