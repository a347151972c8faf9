//! What a machine runs first: a short script that fetches the node agent, checks it and starts it.
//!
//! The script is the same everywhere but for its variables and for where the agent comes from: control-plane machines
//! read the state store with their role, workers ask the control plane over TLS. It holds no secret and no time: it
//! changes, and with it the launch template, only when a machine would come up differently. The configuration that the
//! agent reads next is an object of its own, named here with its hash.

use super::security::CONTROLLER_PORT;
use super::{AgentBinary, Input, Store};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::node::boot::{self, Boot, Controller, Reference};
use crate::resource::NodeConfig;
use crate::spec::instance_group::{UserData, UserDataType};
use crate::spec::{InstanceGroup, Role};
use crate::state::Keys;

/// Most that EC2 takes, in bytes, before base64.
const LIMIT: usize = 16 * 1024;

const COMMON: &str = include_str!("user_data/common.sh");
const FROM_S3: &str = include_str!("user_data/from_s3.sh");
const FROM_DIRECTORY: &str = include_str!("user_data/from_directory.sh");
const FROM_CONTROL_PLANE: &str = include_str!("user_data/from_control_plane.sh");
const MAIN: &str = include_str!("user_data/main.sh");

/// The parts of a script that are the same everywhere, by the names of their files.
#[cfg(test)]
pub(super) const PARTS: [(&str, &str); 5] = [
    ("common.sh", COMMON),
    ("from_s3.sh", FROM_S3),
    ("from_directory.sh", FROM_DIRECTORY),
    ("from_control_plane.sh", FROM_CONTROL_PLANE),
    ("main.sh", MAIN),
];

/// The user data of a group's machines; none for a bastion, which is no node, unless the spec adds some.
pub(super) fn build(input: &Input<'_>, group: &InstanceGroup, config: Option<&NodeConfig>) -> Result<String> {
    let own = config.map(|config| script(input, group, config)).transpose()?;
    let text = match (own, group.spec.additional_user_data.as_slice()) {
        (own, []) => own.unwrap_or_default(),
        (own, more) => multipart(own.as_deref(), more),
    };
    if text.len() > LIMIT {
        return Err(Error::invalid(format!(
            "the user data of group {} has {} bytes, EC2 takes {LIMIT}",
            group.name(),
            text.len()
        ))
        .hint("shorten spec.additionalUserData, for example to a script that fetches the rest"));
    }
    Ok(text)
}

fn script(input: &Input<'_>, group: &InstanceGroup, config: &NodeConfig) -> Result<String> {
    let agent = agent(input, group)?;
    let document = document(input, group, config)?;
    let names = input.names();
    let mut variables = vec![
        ("CLUSTER", input.cluster.name().to_owned()),
        ("GROUP", group.name().to_owned()),
        ("ROLE", group.spec.role.label().to_owned()),
        ("AGENT", "/opt/kspot/bin/kspot".to_owned()),
        ("AGENT_SHA256", agent.sha256.clone()),
    ];
    let mut files = vec![(boot::PATH, document)];
    let source = match (group.spec.role, input.store) {
        (Role::ControlPlane, Store::S3 { bucket, region, .. }) => {
            let host = format!("s3.{region}.{}", input.dns_suffix());
            variables.push(("STORE_REGION", region.clone()));
            variables.push(("AGENT_URL", format!("https://{host}/{bucket}/{}", input.store.key(&agent.key))));
            FROM_S3
        }
        (Role::ControlPlane, Store::Directory(_)) => {
            variables.push(("AGENT_PATH", input.store.key(&agent.key)));
            FROM_DIRECTORY
        }
        _ => {
            let file = agent.key.rsplit('/').next().unwrap_or_default();
            variables.push(("REGION", input.account.region.clone()));
            variables.push(("EC2_URL", format!("https://ec2.{}.{}/", input.account.region, input.dns_suffix())));
            variables.push(("CONTROLLER", names.controller()));
            variables.push(("CONTROLLER_PORT", CONTROLLER_PORT.to_string()));
            variables.push(("AGENT_PATH", format!("bin/{file}")));
            files.push((boot::AUTHORITY, input.facts.authorities.clone()));
            FROM_CONTROL_PLANE
        }
    };
    let mut text = "#!/usr/bin/env bash\nset -euo pipefail\numask 022\n\n".to_owned();
    for (name, value) in variables {
        text.push_str(&format!("readonly {name}={}\n", quoted(&value)));
    }
    text.push_str("\nmkdir -p /etc/kspot /opt/kspot/bin\n");
    for (path, content) in files {
        text.push_str(&format!("cat >{path} <<'END'\n{}END\n", with_newline(&content)));
    }
    Ok([&text, COMMON, source, MAIN].join("\n"))
}

fn agent<'a>(input: &Input<'a>, group: &InstanceGroup) -> Result<&'a AgentBinary> {
    let architecture = &super::launch_template::image(input, group)?.architecture;
    input.facts.agent.get(architecture).ok_or_else(|| {
        Error::failed(format!("there is no node agent for {architecture}, which group {} runs on", group.name()))
            .hint("use an image and instance types of another architecture")
    })
}

fn document(input: &Input<'_>, group: &InstanceGroup, config: &NodeConfig) -> Result<String> {
    let control_plane = group.spec.role == Role::ControlPlane;
    let boot = Boot {
        api_version: crate::spec::API_VERSION.to_owned(),
        kind: "Boot".to_owned(),
        cluster: input.cluster.name().to_owned(),
        group: group.name().to_owned(),
        role: group.spec.role.label().to_owned(),
        region: input.account.region.clone(),
        configuration: Reference {
            key: Keys::of(input.cluster.name())?.node(&config.name()),
            sha256: sha256(config.text.as_bytes()),
        },
        store: control_plane.then(|| input.store.to_string()),
        store_region: match input.store {
            Store::S3 { region, .. } if control_plane => Some(region.clone()),
            _ => None,
        },
        controller: (!control_plane).then(|| Controller {
            name: input.names().controller(),
            port: CONTROLLER_PORT,
            certificate_authority: boot::AUTHORITY.to_owned(),
        }),
    };
    super::node_config::to_yaml(&boot)
}

/// A word that bash takes as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn with_newline(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// One MIME message: kspot's script first, then the spec's parts. The boundary follows from the content.
fn multipart(own: Option<&str>, more: &[UserData]) -> String {
    let own = own.map(|text| ("kspot.sh", UserDataType::ShellScript, text));
    let parts: Vec<_> =
        own.into_iter().chain(more.iter().map(|u| (u.name.as_str(), u.mime_type, u.content.as_str()))).collect();
    let all: String = parts.iter().map(|(_, _, text)| *text).collect();
    let boundary = &sha256(all.as_bytes())[..32];
    let mut message = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for (name, mime_type, text) in parts {
        message.push_str(&format!(
            "--{boundary}\nContent-Disposition: attachment; filename=\"{name}\"\nContent-Type: {}; charset=\"utf-8\"\nMIME-Version: 1.0\n\n{}\n",
            mime_type.as_str(),
            with_newline(text)
        ));
    }
    message.push_str(&format!("--{boundary}--\n"));
    message
}
