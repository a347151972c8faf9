//! What differs between AWS and the revision that was applied last.

use super::prepare::{Extent, Prepared, Site, prepare};
use super::specs::{Specs, check, open};
use crate::error::{Error, Result};

/// Plans the specs of the last applied revision against AWS as it is: every change in that plan undoes something that
/// happened behind kspot's back.
pub async fn drift(site: &Site, cluster: &str) -> Result<Prepared> {
    let store = open(&site.store, cluster)?;
    let applied = store.applied().await?.ok_or_else(|| {
        Error::failed(format!("cluster {cluster} was never applied: there is nothing that AWS could differ from"))
            .hint(format!("kspot update cluster {cluster} --yes"))
    })?;
    let texts = store.texts(&store.revision(applied.revision).await?).await?;
    let typed = check(&texts, &[])?;
    let specs = Specs {
        cluster: typed.cluster,
        groups: typed.groups,
        texts,
        revision: applied.revision,
        outside_edits: Vec::new(),
        warnings: typed.warnings,
    };
    prepare(site, &specs, &Extent { deep: true, ..Extent::default() }).await
}
