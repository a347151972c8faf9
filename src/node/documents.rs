//! What the user data and the state store tell a machine, read and checked.

use std::path::Path;

use super::boot::Boot;
use super::configuration::Configuration;
use crate::cloud::aws::sdk_config;
use crate::context::Context;
use crate::digest::sha256;
use crate::error::{Context as _, Error, Result};
use crate::state::{ClusterStore, Location};

/// What the user data wrote.
pub fn boot(file: &Path) -> Result<Boot> {
    let text = std::fs::read_to_string(file).context(|| format!("can't read {}", file.display()))?;
    serde_yaml::from_str(&text).context(|| format!("{} can't be understood", file.display()))
}

/// The cluster's part of the state store, which machines of the control plane may read.
pub async fn store(boot: &Boot, context: &Context) -> Result<ClusterStore> {
    let missing = || Error::failed(format!("this machine's user data names no state store: it is a {}", boot.role));
    let location: Location = boot.store.as_deref().ok_or_else(missing)?.parse()?;
    let region = boot.store_region.as_deref().unwrap_or(&boot.region);
    let store = crate::state::open(&location, context, async { Ok(sdk_config(Some(region)).await) }).await?;
    ClusterStore::new(store, &boot.cluster)
}

/// The machine's configuration, out of the store.
pub async fn configuration_in(store: &ClusterStore, boot: &Boot) -> Result<Configuration> {
    let key = &boot.configuration.key;
    let missing = || {
        Error::failed(format!("{key} is not in {}", store.store().describe()))
            .hint("kspot update cluster --yes writes it again")
    };
    let blob = store.store().get(key).await?.ok_or_else(missing)?;
    configuration(boot, &blob.text(key)?)
}

/// The configuration in a text, if it is the one that the user data means.
pub fn configuration(boot: &Boot, text: &str) -> Result<Configuration> {
    let (sum, wanted) = (sha256(text.as_bytes()), &boot.configuration.sha256);
    if sum != *wanted {
        return Err(Error::failed(format!(
            "the configuration {} is not the one of the user data",
            boot.configuration.key
        ))
        .detail(format!("its sha256 is {sum}, not {wanted}"))
        .hint("kspot update cluster --yes writes it again"));
    }
    serde_yaml::from_str(text).context(|| format!("the configuration {} can't be understood", boot.configuration.key))
}
