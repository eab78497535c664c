//! Several operators share a cluster by labels, and objects move from one to another.

use std::time::Duration;

use kube::api::PostParams;
use lightsail_operator::api::LightsailKeyPair;
use rustix::process::Signal;
use serde_json::{Value, json};
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, imported, public_key, set, wait_for, wait_metric};
use crate::leader::signal;

/// How the operator of one shard is started.
async fn options(bed: &Bed, shard: &str) -> OperatorOptions {
    let mut options = bed.options(None).await;
    let selector = format!("shard in ({shard}),!paused");
    options.arguments.extend(["--watch-label-selector".to_owned(), selector]);
    options.log.set_file_name(format!("operator-{shard}.log"));
    options
}

async fn start_shard(bed: &Bed, shard: &str) -> Operator {
    Operator::start(options(bed, shard).await).await.unwrap()
}

async fn create_in_shard(bed: &Bed, name: &str, shard: &str, spec: &Value) {
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
        "metadata": { "name": name, "labels": { "shard": shard } }, "spec": spec,
    });
    let object = serde_json::from_value(object).unwrap();
    bed.api::<LightsailKeyPair>().create(&PostParams::default(), &object).await.unwrap();
}

async fn move_to(bed: &Bed, name: &str, shard: &str) -> LightsailKeyPair {
    bed.patch(name, &json!({ "metadata": { "labels": { "shard": shard } } })).await
}

/// The operator watches this many objects that are Ready.
fn imported_objects(count: usize) -> String {
    format!(r#"objects{{kind="LightsailKeyPair",ready="true",reason="Imported"}} {count}"#)
}

fn reconciled(outcome: &str) -> String {
    format!(r#"reconciles_total{{kind="LightsailKeyPair",outcome="{outcome}"}} 1"#)
}

/// A Ready object changes its operator: neither writes anything because of that, and from then on
/// the new one alone acts for it, up to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_moves_without_a_write() {
    let bed = Bed::new("move").await;
    let (old, new) = (start_shard(&bed, "a").await, start_shard(&bed, "b").await);
    create_in_shard(&bed, "fleet", "a", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let changes = bed.changes();

    let moved = move_to(&bed, "fleet", "b").await;
    wait_metric(&new, &reconciled("Unchanged")).await;
    wait_metric(&old, &imported_objects(0)).await;
    let after: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
    assert_eq!(after.metadata.resource_version, moved.metadata.resource_version);
    assert_eq!(bed.changes(), changes);

    // The new one acts for it, and the old one does not.
    let edit = json!({ "spec": { "tags": { "team": "b" } } });
    bed.patch::<LightsailKeyPair>("fleet", &edit).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().tags["team"].as_deref(), Some("b"));
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_none());
    let made = ["TagResource", "DeleteKeyPair"].map(|operation| bed.calls(operation));
    assert_eq!(made, [2, 1], "the owner tag and the edit; one deletion");
}

/// An object changes its operator while the old one waits for the answer to its import. The new one
/// goes on from the import intent: there is one import, and one pair, with its tag.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_moves_while_its_import_is_under_way() {
    let bed = Bed::new("move-early").await;
    let old = start_shard(&bed, "a").await;
    let held = bed.region.add_fault(Fault::new("ImportKeyPair", FaultEffect::HoldAfter).times(1));
    create_in_shard(&bed, "fleet", "a", &imported(&public_key("ed25519"))).await;
    held.reached().await;
    move_to(&bed, "fleet", "b").await;
    let _new = start_shard(&bed, "b").await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    held.release();
    // It cannot write what it learns, and the object is not its own any more.
    wait_metric(&old, &reconciled("Conflict")).await;

    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let pair = bed.region.find_key_pair("fleet").unwrap();
    let owner = format!("test/{}/fleet", bed.namespace);
    assert_eq!(pair.tags["lightsail-operator.dev/owner"].as_deref(), Some(&*owner));
    let made = ["ImportKeyPair", "DeleteKeyPair", "UntagResource"].map(|it| bed.calls(it));
    assert_eq!(made, [1, 0, 0]);
}

