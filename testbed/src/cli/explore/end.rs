//! How a run ends: objects, key pairs, tags, the keys in Secrets, and what took effect; without
//! times, ids and names that differ from run to run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use testbed::simulator::{KeyPair, KeyPairChange, Request};

use super::keys::bare;
use super::object::{is_observed, key_of, reason};
use super::scenario::Scenario;
use super::stage::{OWNER_TAG, Stage};

/// A part of the end by its name, as in `LightsailKeyPair/fleet` or `key pair fleet`.
pub(super) type End = BTreeMap<String, Value>;

/// What took effect in Lightsail.
const EFFECTS: &str = "effects";

/// The end as it is now.
pub(super) async fn observe(stage: &Stage) -> Result<End> {
    let (objects, secrets) = (stage.all_objects().await?, stage.all_secrets().await?);
    let pairs = stage.region.key_pairs();
    let mut end = End::new();
    for (name, object) in &objects {
        end.insert(name.clone(), object_end(object, &pairs));
    }
    for pair in &pairs {
        let tags = json!(pair.tags).to_string().replace(&stage.namespace, "-");
        let tags: Value = serde_json::from_str(&tags)?;
        let key = bare(&pair.public_key);
        let key = key_name(stage, key.as_deref()).unwrap_or("another key");
        let value = json!({ "key": key, "tags": tags });
        end.insert(format!("key pair {}", pair.name), value);
    }
    for (name, secret) in &secrets {
        end.insert(format!("Secret {}", unhashed(name)), secret_end(stage, secret, &pairs));
    }
    end.insert(EFFECTS.to_owned(), effects(stage));
    Ok(end)
}

/// As if no pair had an owner tag.
pub(super) fn forget_owner_tags(end: &mut End) {
    for pair in end.values_mut() {
        if let Some(tags) = pair.get_mut("tags").and_then(Value::as_object_mut) {
            tags.remove(OWNER_TAG);
        }
    }
}

/// A copy of an old key has a part of its hash in its name.
fn unhashed(name: &str) -> String {
    let is_hash = |part: &str| part.len() >= 8 && part.chars().all(|it| it.is_ascii_hexdigit());
    match name.rsplit_once('-') {
        Some((start, hash)) if is_hash(hash) => format!("{start}-*"),
        _ => name.to_owned(),
    }
}

fn object_end(object: &Value, pairs: &[KeyPair]) -> Value {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let conditions: BTreeMap<_, _> = conditions
        .iter()
        .map(|it| {
            let text = |member: &str| it[member].as_str().unwrap_or_default().to_owned();
            (text("type"), format!("{} {}", text("status"), text("reason")))
        })
        .collect();
    let arn = status["arn"].as_str();
    let arn = arn.map(|arn| match pairs.iter().find(|pair| pair.arn == arn) {
        Some(pair) => pair.name.clone(),
        None => "of no key pair".to_owned(),
    });
    let fingerprint = status["fingerprint"].as_str();
    let fingerprint =
        fingerprint.map(|text| match pairs.iter().find(|it| it.fingerprint == text) {
            Some(pair) => pair.name.clone(),
            None => "of no key pair".to_owned(),
        });
    let mark = object["metadata"]["annotations"]["lightsail-operator.dev/executed"].as_str();
    let operations = status["operations"].as_array().map_or(&[][..], Vec::as_slice);
    let operations: Vec<_> = operations.iter().map(|operation| &operation["status"]).collect();
    json!({
        "conditions": conditions,
        "observed": is_observed(object),
        "finalizers": object["metadata"]["finalizers"],
        "deleting": object["metadata"]["deletionTimestamp"].is_string(),
        "arn": arn,
        "fingerprint": fingerprint,
        "origin": status["origin"],
        "policy": status["effectiveDeletionPolicy"],
        "tags": status["managedTagKeys"],
        "intent": status["importIntent"].is_object(),
        "planned": status["plannedStep"],
        "secret": status["secretName"],
        "mark": mark.and_then(|mark| mark.split('/').nth(1)),
        "operations": operations,
    })
}

fn secret_end(stage: &Stage, secret: &Secret, pairs: &[KeyPair]) -> Value {
    let key = key_of(secret);
    let of_pair = pairs.iter().find(|pair| key.is_some() && bare(&pair.public_key) == key);
    let of_pair = of_pair.map(|pair| format!("that of {}", pair.name));
    let name = key_name(stage, key.as_deref()).map(str::to_owned);
    let key = key.as_ref().map(|_| name.or(of_pair).unwrap_or_else(|| "another key".to_owned()));
    let metadata = &secret.metadata;
    let annotations = metadata.annotations.iter().flatten();
    let annotations: Vec<_> = annotations.map(|(key, _)| key).collect();
    json!({
        "key": key,
        "annotations": annotations,
        "labels": metadata.labels,
        "owners": metadata.owner_references.as_ref().map_or(0, Vec::len),
        "deleting": metadata.deletion_timestamp.is_some(),
    })
}

