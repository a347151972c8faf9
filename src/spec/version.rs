//! Versions of Kubernetes: `1.36.4`, a leading `v` is dropped.

use std::fmt;
use std::str::FromStr;

use super::scalar::scalar;

/// A release of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    /// 1 for every Kubernetes so far.
    pub major: u32,
    /// The minor release, which decides what a cluster can do and what may run beside it.
    pub minor: u32,
    /// The patch release.
    pub patch: u32,
}

impl KubernetesVersion {
    /// What a cluster runs when its spec names no version.
    pub const DEFAULT: KubernetesVersion = KubernetesVersion { major: 1, minor: 36, patch: 4 };
    /// The oldest supported minor release of Kubernetes 1.
    pub const OLDEST_MINOR: u32 = 33;
    /// The newest supported minor release of Kubernetes 1.
    pub const NEWEST_MINOR: u32 = 37;
}

impl FromStr for KubernetesVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()));
        let parts: Option<Vec<u32>> = text.strip_prefix('v').unwrap_or(text).split('.').map(number).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(KubernetesVersion { major, minor, patch }),
            Some(&[major, minor]) => Err(format!("{text:?} lacks the patch release, write \"{major}.{minor}.N\"")),
            _ => Err(format!("{text:?} is not a release of Kubernetes")),
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

scalar!(KubernetesVersion, "kubernetes-version", "a release of Kubernetes such as 1.36.4");