/// Objects change their operator while they wait for the list that shows what their imports made.
/// The new one finds the pairs by the intents: nothing is imported or tagged again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_move_while_they_wait_for_a_list() {
    let bed = Bed::new("move-crowd").await;
    let names: Vec<_> = (0..12).map(|number| format!("pair-{number}")).collect();
    for name in &names {
        create_in_shard(&bed, name, "a", &imported(&public_key("ed25519"))).await;
    }
    // The first list is read before they are imported.
    let hold = Fault::new("GetKeyPairs", FaultEffect::HoldBefore).times(2).after(1);
    let list = bed.region.add_fault(hold);
    let _old = start_shard(&bed, "a").await;
    list.reached().await;
    for name in &names {
        move_to(&bed, name, "b").await;
    }
    let _new = start_shard(&bed, "b").await;
    list.remove();
    let owner = |name: &str| Some(format!("test/{}/{name}", bed.namespace));
    for name in &names {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        let pair = bed.region.find_key_pair(name).unwrap();
        assert_eq!(pair.tags["lightsail-operator.dev/owner"], owner(name));
    }
    let made = ["ImportKeyPair", "TagResource", "UntagResource", "DeleteKeyPair"];
    assert_eq!(made.map(|operation| bed.calls(operation)), [12, 12, 0, 0]);
}

/// An object changes its operator before its import takes effect, and is deleted. The new operator
/// waits for the pair, though it began to lead long ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_moves_and_is_deleted_before_its_import_takes_effect() {
    let bed = Bed::new("move-late").await;
    let start = async |shard| {
        let mut options = options(&bed, shard).await;
        set(&mut options, "--aws-call-timeout", "1s");
        Operator::start(options).await.unwrap()
    };
    let (mut old, _new) = (start("a").await, start("b").await);
    create_in_shard(&bed, "first", "b", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("first", "Imported").await;

    // Later than an operator waits that has just begun to lead, counted from when this one did.
    let late = FaultEffect::Late(Duration::from_millis(3900));
    let sent = bed.region.add_fault(Fault::new("ImportKeyPair", late).times(1));
    create_in_shard(&bed, "fleet", "a", &imported(&public_key("ed25519"))).await;
    sent.reached().await;
    // Nobody hears the answer.
    old.kill();
    move_to(&bed, "fleet", "b").await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    let takes_effect = async || bed.region.find_key_pair("fleet").is_some();
    wait_for("the import takes effect", takes_effect).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 1);
    assert!(bed.region.find_key_pair("fleet").is_none());
}

/// An object changes its operator and is released there, before the old operator sees any of that.
/// To the old one it is an object that vanished despite its finalizer; it leaves the pair alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_slept_does_not_follow_up_what_moved() {
    let bed = Bed::new("move-asleep").await;
    let (old, _new) = (start_shard(&bed, "a").await, start_shard(&bed, "b").await);
    let spec = imported(&public_key("ed25519"));
    create_in_shard(&bed, "fleet", "a", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;

    signal(&old, Signal::STOP);
    move_to(&bed, "fleet", "b").await;
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    bed.patch::<LightsailKeyPair>("fleet", &retain).await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    signal(&old, Signal::CONT);

    // What it would do for the first one comes before what it does for this one.
    create_in_shard(&bed, "second", "a", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("second", "Imported").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
    assert!(bed.region.find_key_pair("fleet").is_some());
}

/// An operator acts for the objects that its selector matches, and for no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_selector_divides_the_objects() {
    let bed = Bed::new("selector").await;
    let operator = start_shard(&bed, "a").await;
    let spec = imported(&public_key("ed25519"));
    // The other one is first: when the second is Ready, there was time for the first.
    create_in_shard(&bed, "theirs", "b", &spec).await;
    create_in_shard(&bed, "mine", "a", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("mine", "Imported").await;
    let theirs: LightsailKeyPair = bed.api().get("theirs").await.unwrap();
    assert_eq!((theirs.status.unwrap().observed_generation, bed.calls("ImportKeyPair")), (-1, 1));
    // It comes into this shard when its label changes.
    move_to(&bed, "theirs", "a").await;
    bed.wait_ready::<LightsailKeyPair>("theirs", "Imported").await;
    // It leaves, and is this operator's no more, though it is there and has a pair.
    wait_metric(&operator, &imported_objects(2)).await;
    move_to(&bed, "theirs", "b").await;
    wait_metric(&operator, &imported_objects(1)).await;
    assert_eq!(bed.region.key_pairs().len(), 2);
}
