//! Ways into a cluster: where its API is, and a certificate for an administrator.

use jiff::SignedDuration;

use super::prepare::Site;
use super::specs::open;
use super::update::data_keys;
use crate::error::{Error, Result};
use crate::model::naming::Names;
use crate::pki::issue::{Leaf, Pair, Usage, leaf};
use crate::pki::keep;
use crate::pki::keyset::Name;
use crate::pki::kubeconfig::Entry;
use crate::pki::seal::{self, DataKeys};
use crate::spec::Cluster;

/// How long an administrator's certificate lasts when nobody says.
pub const ADMIN_LIFE: SignedDuration = SignedDuration::from_hours(18);

/// What an entry is made for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// For how long the administrator's certificate shall count; none without one.
    pub admin: Option<SignedDuration>,
    /// The API's address inside the network.
    pub internal: bool,
}

/// The kubeconfig entry of a cluster that has been made.
pub async fn entry(site: &Site, cluster: &Cluster, wanted: Wanted) -> Result<Entry> {
    let store = open(&site.store, cluster.name())?;
    let (keysets, _) = keep::keysets(&store).await?.ok_or_else(|| {
        Error::failed(format!("cluster {} has no keys yet: it was never applied", cluster.name()))
            .hint(format!("kspot update cluster {} --yes", cluster.name()))
    })?;
    let authority = keysets.get(Name::KubernetesCa)?;
    let client = match wanted.admin {
        Some(life) => {
            let kms = data_keys(site, cluster);
            let (_, key) = authority.primary()?;
            let private = seal::open(&key.private, kms.as_ref().map(|k| k as &dyn DataKeys)).await?;
            let signer = Pair { public: key.public.clone(), private };
            Some(leaf(&signer, &admin(site, life), site.context.now())?)
        }
        None => None,
    };
    let (server, tls_server_name) = server(site, cluster, wanted.internal).await?;
    Ok(Entry { name: cluster.name().to_owned(), server, tls_server_name, authority: authority.trusted(), client })
}

/// An administrator, named as who asked: the API server's audit log shows it.
fn admin(site: &Site, life: SignedDuration) -> Leaf {
    Leaf {
        common_name: format!("kspot:{}", site.context.who()),
        organizations: vec!["system:masters".to_owned()],
        names: Vec::new(),
        usage: Usage::Client,
        life,
    }
}

/// The API's URL, and the name in its certificate where that is another.
async fn server(site: &Site, cluster: &Cluster, internal: bool) -> Result<(String, Option<String>)> {
    let names = Names::of(cluster.name());
    let inner = names.internal_api();
    if let (Some(name), false) = (cluster.api_public_name(), internal) {
        return Ok((format!("https://{name}"), None));
    }
    if !cluster.spec.api_uses_load_balancer() {
        return Ok((format!("https://{inner}"), None));
    }
    let balancer = names.balancer("api");
    let found = site.cloud.load_balancer_address(&balancer).await?.ok_or_else(|| {
        Error::failed(format!("the API's load balancer {balancer} does not exist"))
            .hint(format!("kspot update cluster {} --yes makes it", cluster.name()))
    })?;
    Ok((format!("https://{found}"), Some(inner)))
}
