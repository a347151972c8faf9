//! Which part of the program may know what. Tier: the sources themselves.

use std::path::{Path, PathBuf};

/// The AWS SDK's types stay at the edges: where resources, the store, keys and the catalogue meet AWS.
#[test]
fn aws_types_stay_at_the_edges() {
    let edges = ["cloud/aws/", "resource/", "state/s3", "state/bucket", "catalogue/fetch/"];
    assert_only_in(&edges, &["aws_sdk_", "aws_sigv4"]);
}

/// Kubernetes' client and types stay in one folder, except for the client that commands and operations hand on.
#[test]
fn kubernetes_types_stay_in_one_folder() {
    assert_only_in(&["kube/", "cli/", "ops/"], &["kube::Client"]);
    assert_only_in(&["kube/"], &["kube::Api", "kube::api", "kube::core", "kube::runtime"]);
}

/// The middle is pure: no clock, no file, no task, no network. (Tests may have them.)
#[test]
fn the_middle_is_pure() {
    let forbidden = ["tokio::", "std::fs", "std::net::Tcp", "SystemTime::now", "Instant::now", "Timestamp::now"];
    for file in sources().iter().filter(|f| ["spec/", "model/", "plan/", "select/"].iter().any(|m| f.is_below(m))) {
        let code = file.text.split("#[cfg(test)]").next().unwrap();
        let known: Vec<_> = forbidden.iter().filter(|word| code.contains(**word)).collect();
        assert!(file.name.contains("tests") || known.is_empty(), "src/{} uses {known:?}", file.name);
    }
}

struct Source {
    /// Below `src`, with slashes.
    name: String,
    text: String,
}

impl Source {
    fn is_below(&self, place: &str) -> bool {
        self.name.starts_with(place)
    }
}

fn assert_only_in(places: &[&str], words: &[&str]) {
    let all = sources();
    assert!(all.iter().any(|f| words.iter().any(|w| f.text.contains(w))), "nothing uses {words:?}: is the test old?");
    for file in all.iter().filter(|f| !places.iter().any(|place| f.is_below(place))) {
        let known: Vec<_> = words.iter().filter(|word| file.text.contains(**word)).collect();
        assert!(known.is_empty(), "src/{} uses {known:?}, which belongs into {places:?}", file.name);
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(place) = open.pop() {
        if place.is_dir() {
            open.extend(std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        } else if place.extension().is_some_and(|e| e == "rs") {
            let name = place.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            found.push(Source { name, text: std::fs::read_to_string(&place).unwrap() });
        }
    }
    found
}
