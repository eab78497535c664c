//! What is kept of an object from the API server, and what is reported about an object that cannot
//! be read.

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::{ObjectList, WatchEvent};
use serde_json::{Value, json};

use super::*;
use crate::api::{FINALIZER, HostKeyReset, LightsailKeyPair};

fn pair() -> Value {
    json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1",
        "kind": "LightsailKeyPair",
        "metadata": {
            "name": "fleet", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionTimestamp": "2026-01-02T03:04:06Z",
            "finalizers": [FINALIZER, "another.example"],
        },
        "spec": { "type": "Imported", "region": "eu-west-1", "imported": { "publicKey": "k" } },
    })
}

fn served(object: &Value) -> Served<LightsailKeyPair> {
    serde_json::from_str(&object.to_string()).unwrap()
}

fn unreadable(object: &Value) -> Unreadable {
    match served(object) {
        Served::Readable(object) => panic!("it can be read: {object:?}"),
        Served::Unreadable(object) => *object,
    }
}

#[test]
fn an_object_is_what_it_is_without_this() {
    let object = pair();
    let Served::Readable(read) = served(&object) else { panic!("it cannot be read") };
    assert_eq!(read, serde_json::from_value::<LightsailKeyPair>(object).unwrap());
}

#[test]
fn an_object_with_too_many_finalizers_is_not_read() {
    let mut object = pair();
    let finalizers = |count: usize| -> Vec<Value> {
        (0..count).map(|number| format!("a/{number}").into()).collect()
    };
    object["metadata"]["finalizers"] = Value::Array(finalizers(64));
    assert_eq!(served(&object).meta().finalizers.as_ref().map(Vec::len), Some(64));
    for many in [finalizers(65), finalizers(40_000), vec![Value::from("a".repeat(318))]] {
        object["metadata"]["finalizers"] = Value::Array(many);
        let unread = unreadable(&object);
        assert_eq!(unread.field, "metadata.finalizers");
        assert_eq!(unread.metadata.finalizers, Some(Vec::new()), "none is kept");
    }
}

#[test]
fn what_nobody_reads_is_left_out_and_what_is_long_is_its_digest() {
    let mut object = pair();
    object["metadata"]["managedFields"] = json!([{ "manager": "m" }]);
    object["metadata"]["labels"] = json!({ "team": "a", "helm.toolkit.fluxcd.io/name": "r" });
    let long = "a".repeat(240_000);
    object["metadata"]["annotations"] = json!({
        "example.com/large": long,
        RECONCILE_ANNOTATION: long,
        EXECUTED_ANNOTATION: "h/Started",
        "argocd.argoproj.io/tracking-id": "t",
    });
    let meta = served(&object).meta().clone();
    assert_eq!(meta.managed_fields, None);
    assert_eq!(
        meta.labels.unwrap().into_keys().collect::<Vec<_>>(),
        ["helm.toolkit.fluxcd.io/name"]
    );
    let annotations = meta.annotations.unwrap();
    assert_eq!(
        annotations.keys().collect::<Vec<_>>(),
        ["argocd.argoproj.io/tracking-id", EXECUTED_ANNOTATION, RECONCILE_ANNOTATION]
    );
    assert_eq!(annotations[EXECUTED_ANNOTATION], "h/Started");
    assert_eq!(annotations[RECONCILE_ANNOTATION], digest::short(&long));
}

