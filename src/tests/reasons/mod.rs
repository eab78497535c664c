//! The page `docs/reasons.md`: every text that conditions, Events, the API server, the flags and
//! the log can show. `make reasons` writes it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

use crate::access::permission::{Refusal, Refused};
use crate::account::message::Message as AccountMessage;
use crate::api::account::DefaultKeyPairAction;
use crate::config::Config;
use crate::engine::Verdict;
use crate::engine::message::{Message as CommonMessage, WayOut};
use crate::key_pair::plan::release_command;
use crate::lightsail::{Error, ErrorKind, samples};

mod host_key_resets;
mod key_pairs;

/// A reason, and the texts with it.
type Row = (String, String);

/// The names of the variants of an enum of a file.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let head = format!("pub enum {name}");
    let body = source.split(&head).nth(1).unwrap().split("\n}").next().unwrap();
    let name = |line: &str| {
        let line = line.strip_prefix("    ")?;
        let is_name = line.starts_with(char::is_uppercase);
        is_name.then(|| line.split([' ', ',', '{', '(']).next().unwrap_or_default().to_owned())
    };
    body.lines().filter_map(name).collect()
}

/// The names of the variants that samples have.
fn names<T: std::fmt::Debug>(samples: &[T]) -> BTreeSet<String> {
    let name = |sample| format!("{sample:?}").split([' ', '{', '(']).next().unwrap().to_owned();
    samples.iter().map(name).collect()
}

#[test]
fn every_message_has_a_sample() {
    let messages = |source| variants(source, "Message");
    key_pairs::with_samples(|samples| {
        assert_eq!(names(samples), messages(include_str!("../../key_pair/message.rs")));
    });
    host_key_resets::with_samples(|samples| {
        assert_eq!(names(samples), messages(include_str!("../../host_key_reset/message.rs")));
    });
    assert_eq!(names(&of_accounts()), messages(include_str!("../../account/message.rs")));
    assert_eq!(names(&common()), messages(include_str!("../../engine/message.rs")));
}

/// Of an object that has a pair.
const AGAIN: WayOut<'_> = WayOut::Again("set deletionPolicy: Retain");

/// What an account does not allow. One more is among the messages about key pairs.
const REFUSALS: [Refusal; 7] = [
    Refusal::Region,
    Refusal::Type,
    Refusal::TakeOver,
    Refusal::DefaultKeyPair(DefaultKeyPairAction::Download),
    Refusal::DefaultKeyPair(DefaultKeyPairAction::Create),
    Refusal::DefaultKeyPair(DefaultKeyPairAction::Delete),
    Refusal::HostKeyReset,
];

#[test]
fn every_refusal_of_an_account_has_a_sample() {
    let mut shown = names(&REFUSALS);
    shown.insert("Name".to_owned());
    assert_eq!(shown, variants(include_str!("../../access/permission/mod.rs"), "Refusal"));
}

/// Of objects that their account does not allow. The last one is being deleted.
fn not_allowed() -> Vec<CommonMessage<'static>> {
    let refused = |refusal| CommonMessage::NoAccess {
        why: Refused::NotAllowed("production", refusal),
        way_out: WayOut::None,
    };
    let release = release_command(("team-a", "fleet")).leak();
    let ended = CommonMessage::NoAccess {
        why: Refused::NotAllowed("production", Refusal::Region),
        way_out: WayOut::Or(release),
    };
    REFUSALS.map(refused).into_iter().chain([ended]).collect()
}

