//! The shape of the code, as far as a machine can check it. `docs/architecture.md` says why.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") && !path.to_string_lossy().contains("/tests/") {
                let name = path
                    .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let text = fs::read_to_string(path).unwrap();
                files
                    .push((name, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()));
            }
        }
    }
    assert!(!files.is_empty(), "{folder}");
    files
}

/// Lines of code that have one of these words, in the files that are chosen.
fn lines_with(folder: &str, chosen: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files(folder).into_iter().filter(|(name, _)| chosen(name)) {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let bad = code.filter(|line| words.iter().any(|word| line.contains(word)));
        found.extend(bad.map(|line| format!("{name}: {line}")));
    }
    found
}

#[test]
fn plans_have_no_io_and_no_clock() {
    let is_plan = |name: &str| {
        name.ends_with("plan.rs") || name.contains("/plan/") || name.ends_with("queue.rs")
    };
    assert!(files("src").iter().filter(|(name, _)| is_plan(name)).count() >= 5);
    let words = ["async ", ".await", "Client", "aws_", "::now()", "tokio", "kube::"];
    assert_eq!(lines_with("src", is_plan, &words), [""; 0]);
}

#[test]
fn only_one_room_knows_the_aws_sdk() {
    let others = |name: &str| !name.starts_with("src/lightsail/") && name != "src/main.rs";
    let mut found = lines_with(
        "src",
        others,
        &["aws_sdk", "aws_config::", "aws_credential", "aws_types", "aws_smithy"],
    );
    found.retain(|line| !line.contains("env ="));
    assert_eq!(found, [""; 0]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let others = |name: &str| name != "src/config.rs" && !name.starts_with("src/bin/");
    assert_eq!(lines_with("src", others, &["env::var", "std::env", "env = "]), [""; 0]);
}

#[test]
fn the_api_types_know_nothing_of_the_controllers() {
    let api = |name: &str| name.starts_with("src/api/");
    assert_eq!(
        lines_with(
            "src",
            api,
            &["crate::controllers", "crate::lightsail", "kube::Client", "async "]
        ),
        [""; 0]
    );
}

#[test]
fn what_is_shipped_does_not_know_the_testbed() {
    assert_eq!(lines_with("src", |_| true, &["testbed", "simulator", "cfg(feature"]), [""; 0]);
}
