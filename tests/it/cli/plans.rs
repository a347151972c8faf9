//! Plans: looked at, saved, applied exactly, limited to groups, and compared with what others did on AWS.

use serde_json::{Value, json};

use super::{Desk, SMALL};

/// A saved plan is applied exactly: what was planned is made, and nothing is left to change.
#[test]
fn a_saved_plan_is_what_is_made() {
    let desk = Desk::new().small();
    let told = desk.ok("update cluster --out plan.json").stderr;
    assert!(told.contains("next: kspot update cluster c.k8s.local --plan plan.json --yes"), "{told}");
    let saved = read(&desk, "plan.json");
    let creates = saved["changes"].as_array().unwrap().len();
    let done = desk.ok("update cluster --plan plan.json --yes").stderr;
    assert!(done.contains(&format!(": {creates} created.")), "{done}");
    desk.settled();
}

/// A saved plan whose specs have moved is refused with exit 5, with and without --yes, and nothing is made.
#[test]
fn a_plan_of_older_specs_is_refused() {
    let desk = Desk::new().small();
    desk.ok("update cluster --out plan.json");
    desk.ok("set ig spot spec.maxSize=5");
    let said = desk.fails(5, "update cluster --plan plan.json --yes");
    assert!(said.contains("error: the saved plan for cluster c.k8s.local is out of date"), "{said}");
    assert!(said.contains("it is for revision 1 of the specs, the head is 2"), "{said}");
    assert!(desk.fails(5, "update cluster --plan plan.json").contains("the head is 2"));
    assert_eq!(desk.bed.inventory().kinds.keys().collect::<Vec<_>>(), ["s3/bucket"]);
}

/// A saved plan is refused with exit 5 when AWS has moved, and the error names what has.
#[tokio::test]
async fn a_plan_of_older_observations_is_refused() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    desk.ok("set ig spot spec.maxSize=5");
    desk.ok("update cluster --out plan.json");
    resize(&desk, 4).await;
    let said = desk.fails(5, "update cluster --plan plan.json --yes");
    assert!(said.contains("auto-scaling-group/spot.c.k8s.local has moved since it was saved"), "{said}");
    resize(&desk, 3).await;
    desk.ok("update cluster --plan plan.json --yes");
    desk.settled();
}

/// A plan that was applied already is out of date.
#[test]
fn a_plan_is_applied_once() {
    let desk = Desk::new().small();
    desk.ok("update cluster --out plan.json");
    desk.ok("update cluster --plan plan.json --yes");
    let said = desk.fails(5, "update cluster --plan plan.json --yes");
    assert!(said.contains("out of date"), "{said}");
}

/// A plan for another cluster is refused, and the error says whose it is.
#[test]
fn a_plan_of_another_cluster_is_refused() {
    let desk = Desk::new().small();
    desk.ok("update cluster --out plan.json");
    desk.file("other.yaml", &SMALL.replace("c.k8s.local", "d.k8s.local"));
    desk.ok("create -f other.yaml");
    let said = desk.fails(5, "update cluster d.k8s.local --plan plan.json --yes");
    assert!(said.contains("it is for cluster c.k8s.local in account"), "{said}");
    assert_eq!(desk.bed.inventory().kinds.keys().collect::<Vec<_>>(), ["s3/bucket"]);
}

/// What is not a saved plan, or one of another format, is refused by name.
#[test]
fn what_is_no_plan_is_refused() {
    let desk = Desk::new().small();
    desk.file("torn.json", "{\"formatVersion\": \"1.0\"");
    assert!(desk.fails(1, "update cluster --plan torn.json --yes").contains("error: torn.json is not a saved plan"));
    assert!(desk.fails(1, "update cluster --plan none.json --yes").contains("error: can't read the plan none.json"));
    desk.ok("update cluster --out plan.json");
    let mut plan = read(&desk, "plan.json");
    plan["formatVersion"] = json!("2.0");
    desk.file("newer.json", &plan.to_string());
    assert!(
        desk.fails(1, "update cluster --plan newer.json --yes").contains("error: the plan newer.json has format 2.0")
    );
}

/// In a pipeline: exit 2 while there are changes, 0 when there are none; JSON is one document, the same that --out
/// saves, and stdout carries nothing else.
#[test]
fn a_pipeline_reads_plans() {
    let desk = Desk::new().small();
    let planned = desk.run("update cluster --detailed-exitcode -o json").expect(2);
    let mut plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert!(plan.as_object_mut().unwrap().shift_remove("cost").is_some(), "prices are shown, and not saved");
    assert_eq!((&plan["formatVersion"], &plan["cluster"]), (&json!("1.0"), &json!("c.k8s.local")));
    desk.run("update cluster --detailed-exitcode --out plan.json").expect(2);
    assert_eq!(read(&desk, "plan.json"), plan);
    desk.ok("update cluster --yes -o json");
    let empty: Value = serde_json::from_str(&desk.ok("update cluster --detailed-exitcode -o json").stdout).unwrap();
    assert_eq!(empty["changes"], json!([]));
    desk.settled();
}

