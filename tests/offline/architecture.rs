//! The shape of the code, as far as a machine can check it. `docs/architecture.md` says why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::{Crate, circles};

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
                let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                let name = name.to_string_lossy().into_owned();
                let text = fs::read_to_string(path).unwrap();
                files.push((name, code(&text).to_owned()));
            }
        }
    }
    assert!(!files.is_empty(), "{folder}");
    files.sort();
    files
}

/// What is shipped of a file: tests come last.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn tests_come_last() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, code) in files("src") {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        // What stands at the beginning of a line, and the line before.
        let items = text[code.len()..].lines().zip(text[code.len()..].lines().skip(1));
        let is_item = |line: &str| line.starts_with(|char: char| char.is_ascii_lowercase());
        let shipped: Vec<_> = items
            .filter(|(before, line)| is_item(line) && !before.starts_with("#["))
            .map(|(_, line)| line)
            .collect();
        assert!(shipped.is_empty(), "{name}: after its tests: {shipped:?}");
    }
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

/// The rooms of the operator, from the ground up. A room uses those below it, and no other one on
/// its own floor.
const FLOORS: [&[&str]; 11] = [
    &[
        "api",
        "ids",
        "config",
        "clock",
        "digest",
        "fair_line",
        "keep_entries",
        "log_queue",
        "loopback",
        "key_text",
        "outage",
        "page_limit",
        "api_shares",
    ],
    &["data_object", "kube_error", "ssh", "metrics", "telemetry", "readiness", "lease", "proxies"],
    &["lightsail", "server"],
    &["error"],
    &["api_server", "api_outage"],
    &["secret", "kubeconfig"],
    &["access", "leader"],
    &["engine"],
    &["account", "key_pair", "host_key_reset", "export"],
    &["crds"],
    &["main", "bin"],
];

/// The room of a file: `src/engine/queue.rs` is in `engine`, `src/main.rs` is `main`.
fn room(file: &str) -> &str {
    let path = file.strip_prefix("src/").unwrap_or(file);
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.expect("a new room has a floor in FLOORS")
}

#[test]
fn no_arrow_runs_up() {
    let operator = Crate::new("lightsail_operator", "src", files("src"));
    let mut up = Vec::new();
    for (from, to) in operator.arrows().into_iter().filter(|(from, _)| from != "src/lib.rs") {
        let (own, used) = (room(&from), room(&to));
        if own != used && floor(used) >= floor(own) {
            up.push(format!("{from} → {to}"));
        }
    }
    assert_eq!(up, [""; 0]);
}

