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
