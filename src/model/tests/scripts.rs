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
        // SC2015: `a && b || c` is meant so.
        let Ok(checked) = Command::new("shellcheck").args(["-e", "SC2015"]).arg(file.path()).output() else { continue };
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
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
