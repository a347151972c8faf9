//! What is on the volume of a member, as far as its machine sees it.

use std::path::{Path, PathBuf};

use super::manifest::VOLUMES;
use super::restore::{FRESH, Stage, journal};
use super::seed::{DATA, Data, NOTE, Note, Volume};
use crate::error::{Context, Result};
use crate::node::host::Host;

/// What a restore calls the data that it moves aside begins so.
pub const BEFORE: &str = "data.before-";

/// Where the volume of an etcd cluster's member is mounted.
pub fn mount_point(etcd: &str) -> PathBuf {
    Path::new(VOLUMES).join(etcd)
}

/// The note on it; none if there is none, or the volume is not mounted.
pub async fn note(host: &dyn Host, etcd: &str) -> Result<Option<Note>> {
    let file = mount_point(etcd).join(NOTE);
    let Some(text) = host.text(&file).await? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).context(|| format!("{} can't be understood", file.display()))
}

/// What is on it, once it is mounted.
pub async fn content(host: &dyn Host, etcd: &str) -> Result<Volume> {
    let point = mount_point(etcd);
    let all = host.list(&point).await?;
    let Some(note) = note(host, etcd).await? else {
        let others = all.into_iter().filter(|name| name != "lost+found" && name != DATA);
        return Ok(Volume::Unknown { holds: others.collect() });
    };
    let prepared = journal(host, etcd).await?.is_some_and(|journal| journal.stage == Stage::Prepared);
    let moved = |name: &String| name.starts_with(BEFORE) || (prepared && name == FRESH);
    let data = match host.list(&point.join(DATA)).await?.is_empty() {
        false => Data::There,
        true if all.iter().any(moved) => Data::Aside,
        true => Data::None,
    };
    Ok(Volume::Noted { note, data })
}
