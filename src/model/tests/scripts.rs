//! What machines run first.

use std::process::Command;

use super::{Fixture, cases, directory};
use crate::model::Store;
use crate::resource::{Kind, Resource};
use crate::spec::Role;

fn scripts(fixture: &Fixture) -> Vec<String> {
    let all = fixture.build();
    let templates = all.values().filter_map(|r| match r {
        Resource::LaunchTemplate(template) => Some(template.data.user_data.clone()),
        _ => None,
    });
    templates.filter(|text| text.starts_with("#!")).collect()
}

/// kspot's own user data stays far below EC2's limit, so that there is room for the spec's.
#[test]
fn user_data_is_short() {
    for case in cases() {
        for script in scripts(&Fixture::read(&case)) {
            assert!(script.len() < 8 * 1024, "{case}: {}", script.len());
        }
    }
}

/// Every script is well-formed bash, and shellcheck has nothing to say where it is installed.
#[test]
fn scripts_are_clean() {
    let mut fixture = Fixture::read("minimal");
    let mut all = scripts(&fixture);
    fixture.store = Store::Directory("/mnt/it's here".into());
    all.extend(scripts(&fixture));
    assert_eq!(all.len(), 4);
    let file = tempfile::NamedTempFile::new().unwrap();
    for script in all {
        std::fs::write(file.path(), &script).unwrap();
        let parsed = Command::new("bash").arg("-n").arg(file.path()).output().unwrap();
        assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
        let Ok(checked) = Command::new("shellcheck").arg(file.path()).output() else { continue };
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

/// What stands in for curl: the metadata service, EC2, and a control plane whose first answer is damaged. It writes
/// down how it was called.
const CURL: &str = r#"#!/usr/bin/env bash
echo "$*" >>calls
case "$*" in
*api/token*) echo token ;;
*security-credentials/) echo role ;;
*security-credentials/role*) printf '{\n "AccessKeyId" : "AKIA",\n "SecretAccessKey" : "secret",\n "Token" : "session"\n}\n' ;;
*DescribeInstances*)
  cat >config
  echo '<i><privateIpAddress>10.0.0.2</privateIpAddress></i><i><privateIpAddress>10.0.0.1</privateIpAddress></i>'
  ;;
*--cacert*)
  while [[ $1 != -o ]]; do shift; done
  if [[ -e tried ]]; then cat good >"$2"; else echo damaged >"$2"; fi
  touch tried
  ;;
esac
"#;

/// A worker finds the control plane by its tags, shows no credentials to other processes, takes nothing whose hash is
/// wrong, and starts what it got.
#[test]
fn a_worker_boots() {
    use std::os::unix::fs::PermissionsExt;

    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let agent = "#!/usr/bin/env bash\necho \"$*\" >started\n";
    let mut fixture = Fixture::read("minimal");
    fixture.facts.agent.get_mut("x86_64").unwrap().sha256 = crate::digest::sha256(agent.as_bytes());
    let script = scripts(&fixture).into_iter().find(|s| s.contains("CONTROLLER=")).unwrap();
    let here = path.display().to_string();
    let script = script.replace("/etc/kspot", &format!("{here}/etc")).replace("/opt/kspot", &format!("{here}/opt"));
    std::fs::write(path.join("good"), agent).unwrap();
    for (name, text) in [("curl", CURL), ("sleep", "#!/bin/sh\n"), ("user-data", &script)] {
        std::fs::write(path.join(name), text).unwrap();
        std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search = format!("{here}:{}", std::env::var("PATH").unwrap());
    let ran = Command::new("bash").arg("user-data").current_dir(path).env("PATH", search).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("sha256 is not"), "{said}");
    assert_eq!(read("started"), format!("node install --config {here}/etc/boot.yaml\n"));
    assert!(read("etc/boot.yaml").contains("group: nodes-us-east-1a"));
    assert!(read("calls").contains("Filter.1.Value.1=minimal.example.com"));
    assert!(!read("calls").contains("secret") && read("config").contains("user = \"AKIA:secret\""));
}

/// A worker's script names the control plane, never the state store; a control-plane machine's is the other way round.
#[test]
fn only_the_control_plane_knows_the_store() {
    for case in cases() {
        let fixture = Fixture::read(&case);
        let desired = fixture.build();
        for group in &fixture.groups {
            let name = fixture.input().names().instance_group(group);
            let addr = crate::resource::Addr::new(Kind::LaunchTemplate, name);
            let Some(Resource::LaunchTemplate(template)) = desired.get(&addr) else { panic!("no {addr}") };
            let (store, controller) = (
                template.data.user_data.contains("kspot-state"),
                template.data.user_data.contains("/etc/kspot/ca.crt"),
            );
            let expected = match group.spec.role {
                Role::ControlPlane => (true, false),
                Role::Node => (false, true),
                Role::Bastion => (false, false),
            };
            assert_eq!((store, controller), expected, "{case} {addr}");
        }
    }
}

/// A change that concerns the control plane only gives workers nothing new, so it replaces none of them.
#[test]
fn workers_do_not_change_with_the_control_plane() {
    let fixture = Fixture::read("minimal");
    let mut other = Fixture::read("minimal");
    other.cluster.spec.additional_sans.push("api.example.org".into());
    let of = |f: &Fixture, role: &str| -> Vec<String> {
        let all = f.build().into_keys().filter(|a| a.kind == Kind::NodeConfig && a.name.starts_with(role));
        all.map(|a| a.name).collect()
    };
    assert_eq!(of(&fixture, "node/"), of(&other, "node/"));
    assert_ne!(of(&fixture, "control-plane/"), of(&other, "control-plane/"));
}

/// The fixtures' directory holds nothing but cases: a stray file would silently not be tested.
#[test]
fn fixtures_are_cases() {
    for case in cases() {
        assert!(directory().join(case).join("specs.yaml").is_file());
    }
}
