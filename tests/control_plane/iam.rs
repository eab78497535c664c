//! The operator under the policies of `docs/iam`, and nothing else: each feature works with its
//! files, and taking any one action out of a file makes its scenario end with a denial that names
//! this action. What the conditions are for is in `tests/offline/iam.rs`.
//!
//! Each run has its own namespace, Lightsail and operator.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lightsail_operator::api::conditions::{COMPLETE, STALLED, find, is_true};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair, OWNER_TAG, Reconciled};
use serde_json::{Value, json};

use crate::bed::{
    ACCOUNT, Bed, Namespaced, REGION, default_pair, imported, is_ready, public_key, ready_reason,
    reset,
};
use crate::iam_files::{actions, document, statements};

/// How many runs of a scenario go on at the same time: their operators share the machine with other
/// tests.
const AT_ONCE: usize = 4;
const PROTECTED: &str = "lightsail-operator.dev/protected";

/// An action that is taken out: of which statement, and which.
type Removed<'a> = Option<(&'a str, &'a str)>;

/// The statements of these files without that action.
fn without(files: &[&str], default_key_pair: &str, removed: Removed<'_>) -> Vec<Value> {
    let mut all: Vec<Value> =
        files.iter().flat_map(|file| statements(file, default_key_pair)).collect();
    if let Some((sid, action)) = removed {
        for statement in all.iter_mut().filter(|statement| statement["Sid"] == sid) {
            let left: Vec<String> =
                actions(statement).into_iter().filter(|other| other != action).collect();
            statement["Action"] = json!(left);
        }
        all.retain(|statement| statement["Action"] != json!([]));
    }
    all
}

/// Every action of a file with the name of its statement.
fn all_actions(file: &str) -> Vec<(String, String)> {
    let of = |statement: &Value| {
        let sid = statement["Sid"].as_str().unwrap().to_owned();
        actions(statement).into_iter().map(move |action| (sid.clone(), action)).collect::<Vec<_>>()
    };
    statements(file, "any").iter().flat_map(of).collect()
}

/// Why an object is denied something, in the operator's words.
fn denial<K: Reconciled>(object: &K) -> Option<String> {
    let stalled = find(object.conditions(), STALLED)?;
    (stalled.status == "True" && stalled.reason == "AccessDenied").then(|| stalled.message.clone())
}

/// Waits until the object is as wanted, or something is denied: then it fails with the object's
/// message.
async fn reach<K: Namespaced>(
    bed: &Bed,
    name: &str,
    what: &str,
    is_so: impl Fn(&K) -> bool,
) -> Result<(), String> {
    let object: K = bed.wait(name, what, |object| is_so(object) || denial(object).is_some()).await;
    denial(&object).map_or(Ok(()), Err)
}

async fn reach_ready(bed: &Bed, name: &str, reason: &str) -> Result<(), String> {
    reach(bed, name, reason, |object: &LightsailKeyPair| is_ready(object, reason)).await
}

