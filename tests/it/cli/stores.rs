//! Stores and credentials that can't be used: a clear error with what to do, and nothing half written.

use std::process::Command;

use serde_json::json;

use super::Desk;
use crate::bed::{Bed, Kspot, Output, REGION};

/// Without credentials the error lists where they were looked for and what to set.
#[test]
fn missing_credentials_are_told() {
    let said = stranger().run(&["get", "clusters"]).expect(1).stderr;
    assert!(said.contains("no credentials found in chain"), "{said}");
    assert!(said.contains("hint: give credentials: AWS_PROFILE"), "{said}");
}

/// A credentials file that can't be read is named as the cause, and nothing of what is in it is shown.
#[test]
fn unreadable_credentials_are_told_without_secrets() {
    let kspot = stranger();
    std::fs::create_dir(kspot.home().join(".aws")).unwrap();
    std::fs::write(kspot.home().join(".aws/credentials"), "[default\naws_secret_access_key = s3cr3t\n").unwrap();
    let said = kspot.run(&["get", "clusters"]).expect(1).stderr;
    assert!(said.contains("profile"), "{said}");
    assert!(said.contains("hint: give credentials: AWS_PROFILE"), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}

/// Credentials that AWS does not accept end the command before anything is looked at. Tier: fault proxy.
#[test]
fn refused_credentials_are_told() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.bed.faults(json!([{"service": "sts", "do": "error", "status": 403, "code": "InvalidClientTokenId",
        "message": "The security token included in the request is invalid."}]));
    let said = desk.fails(1, "update cluster --yes");
    assert!(said.contains("InvalidClientTokenId"), "{said}");
    assert!(said.contains("hint: check the AWS credentials"), "{said}");
}

/// A bucket that does not exist is named, with the command that makes it.
#[test]
fn a_missing_bucket_is_told() {
    let desk = Desk::with_store(Bed::new(), "s3://kspot-there-is-none");
    for line in ["get clusters", "update cluster", "set cluster spec.channel=x"] {
        let said = desk.fails(1, line);
        assert!(said.contains("error: state store s3://kspot-there-is-none does not exist"), "{said}");
        assert!(said.contains("hint: kspot create state-store s3://kspot-there-is-none"), "{said}");
    }
}

/// A directory that does not exist is named, with the command that makes it.
#[test]
fn a_missing_directory_is_told() {
    let desk = Desk::with_store(Bed::new(), "file:///nonexistent/store");
    let said = desk.fails(1, "get clusters");
    assert!(said.contains("error: state store file:///nonexistent/store does not exist"), "{said}");
    assert!(said.contains("hint: kspot create state-store file:///nonexistent/store"), "{said}");
}

/// A region that is not the cluster's is refused by every command that works on AWS; nothing is deleted or written.
#[test]
fn another_region_is_refused() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let before = (desk.shape(), desk.json("history"));
    for line in [
        "update cluster --yes --region us-east-1",
        "drift --region us-east-1",
        "delete cluster c.k8s.local --yes --region us-east-1",
        "create cluster d.k8s.local --zones eu-west-1a --region us-east-1",
    ] {
        let said = desk.fails(2, line);
        assert!(said.contains("error: the cluster is in eu-west-1, --region says us-east-1"), "{said}");
    }
    assert_eq!((desk.shape(), desk.json("history")), before);
    assert_eq!(desk.ok("get clusters -o name").stdout, "c.k8s.local\n");
}

/// A bucket that can be read only: changes are refused with the rights that are missing, AWS is left alone, and looking
/// still works. Tier: fault proxy.
#[test]
fn a_read_only_bucket_is_told() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.bed.faults(json!([{"service": "s3", "writes": true, "do": "error", "status": 403, "code": "AccessDenied",
        "message": "Access Denied"}]));
    for line in ["set ig spot spec.maxSize=5", "update cluster --yes", "delete ig spot --yes"] {
        let said = desk.fails(1, line);
        assert!(said.contains("in s3://kspot-") && said.contains(": access denied"), "{line}: {said}");
        assert!(said.contains("hint: the credentials need s3:GetObject, s3:PutObject"), "{said}");
    }
    desk.ok("update cluster");
    desk.ok("get ig");
    desk.bed.faults(json!([]));
    assert_eq!(desk.bed.inventory().kinds.keys().collect::<Vec<_>>(), ["s3/bucket"]);
    assert_eq!(desk.json("history")["items"].as_array().unwrap().len(), 1);
}

