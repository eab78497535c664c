//! The Helm chart: what it renders, what it refuses, what is generated from it, what checkers say,
//! and its life on a real API server.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail by panic")]

mod checkers;
mod generated;
mod lifecycle;
mod notes;
mod people;

mod refused;
mod rendering;
mod rights;
mod valid;

use std::path::{Path, PathBuf};

use serde_json::Value;
use testbed::helm::{Helm, VERSIONS};

/// The namespace of the release in all of these tests, and its name.
const NAME: &str = "lightsail-operator";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("charts/lightsail-operator")
}

/// Where `make tools` puts its programs.
fn tools() -> PathBuf {
    std::env::var_os("TESTBED_TOOLS").map_or_else(|| root().join(".tools/bin"), PathBuf::from)
}

/// What Helm 4 makes of these values, or its refusal. Helm 3 must say the same.
fn try_render(values: &Value) -> Result<Vec<Value>, String> {
    let home = tempfile::tempdir().unwrap();
    let [four, three] = VERSIONS.map(|name| {
        let helm = Helm::new(&tools(), name, home.path(), None);
        helm.template(&chart(), NAME, values).map_err(|error| error.to_string())
    });
    match (&four, &three) {
        (Ok(four), Ok(three)) => assert_eq!(four, three, "Helm 3 renders something else"),
        (Err(_), Err(_)) => {}
        (Err(error), Ok(_)) => panic!("only Helm 4 refuses: {error}"),
        (Ok(_), Err(error)) => panic!("only Helm 3 refuses: {error}"),
    }
    four
}

fn render(values: &Value) -> Vec<Value> {
    try_render(values).unwrap_or_else(|error| panic!("{values} is refused: {error}"))
}

/// The object of this kind and name.
fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    let mut all = objects.iter().filter(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    let found = all.next();
    assert!(all.next().is_none(), "there are several {kind}/{name}");
    found
}