async fn delete(bed: &Bed, name: &str) -> Result<(), String> {
    bed.delete::<LightsailKeyPair>(name).await;
    let start = Instant::now();
    while let Some(object) = bed.api::<LightsailKeyPair>().get_opt(name).await.unwrap() {
        denial(&object).map_or(Ok(()), Err)?;
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{name} neither goes away nor is denied anything"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn set_spec(bed: &Bed, name: &str, spec: Value) {
    bed.patch::<LightsailKeyPair>(name, &json!({ "spec": spec })).await;
}

/// Runs a scenario under the policies in these files, and again without each action of the first of
/// them. `setting` makes what is there before the operator starts, and returns the id of the
/// default key pair.
async fn works_and_needs_every_action(
    files: &[&str],
    setting: impl Fn(&Bed) -> String,
    scenario: impl AsyncFn(&Bed) -> Result<(), String>,
) {
    let removed = all_actions(files[0]);
    let runs = removed.iter().map(|(sid, action)| (Some((sid.as_str(), action.as_str())), true));
    // Whether AWS says first that something is not there or that it is denied is not known, and
    // makes no difference.
    let runs = [(None, true), (None, false)].into_iter().chain(runs);
    let run = async |(removed, not_found_first): (Removed<'_>, bool)| {
        let bed = Bed::new("iam").await;
        bed.simulator.set_switches(|switches| switches.not_found_before_denied = not_found_first);
        let default_key_pair = setting(&bed);
        let policy = document(&without(files, &default_key_pair, removed));
        bed.simulator.set_policy(ACCOUNT, Some(&policy)).unwrap();
        let _operator = bed.start().await;
        let outcome = scenario(&bed).await;
        match removed {
            None => assert_eq!(outcome, Ok(()), "{files:?}"),
            Some((sid, action)) => {
                let message =
                    outcome.expect_err(&format!("{files:?}: {action} of {sid} is not needed"));
                assert!(
                    message.contains(&format!("{action} ")),
                    "{files:?} without {action} of {sid}: {message}"
                );
            }
        }
    };
    futures::stream::iter(runs).for_each_concurrent(AT_ONCE, run).await;
}

fn owner_of(bed: &Bed, name: &str) -> Option<String> {
    bed.region.find_key_pair(name).unwrap().tags.get(OWNER_TAG).cloned().flatten()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_pairs_work_under_their_policy_and_need_every_action_of_it() {
    let keys = [public_key("ed25519"), public_key("ed25519")];
    let setting = |bed: &Bed| {
        bed.region.import_key_pair("adopted", keys[0].trim());
        String::new()
    };
    let scenario = async |bed: &Bed| {
        let mut spec = imported(&keys[0]);
        spec["tags"] = json!({ "team": "a" });
        spec["imported"]["replacePolicy"] = json!("Recreate");
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
        bed.create::<LightsailKeyPair>("adopted", &imported(&keys[0])).await;
        bed.create::<LightsailKeyPair>("build", &json!({ "type": "Generated", "region": REGION }))
            .await;
        for (name, reason) in
            [("fleet", "Imported"), ("adopted", "Adopted"), ("build", "Generated")]
        {
            reach_ready(bed, name, reason).await?;
            assert_eq!(owner_of(bed, name), Some(format!("test/{}/{name}", bed.namespace)));
        }
        for team in [json!("b"), Value::Null] {
            set_spec(bed, "fleet", json!({ "tags": { "team": team } })).await;
            reach_ready(bed, "fleet", "Imported").await?;
            let tag =
                bed.region.find_key_pair("fleet").unwrap().tags.get("team").cloned().flatten();
            assert_eq!(json!(tag), team);
        }
        set_spec(bed, "fleet", json!({ "imported": { "publicKey": keys[1] } })).await;
        reach_ready(bed, "fleet", "Imported").await?;
        assert_eq!(bed.region.find_key_pair("fleet").unwrap().public_key, keys[1].trim());
        for name in ["fleet", "adopted", "build"] {
            delete(bed, name).await?;
        }
        let left: Vec<String> = bed.region.key_pairs().into_iter().map(|pair| pair.name).collect();
        assert_eq!(left, ["adopted"]);
        assert_eq!(owner_of(bed, "adopted"), None, "released");
        Ok(())
    };
    works_and_needs_every_action(&["key-pairs.json"], setting, scenario).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_pair_of_another_cluster_is_taken_over_under_its_policy_only() {
    let key = public_key("ed25519");
    let setting = |bed: &Bed| {
        bed.region.import_key_pair("fleet", key.trim());
        bed.region.set_tags("fleet", &[(OWNER_TAG, Some("old/team-a/fleet"))]);
        String::new()
    };
    let scenario = async |bed: &Bed| {
        let mut spec = imported(&key);
        spec["adoptionPolicy"] = json!("TakeOver");
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
        reach_ready(bed, "fleet", "Adopted").await?;
        assert_eq!(owner_of(bed, "fleet"), Some(format!("test/{}/fleet", bed.namespace)));
        Ok(())
    };
    works_and_needs_every_action(&["key-pair-take-over.json", "key-pairs.json"], setting, scenario)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn default_key_pairs_work_under_their_policy_and_need_every_action_of_it() {
    let scenario = async |bed: &Bed| {
        let mut spec = default_pair();
        spec["tags"] = json!({ "team": "a" });
        bed.create::<LightsailKeyPair>("default", &spec).await;
        reach(bed, "default", "missing", |it: &LightsailKeyPair| {
            ready_reason(it) == "DefaultKeyPairMissing"
        })
        .await?;
        set_spec(bed, "default", json!({ "default": { "createIfMissing": true } })).await;
        reach_ready(bed, "default", "Downloaded").await?;
        let tags = || bed.region.find_default_key_pair().unwrap().tags;
        assert_eq!(tags()["team"].as_deref(), Some("a"));
        set_spec(bed, "default", json!({ "tags": { "team": null } })).await;
        reach_ready(bed, "default", "Downloaded").await?;
        assert!(tags().is_empty());
        delete(bed, "default").await?;
        assert!(bed.region.find_default_key_pair().is_some());
        Ok(())
    };
    works_and_needs_every_action(&["default-key-pairs.json"], |_| String::new(), scenario).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_key_pair_is_deleted_under_its_policy_and_every_action_is_needed() {
    let setting =
        |bed: &Bed| bed.region.create_default_key_pair().arn.rsplit('/').next().unwrap().to_owned();
    let scenario = async |bed: &Bed| {
        let mut spec = default_pair();
        spec["ensure"] = json!("Absent");
        spec["expectedFingerprint"] =
            json!(bed.region.find_default_key_pair().unwrap().fingerprint);
        bed.create::<LightsailKeyPair>("default", &spec).await;
        reach_ready(bed, "default", "Absent").await?;
        assert_eq!(bed.region.find_default_key_pair(), None);
        Ok(())
    };
    let files = ["default-key-pair-deletion.json", "default-key-pairs.json"];
    works_and_needs_every_action(&files, setting, scenario).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_key_resets_work_under_their_policy_and_need_every_action_of_it() {
    let setting = |bed: &Bed| {
        bed.region.add_instance("web-1");
        bed.region
            .set_tags("web-1", &[("lightsail-operator.dev/host-key-resets", Some("allowed"))]);
        // The operation is not over immediately, and has to be followed.
        bed.region.set_switches(|switches| switches.operation_polls = 2);
        String::new()
    };
    let scenario = async |bed: &Bed| {
        bed.create::<HostKeyReset>("first", &reset()).await;
        reach(bed, "first", "Complete", |reset: &HostKeyReset| {
            is_true(reset.conditions(), COMPLETE)
        })
        .await?;
        assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
        Ok(())
    };
    works_and_needs_every_action(&["host-key-resets.json"], setting, scenario).await;
}

/// The other way round: this file denies, and what is taken out of it is possible again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protected_key_pairs_are_left_alone_and_every_action_of_that_policy_is_needed() {
    const FILES: [&str; 2] = ["protected.json", "key-pairs.json"];
    let denied = async |removed: Removed<'_>| {
        let bed = Bed::new("iam").await;
        bed.simulator.set_policy(ACCOUNT, Some(&document(&without(&FILES, "", removed)))).unwrap();
        let _operator = bed.start().await;
        let mut spec = imported(&public_key("ed25519"));
        spec["tags"] = json!({ "team": "a" });
        for name in ["deleted", "tagged", "untagged"] {
            bed.create::<LightsailKeyPair>(name, &spec).await;
            bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
            let owner = format!("test/{}/{name}", bed.namespace);
            bed.region.set_tags(
                name,
                &[(OWNER_TAG, Some(&owner)), ("team", Some("a")), (PROTECTED, Some("true"))],
            );
        }
        set_spec(&bed, "tagged", json!({ "tags": { "team": "b" } })).await;
        set_spec(&bed, "untagged", json!({ "tags": { "team": null } })).await;
        let outcomes = [
            ("lightsail:DeleteKeyPair", delete(&bed, "deleted").await),
            ("lightsail:TagResource", reach_ready(&bed, "tagged", "Imported").await),
            ("lightsail:UntagResource", reach_ready(&bed, "untagged", "Imported").await),
        ];
        let is_denied = |(action, outcome): (&str, Result<(), String>)| {
            outcome.is_err_and(|message| message.contains(action)).then(|| action.to_owned())
        };
        outcomes.into_iter().filter_map(is_denied).collect::<BTreeSet<String>>()
    };
    let protected = all_actions(FILES[0]);
    let all: BTreeSet<String> = protected.iter().map(|(_, action)| action.clone()).collect();
    assert_eq!(denied(None).await, all);
    let check = async |(sid, action): &(String, String)| {
        let mut rest = all.clone();
        rest.remove(action);
        assert_eq!(denied(Some((sid, action))).await, rest, "without {action}");
    };
    futures::stream::iter(&protected).for_each_concurrent(AT_ONCE, check).await;
}

/// An import that was never followed by its tag: by the policy nobody may delete it, and there is a
/// way out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_pair_without_its_tag_is_not_deleted_and_its_object_can_be_let_go() {
    let bed = Bed::new("iam").await;
    let untagged = without(
        &["key-pairs.json"],
        "",
        Some(("ClaimKeyPairsWithoutOwner", "lightsail:TagResource")),
    );
    bed.simulator.set_policy(ACCOUNT, Some(&document(&untagged))).unwrap();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "AccessDenied").await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    let is_denied = |object: &LightsailKeyPair| {
        denial(object).is_some_and(|it| it.contains("lightsail:DeleteKeyPair "))
    };
    bed.wait("fleet", "denied the deletion", is_denied).await;
    set_spec(&bed, "fleet", json!({ "deletionPolicy": "Retain" })).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_some());
}

/// A policy that is corrected needs nobody to say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_heals_by_itself_when_the_policy_is_attached() {
    let bed = Bed::new("iam").await;
    let nothing = json!({ "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*" });
    bed.simulator.set_policy(ACCOUNT, Some(&document(&[nothing]))).unwrap();
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("fleet", "AccessDenied").await;
    assert!(message.contains("lightsail:GetKeyPairs"), "{message}");
    // Whoever reaches the probes does not read which role the operator has.
    let (_, report) = operator.get("/readyz").await.unwrap();
    assert!(report.contains("AccessDenied") && !report.contains("arn:"), "{report}");
    bed.simulator.set_policy(ACCOUNT, Some(&document(&statements("key-pairs.json", "")))).unwrap();
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}