fn common() -> Vec<CommonMessage<'static>> {
    let account =
        || -> &'static crate::ids::AccountId { Box::leak(Box::new("123456789012".into())) };
    let other = || -> &'static crate::ids::AccountId { Box::leak(Box::new("210987654321".into())) };
    let mut samples = vec![
        CommonMessage::OfOtherAccount {
            account: account(),
            other: other(),
            name: None,
            way_out: WayOut::None,
        },
        CommonMessage::OfOtherAccount {
            account: account(),
            other: other(),
            name: Some("production"),
            way_out: WayOut::None,
        },
        CommonMessage::OfOtherAccount {
            account: account(),
            other: other(),
            name: Some("production"),
            way_out: AGAIN,
        },
        CommonMessage::OfOtherAccount {
            account: account(),
            other: other(),
            name: None,
            way_out: WayOut::Or(crate::key_pair::plan::RELEASE_WITHOUT_CALL),
        },
        CommonMessage::NotThePinnedAccount {
            account: account(),
            pinned: other(),
            way_out: WayOut::None,
        },
        CommonMessage::NoAccess {
            why: Refused::Required { is_reset: false },
            way_out: WayOut::None,
        },
        CommonMessage::NoAccess {
            why: Refused::Required { is_reset: true },
            way_out: WayOut::None,
        },
        CommonMessage::NoAccess { why: Refused::NotFound("production"), way_out: WayOut::None },
        CommonMessage::NoAccess { why: Refused::NotFound("production"), way_out: AGAIN },
        CommonMessage::NoAccess { why: Refused::Terminating("production"), way_out: WayOut::None },
        CommonMessage::NoAccess {
            why: Refused::NotFound("production"),
            way_out: WayOut::OnlyAsk { accepted: false },
        },
        CommonMessage::NoAccess {
            why: Refused::NotFound("production"),
            way_out: WayOut::OnlyAsk { accepted: true },
        },
        CommonMessage::OfOtherAccount {
            account: account(),
            other: other(),
            name: Some("production"),
            way_out: WayOut::OnlyAsk { accepted: false },
        },
        CommonMessage::AccountFails {
            name: "production",
            code: "AccessDenied",
            is_tagged: false,
            way_out: WayOut::None,
        },
        CommonMessage::AccountFails {
            name: "production",
            code: "AccessDenied",
            is_tagged: true,
            way_out: WayOut::None,
        },
        CommonMessage::RefusedByAws {
            name: "production",
            action: Some("ImportKeyPair"),
            code: "AccessDeniedException",
        },
    ];
    samples.extend(not_allowed());
    samples.extend([
        CommonMessage::LastingConflict,
        CommonMessage::RefusedByKubernetes { why: "secrets is forbidden" },
        CommonMessage::KubernetesFails { why: "no response in time" },
        CommonMessage::Unsupported { field: "spec.imported" },
        CommonMessage::TooManySteps,
    ]);
    samples
}

fn of_accounts() -> Vec<AccountMessage<'static>> {
    let caller = "arn:aws:sts::123456789012:assumed-role/lightsail/lightsail-operator";
    vec![
        AccountMessage::Identified { caller },
        AccountMessage::Identified { caller: "arn:aws:iam::123456789012:user/ann" },
        AccountMessage::InUse { users: 1, problem: None },
        AccountMessage::InUse { users: 3, problem: None },
        AccountMessage::InUse { users: 3, problem: Some("AccessDenied: AWS's own words") },
        AccountMessage::InvalidSelector,
    ]
}

/// Somebody who reads a code there finds what to do.
#[test]
fn the_page_about_trouble_has_every_code_of_credentials_and_connections() {
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let (_, section) = page.split_once("\n## No credentials, or no connection to AWS\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let is_bad = |error: &Error| error.kind == ErrorKind::BadCredentials;
    let of_credentials = samples::own_words().into_iter().filter(is_bad);
    let codes = of_credentials.chain(samples::of_connections()).map(|error| error.code);
    let codes: BTreeSet<String> = codes.collect();
    assert!(codes.len() > 15, "{codes:?}");
    for code in codes {
        // Reasons, which other sections are about.
        let is_reason = ["ServiceError", "WrongAccount"].contains(&code.as_str());
        assert!(is_reason || section.contains(&format!("`{code}`")), "{code} is not there");
    }
}

fn of_errors() -> Vec<Row> {
    let errors = samples::own_words().into_iter().chain(samples::words_of_aws());
    errors
        .map(|error| {
            let verdict = Verdict::from(&error);
            (verdict.reason.to_string(), verdict.message)
        })
        .collect()
}

/// What the API server refuses, by the rules of the CRDs.
fn rules() -> Vec<Row> {
    fn walk(kind: &str, path: &str, schema: &Value, rows: &mut Vec<Row>) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default().to_owned();
            rows.push((format!("{kind} {path}").trim_end().to_owned(), message));
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(kind, &path, inner, rows);
        }
        for inner in [&schema["items"], &schema["additionalProperties"]] {
            if inner.is_object() {
                walk(kind, path, inner, rows);
            }
        }
    }
    let mut rows = Vec::new();
    for (path, yaml) in crate::crds::files().unwrap() {
        if path.starts_with("crds/") {
            let crd: Value = serde_yaml_ng::from_str(&yaml).unwrap();
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
            walk(kind, "", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut rows);
        }
    }
    rows
}

/// What a wrong value of a flag is answered with.
fn of_flags() -> Vec<Row> {
    let wrong = [
        ("--cluster-id", "a/b"),
        ("--watch-namespace", "Team"),
        ("--watch-label-selector", "a in b"),
        ("--aws-account-id", "1234"),
        ("--allowed-regions", "eu-west-1a"),
        ("--aws-role-session-name", "a"),
        ("--aws-call-timeout", "soon"),
        ("--settle-time", "0s"),
        ("--concurrency", "0"),
        ("--bind-address", "8080"),
        ("--log", "lightsail_operator=loud"),
        ("--log-format", "xml"),
    ];
    let rows = wrong.into_iter().map(|(flag, value)| {
        let error = Config::try_parse_from(["lightsail-operator", flag, value])
            .expect_err(flag)
            .to_string();
        let paragraph = error.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        (format!("{flag} {value}"), words.join(" ").trim_start_matches("error: ").to_owned())
    });
    rows.collect()
}

