//! Whole commands: the real binary, typed as a user types it, against the bed. Each test has an account, a state store
//! and a home directory of its own.

mod checks;
mod deleting;
mod editing;
mod etcd;
mod faults;
mod instances;
mod interrupts;
mod keys;
mod kill;
mod manifests;
mod paging;
mod plans;
mod service_accounts;
mod snapshots;
mod stores;
mod topologies;
mod validate;
mod writers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use regex::Regex;
use serde_json::Value;

use crate::bed::{Bed, Inventory, Kspot, Output, normalised};

/// The cluster that most tests work on.
const CLUSTER: &str = "c.k8s.local";

/// Its specs: one zone, one control plane, one group of mixed spot machines.
const SMALL: &str = include_str!("small.yaml");

/// A place to type commands at: an account, a state store in it, the cluster's name in the environment.
struct Desk {
    bed: Bed,
    kspot: Kspot,
    store: String,
}

impl Desk {
    /// On a fresh account of the shared emulator.
    fn new() -> Desk {
        Desk::on(Bed::new())
    }

    /// On a bed, with the store in a new bucket of that account.
    fn on(bed: Bed) -> Desk {
        let store = format!("s3://kspot-{}", bed.account());
        let desk = Desk::with_store(bed, &store);
        desk.ok("create state-store");
        desk
    }

    /// On a bed, with a store that the test makes itself.
    fn with_store(bed: Bed, store: &str) -> Desk {
        let kspot = Kspot::on(&bed)
            .env("KSPOT_STATE_STORE", store)
            .env("KSPOT_CLUSTER_NAME", CLUSTER)
            .env("USER", "ann")
            .env("PATH", "/usr/bin:/bin");
        Desk { bed, kspot, store: store.to_owned() }
    }

    /// On a bed, with the store in a directory.
    fn with_directory(bed: Bed) -> Desk {
        let mut desk = Desk::with_store(bed, "");
        let directory = desk.kspot.home().join("store");
        std::fs::create_dir(&directory).unwrap();
        desk.store = format!("file://{}", directory.display());
        desk.kspot = desk.kspot.env("KSPOT_STATE_STORE", &desk.store);
        desk
    }

    /// The same with the specs of [`SMALL`] in the store.
    fn small(self) -> Desk {
        self.file("small.yaml", SMALL);
        self.ok("create -f small.yaml");
        self
    }

    /// The same with a variable in the environment of every command.
    fn env(mut self, name: &str, value: &str) -> Desk {
        self.kspot = self.kspot.env(name, value);
        self
    }

    /// Runs a command line; its words are separated by spaces.
    fn run(&self, line: &str) -> Output {
        self.kspot.run(&words(line))
    }

    /// Runs a command line that has to succeed.
    #[track_caller]
    fn ok(&self, line: &str) -> Output {
        self.run(line).expect(0)
    }

    /// Runs a command line that has to fail with this exit code; gives its messages.
    #[track_caller]
    fn fails(&self, exit: i32, line: &str) -> String {
        self.run(line).expect(exit).stderr
    }

    /// Starts a command line with some more variables in its environment.
    fn start(&self, line: &str, env: &[(&str, &str)]) -> Child {
        let mut command = self.kspot.command(&words(line));
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("kspot starts")
    }

    /// Runs a command line with `-o json` and gives the one document it prints.
    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let printed = self.ok(&format!("{line} -o json")).stdout;
        serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{line}: {e}: {printed}"))
    }

    /// Writes a file into the working directory.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.kspot.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Puts a text into the state store, below the cluster's name.
    async fn put(&self, key: &str, text: &str) {
        let config = aws_sdk_s3::config::Builder::from(&self.bed.sdk_config().await).force_path_style(true).build();
        let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket(self.store.trim_start_matches("s3://"));
        put.key(format!("{CLUSTER}/{key}")).body(text.as_bytes().to_vec().into()).send().await.unwrap();
    }

    /// The account's part of what exists, in a form in which two accounts compare: ids and numbers replaced.
    fn shape(&self) -> Shape {
        shape(&self.bed.inventory())
    }

    /// The plan has nothing to do, and looking changes nothing.
    #[track_caller]
    fn settled(&self) {
        let before = self.bed.requests().len();
        let looked = self.ok("update cluster --detailed-exitcode");
        assert!(looked.stdout.starts_with("No changes."), "{}", looked.stdout);
        let writes: Vec<_> = self.bed.requests()[before..].iter().filter(|r| !r.reads()).cloned().collect();
        assert!(writes.is_empty(), "{writes:?}");
    }

    /// The state store alone is left of the account.
    #[track_caller]
    fn only_the_store_is_left(&self) {
        let left = self.bed.inventory();
        assert_eq!(left.kinds.keys().collect::<Vec<_>>(), ["s3/bucket"], "{left:?}");
        assert_eq!(self.ok("get clusters -o name").stdout, "");
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

/// What an account has: names by kind.
type Shape = BTreeMap<String, Vec<String>>;

/// Names by kind, with what AWS makes up replaced.
fn shape(inventory: &Inventory) -> Shape {
    let made_up = Regex::new("[0-9a-f]{16,17}").expect("a valid pattern");
    let plain = |id: &String| made_up.replace_all(&normalised(id), "[ID]").into_owned();
    let sorted = |ids: &Vec<String>| {
        let mut ids: Vec<String> = ids.iter().map(plain).collect();
        ids.sort();
        ids
    };
    inventory.kinds.iter().map(|(kind, ids)| (kind.clone(), sorted(ids))).collect()
}
