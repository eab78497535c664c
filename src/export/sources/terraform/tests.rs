//! States and plans as Terraform writes them, by its documents and the schemas of the AWS provider;
//! `tests/terraform` has whole ones. Keys are made here.

use serde_json::{Value, json};

use super::*;
use crate::api::key_pair::KeyAlgorithm;
use crate::ssh::generate;

const SENTINEL: &str = "SENTINEL";

fn line() -> String {
    generate(KeyAlgorithm::Ed25519).unwrap().public().line().to_owned()
}

fn keys(document: &Value) -> Result<Vec<String>, String> {
    let found = read(&document.to_string())?;
    Ok(found.into_iter().filter_map(|found| found.public_key.text).collect())
}

fn state(resources: &Value) -> Value {
    json!({ "version": 4, "terraform_version": "1.9.8", "serial": 3, "lineage": "x",
        "outputs": { "o": { "value": SENTINEL, "type": "string" } }, "resources": resources })
}

fn pair(line: &str) -> Value {
    json!({ "public_key": line, "fingerprint": "x", "name": "fleet", "private_key": SENTINEL })
}

#[test]
fn a_state_has_its_key_pairs_in_resources() {
    let (one, two) = (line(), line());
    let resource = |type_: &str, mode: &str, attributes: &[Value]| {
        let instances: Vec<Value> =
            attributes.iter().map(|it| json!({ "schema_version": 0, "attributes": it })).collect();
        json!({ "mode": mode, "type": type_, "name": "a", "provider": "p", "instances": instances })
    };
    let document = state(&json!([
        resource(TYPE, "managed", &[pair(&one), pair(&two)]),
        resource("aws_key_pair", "managed", &[pair(&line())]),
        resource(TYPE, "data", &[pair(&line())]),
        resource("other", "managed", &[json!({ "public_key": { "a": [1, null, true, 1.5] },
            "fingerprint": -1, "name": [] })]),
        { "mode": "managed", "type": TYPE, "name": "none", "instances": [] },
        { "mode": "managed", "type": TYPE, "instances": [{ "attributes": null }] },
    ]));
    assert_eq!(keys(&document).unwrap(), [one, two]);
}

#[test]
fn what_terraform_shows_has_modules_in_modules() {
    let lines: Vec<String> = (0..5).map(|_| line()).collect();
    let module = |own: &str, children: Value| {
        json!({ "resources": [{ "address": "a", "mode": "managed", "type": TYPE, "name": "a",
            "values": pair(own), "sensitive_values": {} }], "child_modules": children })
    };
    let inner = module(&lines[1], json!([module(&lines[2], json!([]))]));
    let shown = json!({ "format_version": "1.0", "values": { "outputs": {},
        "root_module": module(&lines[0], json!([inner])) } });
    assert_eq!(keys(&shown).unwrap(), lines[..3]);
    let plan = json!({ "format_version": "1.2", "planned_values": {
        "root_module": module(&lines[3], json!([])) }, "resource_changes": [],
        "prior_state": { "format_version": "1.0", "values": {
            "root_module": module(&lines[4], json!([])) } } });
    let mut found = keys(&plan).unwrap();
    found.sort();
    let mut expected = lines[3..].to_vec();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_is_something_else_is_refused_by_its_position_alone() {
    let deep = format!("{}{}", "[".repeat(100_000), SENTINEL);
    for (name, document, words) in [
        ("no JSON", format!("x{SENTINEL}"), "it is not JSON: line 1 column 1"),
        ("cut off", format!("{{\"version\": 4,\n\"a\": \"{SENTINEL}"), "it is not JSON: line 2"),
        ("a list", format!("[\"{SENTINEL}\"]"), "it is not a Terraform state or plan: line 1"),
        ("a text", format!("\"{SENTINEL}\""), "it is not a Terraform state or plan: line 1"),
        ("deep", format!("{{\"a\": {deep}"), "it is not JSON"),
        (
            "a version that is a text",
            format!("{{\"version\": \"{SENTINEL}\"}}"),
            "it is not a Terraform state",
        ),
        ("version 3", "{\"version\": 3, \"modules\": []}".to_owned(), "neither a state"),
        ("another object", "{}".to_owned(), "neither a state"),
        ("another format", "{\"format_version\": \"2.0\"}".to_owned(), "neither a state"),
        (
            "resources that are a text",
            format!("{{\"version\": 4, \"resources\": \"{SENTINEL}\"}}"),
            "it is not a Terraform state",
        ),
        (
            "an encrypted state of OpenTofu",
            json!({ "serial": 1, "lineage": "x", "meta": { "key_provider.pbkdf2.a": "e30=" },
                "encrypted_data": SENTINEL, "encryption_version": "v0" })
            .to_string(),
            "it is encrypted by OpenTofu; tofu show -json",
        ),
        ("more behind it", "{\"version\": 4} x".to_owned(), "it is not JSON"),
        ("nothing", String::new(), "it is not JSON: line 1 column 0"),
    ] {
        let why = read(&document).map(|_| ()).unwrap_err();
        assert!(why.contains(words), "{name}: {why}");
        assert!(!why.contains(SENTINEL), "{name}: {why}");
    }
}