#[test]
fn what_cannot_be_read_is_named_by_its_path_alone() {
    type Change = fn(&mut Value);
    let rows: [(&str, Change, &str); 9] = [
        ("another type", |o| o["spec"]["suspend"] = json!("secret"), "spec.suspend"),
        ("another variant", |o| o["spec"]["type"] = json!("secret"), "spec.type"),
        (
            "below",
            |o| o["spec"]["imported"]["publicKey"] = json!(["secret"]),
            "spec.imported.publicKey",
        ),
        ("the value of a tag", |o| o["spec"]["tags"] = json!({ "se cret": 1 }), "spec.tags"),
        ("what is missing", |o| drop(o["spec"].as_object_mut().unwrap().remove("region")), "spec"),
        ("no spec", |o| drop(o.as_object_mut().unwrap().remove("spec")), "spec"),
        ("no object", |o| o["spec"] = json!("secret"), "spec"),
        (
            "the status",
            |o| o["status"] = json!({ "observedGeneration": 3, "origin": "secret" }),
            "status.origin",
        ),
        (
            "too deep",
            |o| {
                let deep = (0..200).fold(json!("secret"), |inner, _| json!([inner]));
                o["spec"]["imported"] = deep;
            },
            "spec.imported",
        ),
    ];
    for (name, change, expected) in rows {
        let mut object = pair();
        change(&mut object);
        let read = unreadable(&object);
        assert!(read.field.starts_with(expected), "{name}: {}", read.field);
        assert!(!read.field.contains("cret") && !format!("{read:?}").contains("cret"), "{name}");
        assert_eq!(read.metadata.name.as_deref(), Some("fleet"), "{name}");
    }
}

#[test]
fn one_that_cannot_be_read_does_not_keep_others_of_its_list_from_being_read() {
    let mut bad = pair();
    bad["spec"]["type"] = json!("New");
    let list = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPairList",
        "metadata": { "resourceVersion": "9", "continue": "c" }, "items": [pair(), bad, pair()],
    });
    let list: ObjectList<Served<LightsailKeyPair>> =
        serde_json::from_str(&list.to_string()).unwrap();
    let readable = list.items.iter().map(|item| matches!(item, Served::Readable(_)));
    assert_eq!(readable.collect::<Vec<_>>(), [true, false, true]);
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        // As the API server writes it: the type comes first.
        let line = format!(r#"{{"type":"{kind}","object":{bad}}}"#);
        serde_json::from_str::<WatchEvent<Served<LightsailKeyPair>>>(&line).unwrap();
        serde_json::from_str::<WatchEvent<Served<HostKeyReset>>>(&line).unwrap();
    }
}

#[test]
fn its_conditions_say_so_once_and_nothing_else_changes() {
    let now = Timestamp::from_second(1_000).unwrap();
    let mut object = pair();
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "Imported", "message": "m",
            "observedGeneration": 2, "lastTransitionTime": "1970-01-01T00:00:01Z",
        })
    };
    let other = json!({ "type": "New", "since": "a newer version" });
    object["status"] = json!({
        "observedGeneration": 3, "arn": "arn:own", "origin": "New", "new": { "a": 1.50 },
        "conditions": [condition("Ready", "True"), other, condition("Reconciling", "True")],
    });
    let status = unreadable(&object).status(now).unwrap();
    let written = serde_json::to_value(&status).unwrap();
    for kept in ["observedGeneration", "arn", "origin", "new"] {
        assert_eq!(written[kept], object["status"][kept], "{kept}");
    }
    let said = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "UnsupportedObject",
            "message": "this version of the operator cannot read the field status.conditions; \
                        upgrade the operator, or correct the field",
            "observedGeneration": 3, "lastTransitionTime": "1970-01-01T00:16:40Z",
        })
    };
    let expected = json!([other, said("Ready", "False"), said("Stalled", "True")]);
    assert_eq!(written["conditions"], expected);
    object["status"] = written.clone();
    let later = Timestamp::from_second(2_000).unwrap();
    assert!(unreadable(&object).status(later).is_none(), "it says so already");
    object["metadata"]["generation"] = json!(4);
    let again = serde_json::to_value(unreadable(&object).status(later).unwrap()).unwrap();
    assert_eq!(again["conditions"][1]["observedGeneration"], 4);
    assert_eq!(again["conditions"][1]["lastTransitionTime"], "1970-01-01T00:16:40Z");
    for strange in [json!({ "conditions": "none" }), json!("none")] {
        object["status"] = strange;
        assert!(unreadable(&object).status(now).is_none());
    }
    object.as_object_mut().unwrap().remove("status");
    object["spec"]["type"] = json!("New");
    assert!(unreadable(&object).status(now).is_some());
}