/// A full disk below a directory store: the change is refused and nothing of it is there; with room again it is made.
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let desk = Desk::with_directory(Bed::new()).small();
    let before = desk.ok("get all -o yaml").stdout;
    let said = with_no_room(&desk, &["set", "ig", "*", "spec.nodeLabels.team=a"]).expect(1).stderr;
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(desk.ok("get all -o yaml").stdout, before);
    assert_eq!(temporary_files(&desk), 0);
    desk.ok("set ig * spec.nodeLabels.team=a");
    let history = desk.json("history");
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
}

/// A directory store on a file system that is read-only can be read, and says why it can't be written.
#[test]
fn a_read_only_directory_is_told() {
    let desk = Desk::with_directory(Bed::new()).small();
    let mount = "mount --bind store store && mount -o remount,bind,ro store";
    let Some(set) = mounted(&desk, mount, "set ig spot spec.maxSize=5") else {
        #[allow(clippy::print_stderr, reason = "who runs the tests is to know")]
        {
            eprintln!("left out: this machine does not let a test mount a directory (unshare -rm)");
        }
        return;
    };
    let said = set.expect(1).stderr;
    assert!(said.contains("the file system is read-only"), "{said}");
    let listed = mounted(&desk, mount, "get ig -o name").unwrap().expect(0).stdout;
    assert_eq!(listed, "control-plane\nspot\n");
}

/// Runs a command that can't write a single byte to a file: on a full file system where a test may mount one, else with
/// a limit on the size of files.
fn with_no_room(desk: &Desk, arguments: &[&str]) -> Output {
    let line = arguments.join(" ");
    let full = "cp -r store saved && mount -t tmpfs -o size=96k,nr_inodes=200 tmpfs store && cp -r saved/. store && \
                rm -r saved && { cat /dev/zero > store/.filler 2> /dev/null || true; }";
    mounted(desk, full, &line).unwrap_or_else(|| shell(desk, &["sh", "-c"], "trap '' XFSZ; ulimit -f 0", &line))
}

/// Runs a command where the mounts of a script hold, for it alone; none if this machine does not let a test mount.
fn mounted(desk: &Desk, script: &str, line: &str) -> Option<Output> {
    let may = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    may.is_ok_and(|o| o.status.success()).then(|| shell(desk, &["unshare", "-rm", "sh", "-ec"], script, line))
}

/// Runs a script, then a kspot command in the same shell.
fn shell(desk: &Desk, with: &[&str], script: &str, line: &str) -> Output {
    let kspot = desk.kspot.command(&[]);
    let quoted: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
    let script = format!("{script}; exec {} {}", kspot.get_program().to_str().unwrap(), quoted.join(" "));
    let mut command = Command::new(with[0]);
    command.args(&with[1..]).arg(script).env_clear().current_dir(desk.kspot.home());
    command.envs(kspot.get_envs().filter_map(|(name, value)| Some((name, value?))));
    desk.kspot.finished(command.output().unwrap())
}

/// Files that an unfinished write has left in a directory store.
fn temporary_files(desk: &Desk) -> usize {
    let listed = Command::new("find").arg(desk.kspot.home().join("store")).args(["-name", ".kspot-tmp-*"]).output();
    String::from_utf8(listed.unwrap().stdout).unwrap().lines().count()
}

/// Somebody without credentials.
fn stranger() -> Kspot {
    Kspot::offline().env("AWS_REGION", REGION).env("KSPOT_STATE_STORE", "s3://kspot-x")
}