#[test]
fn no_file_is_in_a_circle_with_another() {
    for (name, folder) in [("lightsail_operator", "src"), ("testbed", "testbed/src")] {
        let arrows = Crate::new(name, folder, files(folder)).arrows();
        assert!(arrows.len() > 50, "the imports of {folder} are read: {}", arrows.len());
        let circles = circles(&arrows);
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

#[test]
fn a_circle_is_found_wherever_it_is() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let found = |files: Vec<(String, String)>| circles(&Crate::new("own", "src", files).arrows());
    let straight = vec![
        file("src/lib.rs", "pub mod a;\nmod b;\n"),
        file("src/a/mod.rs", "mod c;\npub use c::{C, D as E};\nuse crate::b::B;\n"),
        file("src/a/c.rs", "use super::super::b;\n"),
        file("src/b.rs", "// use crate::a::C;\n"),
    ];
    assert_eq!(found(straight.clone()), []);
    for (name, index, line) in [
        ("a room and another", 3, "use crate::a::{self, C};\n"),
        ("a path in the code", 3, "fn b() { crate::a::C::new() }\n"),
        ("a file and its parent", 2, "use super::E;\n"),
        ("in braces", 3, "use crate::{x, a::{y, c::C}};\n"),
        ("by the name of the crate", 3, "use own::a::C;\n"),
    ] {
        let mut files = straight.clone();
        files[index].1.push_str(line);
        assert_eq!(found(files).len(), 1, "{name}");
    }
}

#[test]
fn the_kinds_have_the_same_rooms() {
    let rooms = |kind: &str| -> BTreeSet<String> {
        let folder = format!("src/{kind}");
        let inside = files(&folder).into_iter().map(|(name, _)| name[folder.len()..].to_owned());
        let is_shared = |name: &String| match name[1..].split_once('/') {
            Some(("plan", file)) => file == "step.rs",
            Some(("act", file)) => file == "mod.rs",
            // Texts that are many.
            Some(("message", _)) => false,
            _ => true,
        };
        inside.filter(is_shared).collect()
    };
    let mut resets = rooms("host_key_reset");
    for own in ["/mark.rs", "/turns.rs"] {
        assert!(resets.remove(own), "{own}");
    }
    let mut key_pairs = rooms("key_pair");
    for own in ["/crowd.rs", "/room.rs", "/unrecorded.rs"] {
        assert!(key_pairs.remove(own), "{own}");
    }
    assert_eq!(key_pairs, resets);
}

#[test]
fn decisions_have_no_io_and_no_clock() {
    let pure = ["/claim.rs", "/record.rs", "/status.rs", "/desired.rs", "/world.rs", "/turns.rs"];
    let exports = [
        "exported.rs",
        "json.rs",
        "keys.rs",
        "manifest.rs",
        "matching/mod.rs",
        "names.rs",
        "table.rs",
        "text.rs",
        "withheld.rs",
    ];
    let is_pure = |name: &str| {
        name.contains("/plan/")
            || name.strip_prefix("src/export/").is_some_and(|file| exports.contains(&file))
            || name.contains("lightsail/session/")
            || name.ends_with("engine/queue.rs")
            || name.ends_with("engine/verdict.rs")
            || pure.iter().any(|file| name.ends_with(file))
    };
    assert!(files("src").iter().filter(|(name, _)| is_pure(name)).count() >= 20);
    let words = ["async ", ".await", "Client", "aws_", "::now()", "tokio"];
    let mut found = lines_with("src", is_pure, &words);
    found.retain(|line| !line.contains("aws_account_id"));
    assert_eq!(found, [""; 0]);
}

/// It may jump in the middle of a reconciliation. Events and Leases are dated by it for people and
/// other processes.
#[test]
fn only_the_clock_reads_the_wall_clock() {
    let dated = ["src/clock.rs", "src/engine/objects.rs", "src/leader/election.rs"];
    let others = |name: &str| !dated.contains(&name);
    assert_eq!(lines_with("src", others, &["Timestamp::now()"]), [""; 0]);
}

#[test]
fn only_one_room_knows_the_aws_sdk() {
    let others = |name: &str| !name.starts_with("src/lightsail/");
    let words = ["aws_sdk", "aws_config::", "aws_credential", "aws_types", "aws_smithy"];
    let mut found = lines_with("src", others, &words);
    // Names of variables, and of targets of the log.
    found.retain(|line| !line.contains("env =") && !line.contains("\"aws_config::"));
    assert_eq!(found, [""; 0]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let others = |name: &str| !name.starts_with("src/config/") && !name.starts_with("src/bin/");
    assert_eq!(lines_with("src", others, &["env::var", "std::env", "env = "]), [""; 0]);
}

#[test]
fn the_api_types_do_no_io() {
    let api = |name: &str| name.starts_with("src/api/");
    assert_eq!(lines_with("src", api, &["kube::Client", "async "]), [""; 0]);
}

#[test]
fn a_reason_is_compared_as_a_value() {
    let others = |name: &str| !name.starts_with("src/api/");
    let words = ["Reason::to_string", ".reason == \"", ".reason != \"", "reason.as_str()"];
    assert_eq!(lines_with("src", others, &words), [""; 0]);
}

#[test]
fn what_is_shipped_does_not_know_the_testbed() {
    assert_eq!(lines_with("src", |_| true, &["testbed", "simulator", "cfg(feature"]), [""; 0]);
}
