//! The cluster's authorities on a machine of the control plane, and what etcd's members and clients show.

use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::error::Result;
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::configuration::Etcd;
use crate::node::etcd::manifest::PKI as ETCD_PKI;
use crate::node::host::Host;
use crate::pki::issue::{self, Leaf, Pair, Usage};
use crate::pki::seal::DataKeys;
use crate::pki::{self, Keysets, Name, certificate, keep, seal};
use crate::state::ClusterStore;

/// Where kubeadm looks for keys.
pub const PKI: &str = "/etc/kubernetes/pki";

/// How long a certificate of a machine lasts.
pub const LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Whether a certificate should be made anew: in the last third of its life.
pub fn is_due(pem: &str, now: Timestamp) -> bool {
    certificate::read(pem).map_or(true, |said| {
        let life = said.not_after.duration_since(said.not_before);
        now > said.not_before + life * 2 / 3
    })
}

/// A certificate and its key, without the ending of their files.
struct Wanted {
    place: String,
    authority: Name,
    leaf: Leaf,
}

/// Authorities and etcd's certificates.
pub struct Keys {
    /// The cluster's part of the store.
    pub store: ClusterStore,
    /// What opens sealed keys.
    pub data_keys: Option<Box<dyn DataKeys>>,
    /// The time.
    pub context: Context,
    /// This machine's members.
    pub etcd: Vec<Etcd>,
    /// This machine's address.
    pub address: IpAddr,
    /// This machine's instance id.
    pub instance: String,
}

impl Keys {
    /// Certificates that the machine makes for itself; those of the API server are kubeadm's.
    fn wanted(&self) -> Vec<Wanted> {
        let client = Wanted {
            place: format!("{PKI}/apiserver-etcd-client"),
            authority: Name::EtcdCa,
            leaf: Leaf {
                common_name: "kube-apiserver-etcd-client".to_owned(),
                organizations: Vec::new(),
                names: Vec::new(),
                usage: Usage::Client,
                life: LIFE,
            },
        };
        let kubelet = |file: &str, usage, names: Vec<String>| Wanted {
            place: format!("{}/{file}", super::kubelet::PKI),
            authority: Name::KubernetesCa,
            leaf: pki::kubelet::leaf(&self.instance, usage, names),
        };
        let own_names = vec![self.instance.clone(), self.address.to_string()];
        let members = self.etcd.iter().map(|etcd| {
            let peer = etcd.members.iter().find(|m| m.name == etcd.member).map(|m| m.peer_name.clone());
            let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), self.address.to_string()];
            Wanted {
                place: format!("{ETCD_PKI}/{}", etcd.name),
                authority: Name::EtcdCa,
                leaf: Leaf {
                    common_name: etcd.member.clone(),
                    organizations: Vec::new(),
                    names: peer.into_iter().chain(own).collect(),
                    usage: Usage::Peer,
                    life: LIFE,
                },
            }
        });
        let kubelets = [
            kubelet(super::kubelet::CLIENT, Usage::Client, Vec::new()),
            kubelet(super::kubelet::SERVER, Usage::Server, own_names),
        ];
        members.chain([client]).chain(kubelets).collect()
    }

    /// The authorities as files: path, content, mode.
    async fn authorities(&self, keysets: &Keysets) -> Result<Vec<(String, String, u32)>> {
        let mut files = vec![(format!("{ETCD_PKI}/ca.crt"), keysets.get(Name::EtcdCa)?.trusted(), 0o644)];
        let pairs = [
            (Name::KubernetesCa, "ca", "crt"),
            (Name::FrontProxyCa, "front-proxy-ca", "crt"),
            (Name::ServiceAccount, "sa", "pub"),
        ];
        for (name, file, ending) in pairs {
            let set = keysets.get(name)?;
            let private = seal::open(&set.primary()?.1.private, self.data_keys.as_deref()).await?;
            files.push((format!("{PKI}/{file}.{ending}"), set.trusted(), 0o644));
            files.push((format!("{PKI}/{file}.key"), private, 0o600));
        }
        Ok(files)
    }

    async fn keysets(&self) -> Result<Keysets> {
        let none = || crate::Error::failed(format!("cluster {} has no keys in the store", self.store.name()));
        Ok(keep::keysets(&self.store).await?.ok_or_else(none)?.0)
    }

    async fn is_right(&self, host: &dyn Host, wanted: &Wanted) -> Result<bool> {
        let Some(pem) = host.text(format!("{}.crt", wanted.place)).await? else { return Ok(false) };
        let said = certificate::names(&pem)?;
        let names: Vec<String> = wanted.leaf.names.clone();
        Ok(host.exists(format!("{}.key", wanted.place).as_ref()).await?
            && names.iter().all(|name| said.contains(name))
            && !is_due(&pem, self.context.now()))
    }
}

#[async_trait]
impl Step for Keys {
    fn phase(&self) -> &'static str {
        "keys"
    }

    async fn is_done(&self, _host: &dyn Host) -> Result<bool> {
        // A key that was rotated in the store shows only there.
        Ok(false)
    }

    async fn act(&self, host: &dyn Host, _report: &Reporter) -> Result<()> {
        let keysets = self.keysets().await?;
        let authorities = self.authorities(&keysets).await?;
        let mut changed = false;
        for (path, text, _) in &authorities {
            changed |= !host.holds(path, text).await?;
        }
        for wanted in self.wanted() {
            if !changed && self.is_right(host, &wanted).await? {
                continue;
            }
            let (_, key) = keysets.get(wanted.authority)?.primary()?;
            let private = seal::open(&key.private, self.data_keys.as_deref()).await?;
            let pair = issue::leaf(&Pair { public: key.public.clone(), private }, &wanted.leaf, self.context.now())?;
            let file = |ending: &str| PathBuf::from(format!("{}.{ending}", wanted.place));
            // A boot may end anywhere: a certificate is never beside a key that is not its own.
            host.remove(&file("crt")).await?;
            host.replace(&file("key"), pair.private.as_bytes(), 0o600).await?;
            host.replace(&file("crt"), pair.public.as_bytes(), 0o644).await?;
        }
        // Last: until they are there, the certificates are made anew.
        for (path, text, mode) in authorities {
            host.ensure(path, &text, mode).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
