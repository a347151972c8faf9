//! What all parts of the controller work with.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::SignedDuration;

use crate::cloud::aws::sts::Sts;
use crate::cloud::aws::{AwsCloud, sdk_config};
use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::kube::Door;
use crate::node::configuration::{Api, Cloud};
use crate::node::documents;
use crate::node::identity::token::sts_host;
use crate::pki::issue::{Leaf, Pair, Usage, leaf};
use crate::pki::kubeconfig::Entry;
use crate::state::ClusterStore;

/// How long the certificates last that it makes for itself; they are made again long before.
pub const OWN_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Where the controller finds its things.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the user data wrote.
    pub config: PathBuf,
    /// The directory that stands for `/`.
    pub root: PathBuf,
    /// The directory with the authority, `ca.crt` and `ca.key`.
    pub pki: Option<PathBuf>,
    /// Where to listen, if not at the configured port of every address.
    pub listen: Option<std::net::SocketAddr>,
    /// The API server's port on this machine, if not the configured one.
    pub api_port: Option<u16>,
}

/// What all parts work with.
pub struct Home {
    /// Time, ids, environment.
    pub context: Context,
    /// The cluster's name.
    pub cluster: String,
    /// Account, partition and region.
    pub cloud: Cloud,
    /// Names and ports.
    pub api: Api,
    /// The instance profiles that workers may have.
    pub profiles: BTreeSet<String>,
    /// The cluster's part of the state store.
    pub store: ClusterStore,
    /// AWS.
    pub aws: AwsCloud,
    /// What tokens are shown to.
    pub sts: Sts,
    /// The Kubernetes API of this machine.
    pub door: Door,
    /// Where binaries are kept.
    pub binaries: PathBuf,
    authority: Authority,
}

/// The files of the authority; read whenever something is signed, since a rotation changes them.
#[derive(Clone, Debug)]
struct Authority(PathBuf);

impl Authority {
    fn read(&self, name: &str) -> Result<String> {
        let path = self.0.join(name);
        std::fs::read_to_string(&path).context(|| format!("can't read {}", path.display()))
    }

    fn pair(&self) -> Result<Pair> {
        Ok(Pair { public: self.read("ca.crt")?, private: self.read("ca.key")? })
    }
}

impl Home {
    /// Reads the machine's documents and opens what they name.
    pub async fn open(options: &Options, context: Context) -> Result<Self> {
        let boot = documents::boot(&options.config)?;
        let store = documents::store(&boot, &context).await?;
        let configuration = documents::configuration_in(&store, &boot).await?;
        let control_plane = configuration.control_plane.ok_or_else(|| {
            Error::failed(format!("{} is no configuration of the control plane", boot.configuration.key))
        })?;
        let (cloud, api) = (configuration.cloud, configuration.api);
        let pki = options.pki.clone().unwrap_or_else(|| options.root.join("etc/kubernetes/pki"));
        let authority = Authority(pki);
        Ok(Home {
            sts: Sts::new(sts_host(&cloud.region), &context)?,
            aws: AwsCloud::new(&sdk_config(Some(&boot.region)).await, &context)?,
            door: door(&context, &boot.cluster, &api, options.api_port, authority.clone()),
            binaries: options.root.join("var/lib/kspot/bin"),
            cluster: boot.cluster,
            cloud,
            api,
            profiles: control_plane.worker_profiles,
            store,
            context,
            authority,
        })
    }

    /// The authority that signs.
    pub fn authority(&self) -> Result<Pair> {
        self.authority.pair()
    }

    /// The authorities that everybody trusts, PEM.
    pub fn authorities(&self) -> Result<String> {
        self.authority.read("ca.crt")
    }
}

