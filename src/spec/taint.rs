//! Taints, written `key=value:effect` as kubectl and the kubelet do.

use std::fmt;
use std::str::FromStr;

use super::scalar::scalar;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// Running pods leave too.
    NoExecute,
}

impl TaintEffect {
    /// Kubernetes' name of the effect.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// A taint that nodes register with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Key, a label key.
    pub key: String,
    /// Value, possibly empty.
    pub value: String,
    /// Effect.
    pub effect: TaintEffect,
}

impl FromStr for Taint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (left, effect) = text.rsplit_once(':').ok_or_else(|| format!("taint {text:?} has no effect"))?;
        let effect = match effect {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            other => {
                let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
                let near = crate::error::did_you_mean(other, known);
                let near = near.map(|n| format!(", did you mean {n}")).unwrap_or_default();
                return Err(format!("taint {text:?} has the unknown effect {other:?}{near}"));
            }
        };
        let (key, value) = left.split_once('=').unwrap_or((left, ""));
        Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect })
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.key, self.value, self.effect.as_str())
    }
}

scalar!(Taint, "taint", "a taint key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute");
