//! The binary that nodes run: which one, and its hash.
//!
//! Nodes run kspot itself. The binary for each architecture is `kspot-linux-amd64` or `kspot-linux-arm64` in the directory
//! `KSPOT_AGENT_DIR`; without it, the running executable serves its own architecture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::digest::sha256_of;
use crate::error::{Context as _, Error, Result};
use crate::model::AgentBinary;
use crate::resource::{Desired, Resource};
use crate::state::{Keys, Store};

/// The environment variable that names the directory with the binaries.
pub const DIRECTORY: &str = "KSPOT_AGENT_DIR";

/// The architectures of nodes: as AWS calls them, and as releases do.
const ARCHITECTURES: &[(&str, &str)] = &[("x86_64", "amd64"), ("arm64", "arm64")];

/// The agents that are at hand, by AWS's name of their architecture.
pub fn agents(context: &Context, keys: &Keys) -> Result<BTreeMap<String, AgentBinary>> {
    let mut found = BTreeMap::new();
    for (aws, release) in ARCHITECTURES {
        let Some(file) = binary(context, release) else { continue };
        let sha256 = sum_of(&file)?;
        found.insert((*aws).to_owned(), AgentBinary { key: keys.binary("linux", release, &sha256), sha256 });
    }
    Ok(found)
}

/// Puts the agents into the store that machines of this desired state fetch, unless they are there.
pub async fn publish(
    context: &Context,
    store: &dyn Store,
    agents: &BTreeMap<String, AgentBinary>,
    desired: &Desired,
) -> Result<()> {
    for (aws, release) in ARCHITECTURES {
        let Some(agent) = agents.get(*aws).filter(|agent| is_used(agent, desired)) else { continue };
        if store.list(&agent.key, None).await?.iter().any(|entry| entry.key == agent.key) {
            continue;
        }
        let gone = || Error::failed(format!("the node agent for {release} is gone"));
        let file = binary(context, release).ok_or_else(gone)?;
        if sum_of(&file)? != agent.sha256 {
            return Err(Error::failed(format!("the node agent {} was changed meanwhile", file.display()))
                .hint("run the command again"));
        }
        store.put_file(&agent.key, &file, &agent.sha256).await?;
    }
    Ok(())
}

fn is_used(agent: &AgentBinary, desired: &Desired) -> bool {
    desired.values().any(|resource| match resource {
        Resource::LaunchTemplate(template) => template.data.user_data.contains(&agent.sha256),
        _ => false,
    })
}

fn binary(context: &Context, release: &str) -> Option<PathBuf> {
    if let Some(directory) = context.env(DIRECTORY) {
        return Some(Path::new(directory).join(format!("kspot-linux-{release}"))).filter(|f| f.is_file());
    }
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => return None,
    };
    if std::env::consts::OS == "linux" && own == release { std::env::current_exe().ok() } else { None }
}

fn sum_of(file: &Path) -> Result<String> {
    sha256_of(file).context(|| format!("can't read the node agent {}", file.display()))
}
