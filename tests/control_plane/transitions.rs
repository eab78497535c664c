//! What users do over time: sequences of edits, reverts, deletions and recreations, chosen by a
//! seed. In the end the world is what a fresh apply of the last spec would give. And nobody ever
//! sees Ready for a spec that was not acted on (I10).
#![expect(clippy::print_stdout, reason = "the count is what a run of it tells")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};
use lightsail_operator::api::conditions::{READY, is_true};
use lightsail_operator::api::{LightsailKeyPair, OWNER_TAG};
use serde_json::{Value, json};
use testbed::dice::Dice;

use crate::bed::{Bed, REGION, public_key};

/// How many sequences there are, unless the variable `SEQUENCES` says more; and how many edits each
/// has.
const SEQUENCES: u64 = 60;
const EDITS: usize = 8;

/// A spec that can be acted on. With `Recreate`, another key leads to what a fresh apply would
/// give.
fn valid(dice: &mut Dice, keys: &[String]) -> Value {
    let tags = [json!({}), json!({ "team": "a" }), json!({ "team": "b", "stage": "prod" })];
    let mut spec = json!({
        "type": "Imported", "region": REGION, "tags": dice.one_of(&tags),
        "imported": { "publicKey": dice.one_of(keys), "replacePolicy": "Recreate" },
        "ensure": dice.one_of(&["Present", "Present", "Present", "Absent"]),
    });
    if dice.roll(3) == 0 {
        spec["interval"] = json!("5m");
    }
    spec
}

/// A spec on the way: it may be one that asks for a person, or suspended.
fn on_the_way(dice: &mut Dice, keys: &[String]) -> Value {
    let mut spec = valid(dice, keys);
    match dice.roll(5) {
        0 => spec["imported"]["publicKey"] = json!("ssh-ed25519 AAAA"),
        1 => spec["suspend"] = json!(true),
        2 => spec["deletionPolicy"] = json!("Delete"),
        _ => {}
    }
    spec
}

/// Puts this spec in the place of the old one, as `kubectl replace` does, or creates the object.
async fn put(bed: &Bed, name: &str, spec: &Value) {
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
        "metadata": { "name": name, "namespace": bed.namespace }, "spec": spec,
    });
    let object: LightsailKeyPair = serde_json::from_value(object).unwrap();
    loop {
        let api = bed.api::<LightsailKeyPair>();
        let written = match api.get_opt(name).await.unwrap() {
            Some(old) if old.metadata.deletion_timestamp.is_none() => {
                let mut new = object.clone();
                new.metadata = old.metadata;
                api.replace(name, &kube::api::PostParams::default(), &new).await
            }
            Some(_) => {
                bed.wait_gone::<LightsailKeyPair>(name).await;
                continue;
            }
            None => api.create(&kube::api::PostParams::default(), &object).await,
        };
        match written {
            // The operator wrote the finalizer meanwhile.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => return drop(other.unwrap()),
        }
    }
}

