//! Changing specs: in an editor, by files, field by field.

use super::{Desk, SMALL};
use crate::bed::Bed;

/// A spec is changed in the editor, and the change is a revision.
#[test]
fn an_edit_is_written() {
    let desk = with_editor("sed -i 's/maxSize: 3/maxSize: 7/' $1");
    let said = desk.ok("edit ig spot -m more").stderr;
    assert!(said.contains("cluster c.k8s.local: revision 2"), "{said}");
    assert!(desk.ok("get ig spot -o yaml").stdout.contains("maxSize: 7"));
    let history = desk.json("history --limit 1");
    assert_eq!(
        (&history["items"][0]["command"], &history["items"][0]["message"]),
        (&"edit instancegroup/spot".into(), &"more".into())
    );
}

/// A cluster's spec is edited as well, and comments that the user wrote stay.
#[test]
fn a_cluster_is_edited() {
    let desk = with_editor("sed -i 's/^spec:/# why not\\nspec:\\n  cloudLabels: {team: a}/' $1");
    desk.ok("edit cluster");
    let kept = std::fs::read_to_string(desk.kspot.home().join("store/c.k8s.local/config")).unwrap();
    assert!(kept.contains("# why not") && kept.contains("cloudLabels: {team: a}"), "{kept}");
}

/// A bad edit opens the editor again, with every problem as a comment above the user's own text; the comments do not
/// end up in the spec.
#[test]
fn a_bad_edit_comes_back_with_its_errors() {
    let desk = with_editor(
        "if test -e seen; then cp $1 seen; sed -i 's/maxSiz:/maxSize:/; s/minSize: one/minSize: 1/' $1\n\
         else touch seen; sed -i 's/maxSize:/maxSiz:/; s/minSize: 1/minSize: one/' $1; fi",
    );
    desk.ok("edit ig spot");
    let seen = std::fs::read_to_string(desk.kspot.home().join("seen")).unwrap();
    let remarks: Vec<&str> = seen.lines().take_while(|line| line.starts_with("#! ")).collect();
    assert_eq!(remarks[0], "#! the spec is invalid: 2 problems");
    assert!(remarks[1].contains("spec.minSize: \"one\" is not a whole number"), "{seen}");
    assert!(remarks[2].contains("unknown field maxSiz, did you mean maxSize"), "{seen}");
    assert!(seen.contains("\n  maxSiz: 3"), "{seen}");
    assert_eq!(desk.json("history")["items"].as_array().unwrap().len(), 1, "fixed means as it was");
}

/// Leaving the text as it is, or empty, cancels: nothing is written.
#[test]
fn an_unchanged_or_empty_text_cancels() {
    for editor in ["true", "printf '' > $1"] {
        let desk = with_editor(editor);
        let said = desk.ok("edit ig spot").stderr;
        assert!(said.contains("edit cancelled: nothing changed"), "{said}");
        assert_eq!(desk.json("history")["items"].as_array().unwrap().len(), 1);
    }
}

/// Whatever goes wrong after the user wrote something, the error says where their text is kept.
#[test]
fn what_was_written_is_never_lost() {
    let edit = "sed -i 's/maxSize: 3/maxSize: 7/' $1";
    let wrong = "sed -i 's/maxSize: 3/maxSize: x/' $1";
    let crash = format!("{edit}; exit 9");
    let overtaken = format!("{edit}; $KSPOT set ig spot spec.minSize=2");
    for (editor, exit, cause) in [
        (crash.as_str(), 1, "the editor sh editor.sh ended with exit status: 9"),
        (wrong, 3, "the editor left the text as it was"),
        (overtaken.as_str(), 5, "instancegroup/spot was changed by somebody else while it was edited"),
    ] {
        let desk = with_editor(editor).env("KSPOT", env!("CARGO_BIN_EXE_kspot"));
        let said = desk.fails(exit, "edit ig spot");
        assert!(said.contains(cause), "{said}");
        let kept = said.lines().find_map(|line| line.strip_prefix("hint: what you wrote is kept: kspot replace -f "));
        let text = std::fs::read_to_string(kept.unwrap_or_else(|| panic!("{said}"))).unwrap();
        assert!(text.contains("maxSize: 7") || text.contains("maxSize: x"), "{text}");
        assert!(desk.ok("get ig spot -o yaml").stdout.contains("maxSize: 3"));
    }
}

/// An editor that fails before anything was written leaves nothing behind.
#[test]
fn a_failing_editor_changes_nothing() {
    let desk = with_editor("exit 1");
    let said = desk.fails(1, "edit ig spot");
    assert!(said.contains("ended with exit status: 1") && !said.contains("is kept"), "{said}");
    let said = desk.fails(1, "edit ig spott");
    assert!(said.contains("hint: did you mean spot?"), "{said}");
}