fn key_name(stage: &Stage, public: Option<&str>) -> Option<&'static str> {
    let public = public?;
    let is_it = |key: &super::keys::Key| bare(&key.public).as_deref() == Some(public);
    stage.keys().iter().find(|(_, key)| is_it(key)).map(|(name, _)| *name)
}

/// What took effect, by name: imports, deletions and resets.
fn effects(stage: &Stage) -> Value {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for change in stage.region.changes() {
        let what = match change {
            KeyPairChange::Made(pair) => format!("{} made", pair.name),
            KeyPairChange::Deleted(pair) => format!("{} deleted", pair.name),
        };
        *counts.entry(what).or_default() += 1;
    }
    let requests = stage.simulator.requests();
    let is_reset = |it: &&Request| it.operation == "DeleteKnownHostKeys" && it.outcome == "ok";
    for reset in requests.iter().filter(is_reset) {
        let instance = reset.resource.clone().unwrap_or_default();
        *counts.entry(format!("{instance} reset")).or_default() += 1;
    }
    json!(counts)
}

/// What each object of the scenario shows now: the reason of its condition Ready, or `gone`, or
/// nothing while it is not observed. A Secret that is there has no reason.
async fn shown(stage: &Stage, scenario: &Scenario) -> Result<BTreeMap<String, Option<String>>> {
    let (objects, secrets) = (stage.all_objects().await?, stage.all_secrets().await?);
    let shown = |name: &String| {
        let is_there = name.strip_prefix("Secret/").is_some_and(|it| secrets.contains_key(it));
        let gone = (!is_there).then_some("gone");
        objects.get(name).map_or(gone, reason).map(str::to_owned)
    };
    Ok(scenario.ends.keys().map(|name| (name.clone(), shown(name))).collect())
}

/// Which objects are not at their end.
pub(super) async fn not_ended(stage: &Stage, scenario: &Scenario) -> Result<Vec<String>> {
    let shown = shown(stage, scenario).await?;
    let is_open = |(name, ends): &(&String, &Vec<String>)| shown[*name].as_ref() != Some(&ends[0]);
    let open = scenario.ends.iter().filter(is_open);
    Ok(open.map(|(name, _)| format!("{name} is {:?}", shown[name])).collect())
}

/// The objects that are at another end than that of the undisturbed run, which the scenario allows.
pub(super) async fn at_other_ends(stage: &Stage, scenario: &Scenario) -> Result<Vec<String>> {
    let shown = shown(stage, scenario).await?;
    let is_other = |(name, ends): &(&String, &Vec<String>)| {
        shown[*name].as_ref().is_some_and(|seen| ends[1..].contains(seen))
    };
    Ok(scenario.ends.iter().filter(is_other).map(|(name, _)| name.clone()).collect())
}

/// How an end differs from what it should be. Objects that may differ are left out, and what is in
/// Lightsail for them; but nothing is ever reset more often.
pub(super) fn differences(wanted: &End, seen: &End, may_differ: &[String]) -> Vec<String> {
    let names: BTreeSet<_> = wanted.keys().chain(seen.keys()).collect();
    let may_pairs_differ = may_differ.iter().any(|name| name.starts_with("LightsailKeyPair/"));
    let mut differences = Vec::new();
    for name in names {
        let (wanted, seen) = (wanted.get(name), seen.get(name));
        let is_free = if name == EFFECTS {
            !may_differ.is_empty() && !is_reset_more_often(wanted, seen)
        } else {
            may_differ.contains(name) || (may_pairs_differ && name.starts_with("key pair "))
        };
        if is_free || wanted == seen {
            continue;
        }
        let (wanted, seen) = match (wanted, seen) {
            (Some(wanted), Some(seen)) => only_differing(wanted, seen),
            (wanted, seen) => (text(wanted), text(seen)),
        };
        differences.push(format!("{name}: should be {wanted}, and is {seen}"));
    }
    differences
}

fn is_reset_more_often(wanted: Option<&Value>, seen: Option<&Value>) -> bool {
    let resets = |effects: Option<&Value>| {
        let effects = effects.and_then(Value::as_object).into_iter().flatten();
        let resets = effects.filter(|(what, _)| what.ends_with(" reset"));
        resets.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    resets(seen) > resets(wanted)
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "not there".to_owned(), ToString::to_string)
}

fn only_differing(wanted: &Value, seen: &Value) -> (String, String) {
    let (Value::Object(wanted), Value::Object(seen)) = (wanted, seen) else {
        return (wanted.to_string(), seen.to_string());
    };
    let differing = |own: &serde_json::Map<String, Value>, other: &serde_json::Map<_, _>| {
        let own = own.iter().filter(|(key, value)| other.get(*key) != Some(value));
        let own: serde_json::Map<_, _> =
            own.map(|(key, value)| (key.clone(), value.clone())).collect();
        Value::Object(own).to_string()
    };
    (differing(wanted, seen), differing(seen, wanted))
}