/// --group limits plan and apply to what belongs to the group; the rest is counted, and made by the next whole update.
#[test]
fn a_group_is_updated_alone() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    desk.ok("set ig * spec.nodeLabels.team=a");
    let whole = desk.json("update cluster");
    let addresses = |plan: &Value| -> Vec<String> {
        plan["changes"].as_array().unwrap().iter().map(|c| c["address"].as_str().unwrap().to_owned()).collect()
    };
    let limited = desk.json("update cluster --group spot");
    let (all, some) = (addresses(&whole), addresses(&limited));
    assert!(!some.is_empty() && some.iter().all(|a| a.contains("spot") && all.contains(a)), "{some:?} of {all:?}");
    let said = desk.ok("update cluster --group spot --yes").stderr;
    assert!(said.contains(&format!("{} more changes are left out by --group", all.len() - some.len())), "{said}");
    let rest = addresses(&desk.json("update cluster"));
    assert!(!rest.is_empty() && rest.iter().all(|a| a.contains("control-plane")), "{rest:?}");
    let said = desk.fails(1, "update cluster --group spott");
    assert!(said.contains("hint: did you mean spot?"), "{said}");
    desk.ok("update cluster --yes");
    desk.settled();
}

/// Drift is what somebody changed on AWS since the last update; edits of specs are none. The next update takes it back.
#[tokio::test]
async fn drift_is_what_others_did_on_aws() {
    let desk = Desk::new().small();
    let said = desk.fails(1, "drift");
    assert!(said.contains("was never applied"), "{said}");
    desk.ok("update cluster --yes");
    desk.ok("set ig spot spec.maxSize=9");
    desk.ok("drift --detailed-exitcode");
    desk.ok("rollback 1");
    resize(&desk, 4).await;
    let found = desk.run("drift --detailed-exitcode").expect(2).stdout;
    assert!(found.contains("~ auto-scaling-group/spot.c.k8s.local") && found.contains("max: 4 -> 3"), "{found}");
    assert_eq!(desk.json("drift")["changes"].as_array().unwrap().len(), 1);
    desk.ok("drift");
    desk.ok("update cluster --yes");
    desk.ok("drift --detailed-exitcode");
}

/// A thing that somebody deleted on AWS is made again, and nothing else is touched.
#[tokio::test]
async fn what_was_deleted_by_hand_comes_back() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let events = aws_sdk_autoscaling::Client::new(&desk.bed.sdk_config().await);
    events
        .delete_auto_scaling_group()
        .auto_scaling_group_name("spot.c.k8s.local")
        .force_delete(true)
        .send()
        .await
        .unwrap();
    let plan = desk.json("update cluster");
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(plan["changes"][0]["address"], "auto-scaling-group/spot.c.k8s.local");
    desk.ok("update cluster --yes");
    desk.settled();
}

/// An object edited in the bucket is used as it is, said, shown by diff, recorded by the next change, and taken back by
/// a rollback.
#[tokio::test]
async fn an_edit_in_the_bucket_is_history() {
    let desk = Desk::new().small();
    let edited = desk.ok("get ig spot -o yaml").stdout.replace("maxSize: 3", "maxSize: 4");
    let config = aws_sdk_s3::config::Builder::from(&desk.bed.sdk_config().await).force_path_style(true).build();
    let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket(desk.store.trim_start_matches("s3://"));
    put.key("c.k8s.local/instancegroup/spot").body(edited.into_bytes().into()).send().await.unwrap();
    let said = desk.ok("update cluster").stderr;
    assert!(said.contains("instancegroup/spot was edited without kspot; the edit is part of this plan"), "{said}");
    let shown = desk.ok("diff").stdout;
    assert!(shown.contains("\n-  maxSize: 3\n+  maxSize: 4"), "{shown}");
    let said = desk.ok("set cluster spec.nodeTerminationHandler.enabled=true").stderr;
    assert!(said.contains("recorded as revision 2: edits made without kspot"), "{said}");
    let history = desk.json("history");
    let who: Vec<&str> = history["items"].as_array().unwrap().iter().map(|r| r["who"].as_str().unwrap()).collect();
    assert!(who[0].starts_with("ann@") && who[1] == "outside edit" && who[2].starts_with("ann@"), "{who:?}");
    let of_group = desk.json("history ig spot");
    assert_eq!(of_group["items"].as_array().unwrap().len(), 2, "{of_group}");
    let said = desk.ok("rollback 1").stderr;
    assert!(said.contains("revision 4 has the specs of revision 1"), "{said}");
    assert_eq!(desk.ok("diff --from 1 --to 4").stdout, "");
    assert!(desk.ok("get ig spot -o yaml").stdout.contains("maxSize: 3"));
    assert!(desk.fails(1, "rollback 9").contains("revision 9"));
}

/// Sets the spot group's largest size behind kspot's back.
async fn resize(desk: &Desk, max: i32) {
    let client = aws_sdk_autoscaling::Client::new(&desk.bed.sdk_config().await);
    let update = client.update_auto_scaling_group().auto_scaling_group_name("spot.c.k8s.local").max_size(max);
    update.send().await.unwrap();
}

fn read(desk: &Desk, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(desk.kspot.home().join(file)).unwrap()).unwrap()
}
