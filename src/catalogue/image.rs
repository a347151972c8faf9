//! Machine images: what a group's `image` means, and what it resolves to.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The owner of Ubuntu's official images.
pub const CANONICAL: &str = "099720109477";

/// The owner of Debian's official images.
const DEBIAN: &str = "136693071363";

/// A resolved image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    /// `ami-...`
    pub id: String,
    /// The full name that the owner gave it; it never names another image later.
    pub name: String,
    /// The owner's account.
    pub owner: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The device whose size a group's root volume settings change, for example `/dev/sda1`.
    pub root_device_name: String,
    /// When it was made, as AWS writes it (`2026-03-01T10:00:00.000Z`).
    pub created: String,
}

impl ImageInfo {
    /// The spec that always means this image: owner and full name.
    pub fn pinned(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// What a group's `image` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSpec {
    /// An id.
    Id(String),
    /// An owner (account or alias) and a name, which may hold `*`: then the newest that fits is meant.
    Named {
        /// The owner: an account, `amazon`, `self`.
        owner: String,
        /// The name or the pattern.
        name: String,
    },
}

impl ImageSpec {
    /// The newest Ubuntu 24.04 for an architecture (`x86_64` or `arm64`): what a new group gets.
    pub fn default_for(architecture: &str) -> ImageSpec {
        let arch = if architecture == "arm64" { "arm64" } else { "amd64" };
        ImageSpec::Named {
            owner: CANONICAL.to_owned(),
            name: format!("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-*"),
        }
    }

    /// Whether it may mean another image tomorrow.
    pub fn is_floating(&self) -> bool {
        matches!(self, ImageSpec::Named { name, .. } if name.contains(['*', '?']))
    }
}

impl std::fmt::Display for ImageSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImageSpec::Id(id) => f.write_str(id),
            ImageSpec::Named { owner, name } => write!(f, "{owner}/{name}"),
        }
    }
}

impl FromStr for ImageSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("ami-") {
            return Ok(ImageSpec::Id(text.to_owned()));
        }
        if text.starts_with("ssm:") {
            return Err(Error::invalid(format!("image {text}: SSM parameters are not supported")).hint(
                "name the image by id (ami-...) or by owner and name, for example 099720109477/ubuntu/images/...",
            ));
        }
        match text.split_once('/') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() => {
                let owner = match owner {
                    "ubuntu" | "canonical" => CANONICAL,
                    "debian" => DEBIAN,
                    other => other,
                };
                Ok(ImageSpec::Named { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(Error::invalid(format!("image {text}: neither an id (ami-...) nor <owner>/<name>"))),
        }
    }
}

/// Of several images the newest; of equally old ones the one with the greatest name.
pub fn newest(images: Vec<ImageInfo>) -> Option<ImageInfo> {
    images.into_iter().max_by(|a, b| (&a.created, &a.name).cmp(&(&b.created, &b.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form of an image is recognised, aliases become accounts, and what cannot be read says what could.
    #[test]
    fn image_specs_are_read() {
        assert_eq!("ami-1".parse::<ImageSpec>().unwrap(), ImageSpec::Id("ami-1".into()));
        let named: ImageSpec = "ubuntu/images/noble-*".parse().unwrap();
        assert_eq!(named.to_string(), "099720109477/images/noble-*");
        assert!(named.is_floating());
        let debian: ImageSpec = "debian/debian-13-amd64-*".parse().unwrap();
        assert_eq!(debian.to_string(), "136693071363/debian-13-amd64-*");
        assert!("noslash".parse::<ImageSpec>().is_err());
        let ssm = "ssm:/aws/x".parse::<ImageSpec>().unwrap_err();
        assert!(ssm.message().contains("not supported") && !ssm.hints().is_empty());
    }

    /// A wildcard means the newest image.
    #[test]
    fn newest_image_is_chosen_by_date() {
        let image = |id: &str, created: &str| ImageInfo {
            id: id.into(),
            name: format!("n-{id}"),
            owner: CANONICAL.into(),
            architecture: "x86_64".into(),
            root_device_name: "/dev/sda1".into(),
            created: created.into(),
        };
        let chosen =
            newest(vec![image("ami-2", "2026-02-01T00:00:00.000Z"), image("ami-1", "2025-12-01T00:00:00.000Z")]);
        assert_eq!(chosen.unwrap().id, "ami-2");
    }
}
