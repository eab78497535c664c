//! The policies of `docs/iam`, as somebody attaches them who has filled in the placeholders.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/iam")
}

/// The statements of a file, with its placeholders filled: region, account, this cluster, another
/// one, the id of a default key pair, and for roles who assumes which with which external id.
pub(crate) fn statements(file: &str, default_key_pair: &str) -> Vec<Value> {
    let mut text = std::fs::read_to_string(folder().join(file)).unwrap();
    for (placeholder, value) in [
        ("<REGION>", "eu-west-1"),
        ("<ACCOUNT>", "123456789012"),
        ("<CLUSTER>", "test"),
        ("<OLD_CLUSTER>", "old"),
        ("<DEFAULT_KEY_PAIR>", default_key_pair),
        ("<CALLER>", "arn:aws:iam::210987654321:role/lightsail-operator"),
        ("<EXTERNAL_ID>", "example-external-id"),
        ("<ROLE>", "lightsail"),
    ] {
        text = text.replace(placeholder, value);
    }
    assert!(!text.contains('<'), "{file} has a placeholder that nobody knows");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["Version"], "2012-10-17", "{file}");
    document["Statement"].as_array().unwrap().clone()
}

/// The policy that consists of these statements.
pub(crate) fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The actions of a statement, in the words of IAM.
pub(crate) fn actions(statement: &Value) -> Vec<String> {
    let action = &statement["Action"];
    let list = action.as_array().map_or_else(|| std::slice::from_ref(action), Vec::as_slice);
    list.iter().map(|action| action.as_str().unwrap().to_owned()).collect()
}