/// Files: create makes new specs only, replace existing ones only, apply both; --prune takes away groups without a
/// file, --merge changes the named fields alone.
#[test]
fn files_are_specs() {
    let desk = Desk::with_directory(Bed::new());
    let parts: Vec<&str> = SMALL.split("---\n").collect();
    for (name, text) in ["specs/a.yaml", "specs/b.yml", "specs/c.yaml"].iter().zip(&parts) {
        desk.file(name, text);
    }
    desk.file("specs/notes.txt", "not a spec");
    desk.ok("apply -f specs");
    assert_eq!(groups(&desk), ["control-plane", "spot"]);
    let said = desk.fails(1, "create -f specs/c.yaml");
    assert!(said.contains("instancegroup/spot exists already in cluster c.k8s.local"), "{said}");
    desk.file("specs/d.yaml", &parts[2].replace("name: spot", "name: more"));
    let said = desk.fails(1, "replace -f specs/d.yaml");
    assert!(said.contains("instancegroup/more does not exist in cluster c.k8s.local"), "{said}");
    desk.ok("create -f specs/d.yaml");
    desk.file("specs/d.yaml", &parts[2].replace("name: spot", "name: more").replace("maxSize: 3", "maxSize: 4"));
    desk.ok("replace -f specs/d.yaml");
    assert!(desk.ok("get ig more -o yaml").stdout.contains("maxSize: 4"));
    std::fs::remove_file(desk.kspot.home().join("specs/c.yaml")).unwrap();
    desk.ok("apply -f specs");
    assert_eq!(groups(&desk), ["control-plane", "more", "spot"]);
    let said = desk.ok("apply -f specs --prune").stderr;
    assert!(said.contains("instancegroup/spot is removed"), "{said}");
    assert_eq!(groups(&desk), ["control-plane", "more"]);
    desk.file("fragment.yaml", "kind: InstanceGroup\nmetadata:\n  name: more\nspec:\n  nodeLabels:\n    team: a\n");
    desk.ok("apply --merge -f fragment.yaml");
    let more = desk.ok("get ig more -o yaml").stdout;
    assert!(more.contains("team: a") && more.contains("maxSize: 4"), "{more}");
    let said = desk.ok("apply -f specs/d.yaml").stderr;
    assert!(said.contains("revision"), "a whole spec takes the label away: {said}");
    assert!(desk.ok("apply -f specs/d.yaml").stderr.contains("nothing to change"));
}

/// `get -o yaml` gives what `replace -f -` takes: the round trip changes nothing.
#[test]
fn specs_go_round() {
    let desk = Desk::with_directory(Bed::new()).small();
    let all = desk.ok("get all -o yaml").stdout;
    let back = desk.kspot.run_with_input(&["replace", "-f", "-"], &all).expect(0).stderr;
    assert!(back.contains("nothing to change"), "{back}");
    let json = desk.ok("get all -o json").stdout;
    desk.file("all.json", &serde_json::from_str::<serde_json::Value>(&json).unwrap()["items"][1].to_string());
    assert!(desk.ok("replace -f all.json").stderr.contains("nothing to change"));
}

/// set and unset change a field of every group that a pattern names, in one revision or none.
#[test]
fn fields_are_set_by_pattern() {
    let desk = Desk::with_directory(Bed::new()).small();
    desk.ok("set ig * spec.nodeLabels.kops.k8s.io/lifecycle=OnDemand spec.cloudLabels.team=a");
    assert_eq!(desk.ok("get ig -o yaml").stdout.matches("kops.k8s.io/lifecycle: OnDemand").count(), 2);
    desk.ok("unset ig *spot* spec.nodeLabels");
    assert_eq!(desk.ok("get ig -o yaml").stdout.matches("kops.k8s.io/lifecycle: OnDemand").count(), 1);
    assert_eq!(desk.json("history")["items"].as_array().unwrap().len(), 3);
    let said = desk.fails(3, "set ig * spec.maxSize=0");
    assert!(said.contains("instancegroup/control-plane:") && said.contains("instancegroup/spot:"), "{said}");
    assert_eq!(desk.json("history")["items"].as_array().unwrap().len(), 3);
}