/// What the log says about times and variables at the start.
fn warnings() -> Vec<Row> {
    let flags = "--lease-duration=5s --aws-call-timeout=1s --missing-key-grace=5s \
                 --source-grace=5s --search-interval=1s --aws-role-arn=arn";
    let flags = ["lightsail-operator"].into_iter().chain(flags.split_whitespace());
    let warnings = Config::try_parse_from(flags).unwrap().warnings().into_iter();
    warnings.map(|text| ("warn".to_owned(), text)).collect()
}

/// The lines of the log that the operator words itself: level and text.
fn log_lines() -> Vec<Row> {
    let mut rows: BTreeSet<Row> = warnings().into_iter().collect();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                for level in ["error", "warn", "info"] {
                    for call in code.split(&format!("tracing::{level}!(")).skip(1) {
                        // The texts of this one are above.
                        let text = text_of(call).filter(|text| text != "{warning}");
                        rows.extend(text.map(|text| (level.to_owned(), text)));
                    }
                }
            }
        }
    }
    rows.into_iter().collect()
}

/// The first argument of a macro that is a literal.
fn text_of(call: &str) -> Option<String> {
    let arguments = call.split_once(");").map_or(call, |(arguments, _)| arguments);
    let at = arguments.match_indices('"').map(|(at, _)| at).find(|at| {
        let before = arguments[..*at].trim_end();
        before.is_empty() || before.ends_with(',')
    })?;
    let literal = arguments[at + 1..].split('"').next()?;
    Some(literal.replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" "))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn table(page: &mut String, title: &str, intro: &str, heads: [&str; 2], rows: &[Row]) {
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let [one, other] = heads;
    let mut lines = format!("\n## {title}\n\n{intro}\n\n| {one} | {other} |\n|---|---|\n");
    for (first, text) in rows {
        let _ = writeln!(lines, "| `{first}` | {} |", cell(text));
    }
    page.push_str(&lines);
}

fn page() -> String {
    let mut page = "<!-- Generated by `make reasons`. Do not edit. -->\n\n\
                    # Reasons and messages\n\n\
                    Every message of the operator, with sample values.\n\
                    [troubleshooting.md](troubleshooting.md) says more about each reason.\n"
        .to_owned();
    let conditions = "In the condition `Ready`, and in an Event when the reason changes.";
    let heads = ["reason", "message"];
    table(&mut page, "Key pairs", conditions, heads, &key_pairs::rows());
    table(&mut page, "Host key resets", conditions, heads, &host_key_resets::rows());
    let common: Vec<Row> = common()
        .iter()
        .map(|message| (message.reason().to_string(), message.to_string()))
        .collect();
    table(&mut page, "Key pairs and host key resets", conditions, heads, &common);
    let accounts: Vec<Row> = of_accounts()
        .iter()
        .map(|message| (message.reason().to_string(), message.to_string()))
        .collect();
    table(&mut page, "Accounts", conditions, heads, &accounts);
    let errors = "In the condition `Ready` of each object that uses the region or the credentials. \
                  Each\nbegins with its code.";
    table(&mut page, "AWS and the network", errors, heads, &of_errors());
    let refused = "What the Kubernetes API server answers to `kubectl apply`. Errors about the \
                   types of fields\nare not listed here.";
    table(&mut page, "Refused by the API server", refused, ["field", "message"], &rules());
    let start = "The process exits with status 2.";
    table(&mut page, "Wrong flags", start, ["flag", "message"], &of_flags());
    let log = "Names in braces stand for values. Messages of conditions are not repeated here.";
    table(&mut page, "The log", log, ["level", "message"], &log_lines());
    page
}

#[test]
fn the_page_of_messages_is_current() {
    let path = root().join("docs/reasons.md");
    let page = page();
    if std::env::var_os("WRITE_PAGE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/reasons.md is not what the code says; run `make reasons`");
}

/// A message is a sentence or two, names no thing of Rust's, and advises nothing that loses a key.
#[test]
fn messages_are_for_people() {
    let mut count = 0;
    let rows = key_pairs::rows().into_iter().chain(host_key_resets::rows()).chain(of_errors());
    for (reason, text) in rows {
        assert!(text.len() < 900, "{reason}: an Event has room for 1 kB: {text}");
        for never in ["None", "Some(", "Error(", "{", "}", "  ", "delete the Secret"] {
            assert!(!text.contains(never), "{reason}: {never}: {text}");
        }
        assert!(!text.ends_with('.'), "{reason}: {text}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}