async fn run_sequence(bed: &Bed, seed: u64, keys: &[String]) {
    let mut dice = Dice::new(seed);
    let name = format!("sequence-{seed}");
    // Deleting a suspended object lets its pair stay: what is made anew under its name finds
    // somebody else's pair.
    let mut is_suspended = false;
    for _ in 0..EDITS {
        match dice.roll(6) {
            0 if !is_suspended => {
                let deleted = bed
                    .api::<LightsailKeyPair>()
                    .delete(&name, &kube::api::DeleteParams::default())
                    .await;
                let is_gone =
                    matches!(&deleted, Err(kube::Error::Api(status)) if status.code == 404);
                assert!(deleted.is_ok() || is_gone, "seed {seed}: {deleted:?}");
            }
            _ => {
                let spec = on_the_way(&mut dice, keys);
                put(bed, &name, &spec).await;
                is_suspended = spec["suspend"] == true;
            }
        }
        if dice.roll(2) == 0 {
            // Some edits are seen by the operator before the next, some are not.
            let looked_at = |object: &LightsailKeyPair| {
                object.metadata.deletion_timestamp.is_some()
                    || object.status.as_ref().map(|status| status.observed_generation)
                        == object.metadata.generation
            };
            if bed
                .api::<LightsailKeyPair>()
                .get_opt(&name)
                .await
                .unwrap()
                .is_some_and(|it| it.metadata.deletion_timestamp.is_none())
            {
                bed.wait(&name, &format!("seed {seed}: looked at"), looked_at).await;
            }
        }
    }
    let last = valid(&mut dice, keys);
    put(bed, &name, &last).await;
    let is_absent = last["ensure"] == "Absent";
    bed.wait_ready::<LightsailKeyPair>(&name, if is_absent { "Absent" } else { "Imported" }).await;
    let there = bed.region.find_key_pair(&name);
    if is_absent {
        assert_eq!(there, None, "seed {seed}");
        return;
    }
    assert!(there.is_some(), "seed {seed}");
    let there = there.unwrap();
    assert_eq!(
        there.public_key,
        last["imported"]["publicKey"].as_str().unwrap().trim(),
        "seed {seed}"
    );
    let mut tags: BTreeMap<String, String> = serde_json::from_value(last["tags"].clone()).unwrap();
    tags.insert(OWNER_TAG.to_owned(), format!("test/{}/{name}", bed.namespace));
    let tags: BTreeMap<_, _> = tags.into_iter().map(|(key, value)| (key, Some(value))).collect();
    assert_eq!(there.tags, tags, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_sequence_the_world_is_what_the_last_spec_wants() {
    let bed = Bed::new("transitions").await;
    let _operator = bed.start().await;
    let keys = [public_key("ed25519"), public_key("ed25519"), public_key("rsa")];
    let sequences = std::env::var("SEQUENCES").map_or(SEQUENCES, |text| text.parse().unwrap());
    futures::stream::iter(1..=sequences)
        .for_each_concurrent(20, |seed| run_sequence(&bed, seed, &keys))
        .await;
    println!("{sequences} sequences of {EDITS} edits led to what their last spec wants");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_ready_is_never_seen_for_a_spec_that_was_not_acted_on() {
    const OBJECTS: usize = 200;
    let bed = Bed::new("poller").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    let spec = |tag: &str| {
        json!({ "type": "Imported", "region": REGION,
        "imported": { "publicKey": key }, "tags": { "generation": tag } })
    };
    let mut events = watcher::watcher(bed.api::<LightsailKeyPair>(), watcher::Config::default())
        .applied_objects()
        .boxed();
    let edits = async {
        for index in 0..OBJECTS {
            bed.create::<LightsailKeyPair>(&format!("pair-{index}"), &spec("one")).await;
        }
        for index in 0..OBJECTS {
            put(&bed, &format!("pair-{index}"), &spec("two")).await;
        }
    };
    // Each time somebody could see Ready for a generation, Lightsail must have what that generation
    // wants.
    let watch = async {
        let (mut seen, start) = (BTreeMap::new(), Instant::now());
        while seen.values().filter(|tag| **tag == "two").count() < OBJECTS {
            assert!(start.elapsed() < Duration::from_mins(10), "{} are Ready", seen.len());
            let Ok(event) = tokio::time::timeout(Duration::from_secs(5), events.try_next()).await
            else {
                continue;
            };
            // A watch that is interrupted goes on.
            let Ok(Some(object)) = event else { continue };
            let status = object.status.clone().unwrap_or_default();
            if Some(status.observed_generation) == object.metadata.generation
                && is_true(&status.conditions, READY)
            {
                let wanted = object.spec.tags["generation"].clone();
                let there =
                    bed.region.find_key_pair(&object.name_any()).unwrap().tags["generation"]
                        .clone()
                        .unwrap();
                // A later edit may have gone further already, but never back.
                assert!(
                    there == wanted || there == "two",
                    "{}: Ready for {wanted}, and {there} is there",
                    object.name_any()
                );
                seen.insert(object.name_any(), wanted);
            }
        }
    };
    tokio::join!(edits, watch);
}