/// All problems of a file are told at once, each with file, line and column, the field and what would be right.
#[test]
fn all_problems_are_told_at_once() {
    let desk = Desk::with_directory(Bed::new()).small();
    let bad = "apiVersion: kspot.io/v1alpha1\nkind: InstanceGroup\nmetadata:\n  name: worse\nspec:\n  role: Nod\n  \
               machineTyp: m5.large\n  minSize: three\n  taints: yes\n";
    desk.file("bad.yaml", bad);
    let said = desk.fails(3, "create -f bad.yaml --name c.k8s.local");
    let problems: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("error: the spec is invalid")).collect();
    assert_eq!(problems[0], "error: the spec is invalid: 4 problems", "{said}");
    for (at, what) in [
        ("bad.yaml:6:9: spec.role:", "Node"),
        ("bad.yaml:7:3: spec.machineTyp:", "did you mean machineType"),
        ("bad.yaml:8:12: spec.minSize:", "\"three\" is not a whole number"),
        ("bad.yaml:9:11: spec.taints:", "list"),
    ] {
        assert!(problems.iter().any(|line| line.contains(at) && line.contains(what)), "{at} {what}: {said}");
    }
    desk.file("torn.yaml", "kind: Cluster\n  metadata: [\n");
    let said = desk.fails(3, "apply -f torn.yaml");
    assert!(said.contains("torn.yaml:2:"), "{said}");
    assert_eq!(groups(&desk), ["control-plane", "spot"]);
}

/// What AWS would refuse later is refused now: overlapping ranges, names over a limit, a zone that lacks a type, zones
/// of two regions, an even control plane.
#[test]
fn what_can_not_be_is_refused() {
    let desk = Desk::new().small();
    let network = SMALL.replace(
        "    cidr: 172.20.0.0/16\n",
        "    cidr: 172.20.0.0/16\n  - {name: b, zone: eu-west-1b, type: Public, cidr: 172.20.64.0/18}\n",
    );
    desk.file("overlap.yaml", &network.replace("c.k8s.local", "o.k8s.local"));
    let long = format!("create cluster {}.k8s.local --zones eu-west-1a", "a".repeat(64));
    let group = format!("create ig {} --subnet eu-west-1a", "g".repeat(64));
    for (exit, line, what) in [
        (3, "create -f overlap.yaml", "172.20.64.0/18 overlaps 172.20.0.0/16"),
        (3, long.as_str(), "metadata.name"),
        (3, group.as_str(), "at most 63"),
        (3, "create cluster e.k8s.local --zones eu-west-1a,eu-central-1a", "eu-west-1"),
        (2, "create cluster e.k8s.local --zones eu-west-1a --control-plane-count 2", "an odd --control-plane-count"),
        (
            1,
            "create cluster e.k8s.local --zones eu-west-1a --node-size m9.large",
            "does not offer instance type m9.large",
        ),
        (1, "create ig spot --subnet eu-west-1a", "has an instance group spot already"),
        (1, "create -f small.yaml", "cluster c.k8s.local already exists in s3://kspot-"),
        (1, "get cluster c.k8s.locl", "did you mean c.k8s.local?"),
        (1, "update cluster c.k8s.locl", "did you mean c.k8s.local?"),
        (2, "set ig spot spec.maxSiz=3", "did you mean spec.maxSize"),
        (1, "instance-types --vcpus 777", "the filters together are too narrow"),
        (1, "toolbox instance-selector n --vcpus 2 --memory 999GB", "hint: without --memory"),
    ] {
        let said = desk.fails(exit, line);
        assert!(said.contains(what), "{line}: {said}");
    }
    assert_eq!(desk.ok("get clusters -o name").stdout, "c.k8s.local\n");
    assert_eq!(groups(&desk), ["control-plane", "spot"]);
}

/// A type that a zone lacks stops the update before anything is made, and the error lists the zones that have it.
#[test]
fn a_type_that_a_zone_lacks_is_told_before_anything_is_made() {
    let desk = Desk::new().small();
    let zones = desk.ok("instance-types --availability-zones eu-west-1a --cpu-architecture amd64 --hypervisor nitro --max-results 0 -o names").stdout;
    let everywhere = desk
        .ok("instance-types --region eu-west-1 --cpu-architecture amd64 --hypervisor nitro --max-results 0 -o names")
        .stdout;
    let lacking = everywhere.lines().find(|name| !zones.lines().any(|z| z == *name)).expect("the zones differ");
    desk.ok(&format!("set ig spot spec.machineType={lacking} spec.mixedInstancesPolicy.instances={lacking}"));
    let said = desk.fails(1, "update cluster --yes");
    assert!(
        said.contains(&format!("group spot: eu-west-1a does not offer {lacking}; it is offered in eu-west-1")),
        "{said}"
    );
    assert_eq!(desk.bed.inventory().kinds.keys().collect::<Vec<_>>(), ["s3/bucket"]);
}

fn with_editor(script: &str) -> Desk {
    let desk = Desk::with_directory(Bed::new()).small().env("EDITOR", "sh editor.sh");
    desk.file("editor.sh", script);
    desk
}

fn groups(desk: &Desk) -> Vec<String> {
    desk.ok("get ig -o name").stdout.lines().map(str::to_owned).collect()
}
