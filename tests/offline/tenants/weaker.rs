//! A policy without one part of it, for each of its parts.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::iam_files::{document, statements};

/// A row of a table: its name is a sentence. Then what is asked, and whether it is allowed.
pub(super) type Row<Q> = (&'static str, Q, bool);

/// Checks that a file allows what the rows say. And then, that nothing can be taken out of it: for
/// each part, the file without it fails a row.
///
/// `attach` puts a policy where the file belongs, and `is_allowed` asks.
pub(super) async fn file_is_as_the_rows_say_and_no_part_is_idle<Q: Copy>(
    file: &str,
    rows: &[Row<Q>],
    attach: impl Fn(&str),
    is_allowed: impl AsyncFn(Q) -> bool,
) {
    let whole = statements(&format!("{file}.json"), "any");
    let failed = async |policy: &[Value]| {
        attach(&document(policy));
        for (name, question, wanted) in rows {
            if is_allowed(*question).await != *wanted {
                return Some(*name);
            }
        }
        None
    };
    assert_eq!(failed(&whole).await, None, "{file}");
    let names: BTreeSet<&str> = rows.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), rows.len(), "two rows of {file} have one name");
    let mut idle = Vec::new();
    for (part, weaker) in without_each_part(&whole) {
        if failed(&weaker).await.is_none() {
            idle.push(part);
        }
    }
    assert_eq!(idle, [""; 0], "no row of {file} fails without these");
}

/// The policy without each statement, action, condition and value of a condition in turn; with `*`
/// for each ARN; and in all of it together, with `*` for whoever is named, and for each variable.
fn without_each_part(whole: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (index, statement) in whole.iter().enumerate() {
        let sid = statement["Sid"].as_str().unwrap();
        let mut rest = whole.to_vec();
        rest.remove(index);
        all.push((sid.to_owned(), rest));
        for (part, weaker) in weaker_statements(statement) {
            let mut policy = whole.to_vec();
            policy[index] = weaker;
            all.push((format!("{sid}: {part}"), policy));
        }
    }
    if whole.iter().any(|statement| statement["Principal"].is_object()) {
        let mut policy = whole.to_vec();
        for statement in &mut policy {
            statement["Principal"] = json!("*");
        }
        all.push(("Principal".to_owned(), policy));
    }
    let text = document(whole);
    for variable in variables(&text) {
        let policy: Value = serde_json::from_str(&text.replace(variable, "*")).unwrap();
        all.push((variable.to_owned(), policy["Statement"].as_array().unwrap().clone()));
    }
    all
}

/// The policy variables of a text, each once.
fn variables(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("${").map(|(start, _)| &text[start..]);
    starts.map(|rest| rest.split_inclusive('}').next().unwrap()).collect()
}

fn weaker_statements(statement: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut with = |part: String, change: &dyn Fn(&mut Value)| {
        let mut weaker = statement.clone();
        change(&mut weaker);
        all.push((part, weaker));
    };
    for member in ["Action", "NotAction"] {
        for (value, rest) in without_each(&statement[member]) {
            // A statement of one action goes as a whole.
            if member == "NotAction" || !rest.is_empty() {
                with(value, &|weaker| weaker[member] = json!(rest));
            }
        }
    }
    if statement["Resource"].is_string() && statement["Resource"] != "*" {
        with("Resource".to_owned(), &|weaker| weaker["Resource"] = json!("*"));
    }
    for (operator, keys) in members(&statement["Condition"]) {
        for (key, values) in members(keys) {
            with(format!("{operator} {key}"), &|weaker| {
                let keys = weaker["Condition"][operator].as_object_mut().unwrap();
                keys.remove(key).unwrap();
            });
            for (value, rest) in without_each(values) {
                if !rest.is_empty() {
                    with(format!("{operator} {key} {value}"), &|weaker| {
                        weaker["Condition"][operator][key] = json!(rest);
                    });
                }
            }
        }
    }
    all
}

/// Each string of a list or of one string, and the others.
fn without_each(value: &Value) -> Vec<(String, Vec<Value>)> {
    let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let others = |value: &Value| list.iter().filter(|other| *other != value).cloned().collect();
    list.iter().filter_map(|value| Some((value.as_str()?.to_owned(), others(value)))).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[test]
fn every_part_is_taken_out_once() {
    let parts = |statement: Value| -> Vec<String> {
        without_each_part(&[statement]).into_iter().map(|(part, _)| part).collect()
    };
    assert_eq!(
        parts(json!({
            "Sid": "S",
            "Principal": { "AWS": "p" },
            "Action": ["a", "b"],
            "Condition": { "StringEquals": { "k": "1", "l": ["2", "3"] }, "Null": { "m": "true" } },
        })),
        [
            "S",
            "S: a",
            "S: b",
            "S: Null m",
            "S: StringEquals k",
            "S: StringEquals l",
            "S: StringEquals l 2",
            "S: StringEquals l 3",
            "Principal",
        ]
    );
    assert_eq!(
        parts(json!({ "Sid": "S", "NotAction": "a", "Resource": "arn:${v}/${w}/${v}" })),
        ["S", "S: a", "S: Resource", "${v}", "${w}"]
    );
}
