//! Keysets: the keys that stand for one authority over time. Pure.
//!
//! A key is replaced in two phases, so that nobody meets a certificate that they do not trust yet: a new key is *created*
//! and trusted by everybody first; then it is *promoted*, and signs from then on; when nothing is left that the old one
//! signed, that is *distrusted*.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seal::PrivateKey;
use crate::error::{Error, Result, did_you_mean};

/// The keysets that a cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Signs the API server, kubelets, controllers and administrators
    KubernetesCa,
    /// Signs the members and clients of etcd
    EtcdCa,
    /// Signs the API server towards aggregated API servers
    FrontProxyCa,
    /// Signs the tokens of service accounts; it has no certificate
    ServiceAccount,
}

impl Name {
    /// All of them.
    pub const ALL: [Name; 4] = [Name::KubernetesCa, Name::EtcdCa, Name::FrontProxyCa, Name::ServiceAccount];

    /// Its name in the store and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Name::KubernetesCa => "kubernetes-ca",
            Name::EtcdCa => "etcd-ca",
            Name::FrontProxyCa => "front-proxy-ca",
            Name::ServiceAccount => "service-account",
        }
    }

    /// Whether it signs certificates; the key of service accounts signs tokens.
    pub fn is_authority(self) -> bool {
        self != Name::ServiceAccount
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One key of a keyset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// When it was made.
    pub created: Timestamp,
    /// The certificate of an authority, the public key of the service accounts; PEM.
    pub public: String,
    /// The private half.
    pub private: PrivateKey,
    /// When it stopped being trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrusted: Option<Timestamp>,
}

/// What a key does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It signs.
    Primary,
    /// What it signed is trusted.
    Trusted,
    /// What it signed is not trusted.
    Distrusted,
}

impl State {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Primary => "primary",
            State::Trusted => "trusted",
            State::Distrusted => "distrusted",
        }
    }
}

/// The keys of one authority by id, of which one signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keyset {
    /// The id of the key that signs; it is among `keys` and trusted.
    primary: String,
    /// The keys; ids count up.
    keys: BTreeMap<String, Key>,
}

impl Keyset {
    /// A keyset of one key.
    pub fn new(key: Key) -> Self {
        let id = id(1);
        Keyset { primary: id.clone(), keys: BTreeMap::from([(id, key)]) }
    }

    /// The key that signs, with its id.
    pub fn primary(&self) -> Result<(&str, &Key)> {
        let key = self.keys.get(&self.primary);
        let broken = || Error::failed(format!("the keyset has no key {}, which should sign", self.primary));
        Ok((&self.primary, key.ok_or_else(broken)?))
    }

    /// All keys with their ids and states, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = (&str, State, &Key)> {
        self.keys.iter().map(|(id, key)| (id.as_str(), self.state(id, key), key))
    }

    fn state(&self, id: &str, key: &Key) -> State {
        match key.distrusted {
            Some(_) => State::Distrusted,
            None if id == self.primary => State::Primary,
            None => State::Trusted,
        }
    }

    /// The public halves that are trusted, the one that signs first; PEM, one after the other.
    pub fn trusted(&self) -> String {
        let mut trusted: Vec<(State, &str)> = self
            .keys()
            .filter(|(_, state, _)| *state != State::Distrusted)
            .map(|(_, state, key)| (state, key.public.as_str()))
            .collect();
        trusted.sort_by_key(|(state, _)| *state != State::Primary);
        trusted.into_iter().map(|(_, pem)| format!("{}\n", pem.trim_end())).collect()
    }

    /// Adds a key that is trusted and does not sign yet. Gives its id.
    pub fn create(&mut self, key: Key) -> String {
        let last = self.keys.keys().filter_map(|id| id.parse::<u32>().ok()).max().unwrap_or_default();
        let id = id(last + 1);
        self.keys.insert(id.clone(), key);
        id
    }

    /// Lets a trusted key sign: this one, or the newest.
    pub fn promote(&mut self, wanted: Option<&str>) -> Result<String> {
        let id = match wanted {
            Some(id) => self.known(id)?.to_owned(),
            None => {
                let trusted = self.keys().filter(|(_, state, _)| *state != State::Distrusted);
                trusted.map(|(id, _, _)| id.to_owned()).last().unwrap_or_else(|| self.primary.clone())
            }
        };
        if self.keys[&id].distrusted.is_some() {
            return Err(Error::failed(format!("key {id} is distrusted: nobody would trust what it signs"))
                .hint("create a new key, and promote that"));
        }
        if id == self.primary {
            return Err(Error::failed(format!("key {id} signs already"))
                .hint("kspot create keypair makes a new one, which everybody must trust before it signs"));
        }
        self.primary.clone_from(&id);
        Ok(id)
    }

    /// Stops trusting a key: this one, or every one that is older than the one that signs. Gives their ids.
    pub fn distrust(&mut self, wanted: Option<&str>, now: Timestamp) -> Result<Vec<String>> {
        let ids: Vec<String> = match wanted {
            Some(id) => vec![self.known(id)?.to_owned()],
            None => self.keys.keys().filter(|id| **id < self.primary).cloned().collect(),
        };
        if ids.contains(&self.primary) {
            return Err(Error::failed(format!("key {} signs: it can't be distrusted", self.primary))
                .hint("promote another key first"));
        }
        let gone: Vec<String> = ids.into_iter().filter(|id| self.keys[id].distrusted.is_none()).collect();
        if gone.is_empty() {
            return Err(Error::failed("there is no trusted key that is older than the one that signs"));
        }
        for id in &gone {
            if let Some(key) = self.keys.get_mut(id) {
                key.distrusted = Some(now);
            }
        }
        Ok(gone)
    }

    fn known(&self, id: &str) -> Result<&str> {
        if let Some((known, _)) = self.keys.get_key_value(id) {
            return Ok(known);
        }
        let error = Error::failed(format!("there is no key {id} in the keyset"));
        let near = did_you_mean(id, self.keys.keys().map(String::as_str));
        Err(near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?"))))
    }
}

/// Ids sort as they were made.
fn id(n: u32) -> String {
    format!("{n:04}")
}

/// Every keyset of a cluster, as one document: a rotation is one conditional write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keysets {
    /// The version of this document's form.
    pub schema: u32,
    /// By name.
    pub keysets: BTreeMap<Name, Keyset>,
}

impl Keysets {
    /// A keyset; one that is missing is an error.
    pub fn get(&self, name: Name) -> Result<&Keyset> {
        self.keysets.get(&name).ok_or_else(|| missing(name))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: Name) -> Result<&mut Keyset> {
        self.keysets.get_mut(&name).ok_or_else(|| missing(name))
    }
}

fn missing(name: Name) -> Error {
    Error::failed(format!("the cluster has no keyset {name}")).hint("kspot update cluster --yes makes it")
}

#[cfg(test)]
mod tests;