/// The API server of this machine, as its administrator: the key of the authority is here, so nothing is gained by less.
fn door(context: &Context, cluster: &str, api: &Api, port: Option<u16>, authority: Authority) -> Door {
    let (context, name, port) = (context.clone(), cluster.to_owned(), port.unwrap_or(api.port));
    let tls_server_name = api.internal_name.clone();
    Door::new(move || {
        let wanted = Leaf {
            common_name: "kspot:controller".to_owned(),
            organizations: vec!["system:masters".to_owned()],
            names: Vec::new(),
            usage: Usage::Client,
            life: OWN_LIFE,
        };
        Ok(Entry {
            name: name.clone(),
            server: format!("https://127.0.0.1:{port}"),
            tls_server_name: Some(tls_server_name.clone()),
            authority: authority.read("ca.crt")?,
            client: Some(leaf(&authority.pair()?, &wanted, context.now())?),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;
    use crate::digest::sha256;
    use crate::pki::Name;
    use crate::pki::issue::authority;

    const CONTROL_PLANE: &str = include_str!("../../../tests/fixtures/node/control-plane.yaml");
    const WORKER: &str = include_str!("../../../tests/fixtures/node/worker.yaml");

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    /// A machine below a directory, whose user data names a configuration with this text and this sum.
    fn machine(root: &Path, text: &str, sum: &str) -> Options {
        std::fs::create_dir_all(root.join("store/nodes")).unwrap();
        std::fs::write(root.join("store/nodes/cp.yaml"), text).unwrap();
        let boot = format!(
            "apiVersion: kspot.io/v1alpha1\nkind: Boot\ncluster: ha.example.com\ngroup: g\nrole: control-plane\n\
             region: us-east-1\nstore: file://{}\nconfiguration: {{key: nodes/cp.yaml, sha256: {sum}}}\n",
            root.join("store").display()
        );
        std::fs::write(root.join("boot.yaml"), boot).unwrap();
        Options { config: root.join("boot.yaml"), root: root.into(), pki: None, listen: None, api_port: None }
    }

    async fn opened(options: &Options) -> Result<Home> {
        Home::open(options, Context::fixed(now(), "root", "i-1")).await
    }

    async fn refused(options: &Options) -> String {
        opened(options).await.err().unwrap().chain()
    }

    /// It has what the machine's documents say, and the authority as it is at the moment: a rotation changes the files.
    #[tokio::test]
    async fn the_authority_is_read_whenever_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let home = opened(&machine(root.path(), CONTROL_PLANE, &sha256(CONTROL_PLANE.as_bytes()))).await.unwrap();
        assert_eq!((home.cluster.as_str(), home.cloud.account.as_str()), ("ha.example.com", "123456789012"));
        assert_eq!(home.profiles.len(), 1);
        assert_eq!(home.binaries, root.path().join("var/lib/kspot/bin"));
        assert!(home.authority().err().unwrap().chain().contains("etc/kubernetes/pki/ca.crt"));
        let pki = root.path().join("etc/kubernetes/pki");
        std::fs::create_dir_all(&pki).unwrap();
        for _ in 0..2 {
            let pair = authority(Name::KubernetesCa, "ha.example.com", now()).unwrap();
            std::fs::write(pki.join("ca.crt"), &pair.public).unwrap();
            std::fs::write(pki.join("ca.key"), &pair.private).unwrap();
            assert!(home.authority().unwrap() == pair);
            assert_eq!(home.authorities().unwrap(), pair.public);
        }
    }

    /// A configuration that is not the one of the user data, one that is not there, and one of a worker are refused.
    #[tokio::test]
    async fn another_configuration_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let right = sha256(CONTROL_PLANE.as_bytes());
        let changed = CONTROL_PLANE.replace("kubernetes.example.com", "evil.example.com");
        let why = refused(&machine(root.path(), &changed, &right)).await;
        assert!(why.contains("nodes/cp.yaml") && why.contains("is not the one of the user data"), "{why}");
        let why = refused(&machine(root.path(), WORKER, &sha256(WORKER.as_bytes()))).await;
        assert!(why.contains("is no configuration of the control plane"), "{why}");
        let options = machine(root.path(), CONTROL_PLANE, &right);
        std::fs::remove_file(root.path().join("store/nodes/cp.yaml")).unwrap();
        let why = refused(&options).await;
        assert!(why.contains("nodes/cp.yaml is not in"), "{why}");
    }

    /// A worker's user data names no store, and a machine without any is told which file is missing.
    #[tokio::test]
    async fn a_worker_is_no_home_of_the_controller() {
        let root = tempfile::tempdir().unwrap();
        let options = machine(root.path(), CONTROL_PLANE, "x");
        let boot = std::fs::read_to_string(&options.config).unwrap();
        let without: String = boot.lines().filter(|l| !l.starts_with("store:")).map(|l| format!("{l}\n")).collect();
        std::fs::write(&options.config, without).unwrap();
        let why = refused(&options).await;
        assert!(why.contains("names no state store"), "{why}");
        std::fs::remove_file(&options.config).unwrap();
        assert!(refused(&options).await.contains("can't read"));
    }
}
