//! What the policies of `docs/iam` say, and what each of their conditions and ARNs is for: with it
//! a call is denied, without it the same call is not. The calls are made directly, since the
//! operator has no reason to make them. Which actions each feature needs is in
//! `tests/control_plane/iam.rs`. The files for several accounts are in [`tenants`](crate::tenants).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use lightsail_operator::api::OWNER_TAG;
use lightsail_operator::lease::HeldLease;
use lightsail_operator::lightsail::{
    ErrorKind, HttpOptions, Lightsail, Result, Sessions, Sources, http_client,
};
use lightsail_operator::metrics::Metrics;
use lightsail_operator::readiness::Readiness;
use serde_json::{Value, json};
use testbed::simulator::{Options, Simulator};

use crate::iam_files::{actions, document, folder, statements};
use crate::tenants;

const ACCOUNT: &str = "123456789012";
const HERE: &str = "eu-west-1";
const TIMEOUT: Duration = Duration::from_secs(20);
const ELSEWHERE: &str = "eu-west-2";
const KEY: &str = "ssh-ed25519 \
                   AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA \
                   nobody@example.com";
const OWN: &[(&str, &str)] = &[(OWNER_TAG, "test/team-a/target")];
const OF_OLD: &[(&str, &str)] = &[(OWNER_TAG, "old/team-a/target")];
const OF_THIRD: &[(&str, &str)] = &[(OWNER_TAG, "third/team-z/target")];
const PLAIN: &[(&str, &str)] = &[("team", "a")];
const NONE: &[(&str, &str)] = &[];

/// A call, on the key pair `target` or the instance `web-1` where it is about one.
#[derive(Clone, Copy, Debug)]
enum Call {
    Import,
    Delete,
    Tag(&'static [(&'static str, &'static str)]),
    Download,
    Reset,
}

/// What is weakened in a statement.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A condition: operator and key.
    Condition(&'static str, &'static str),
    /// The ARN.
    Resource,
}

use Call::{Delete, Download, Import, Reset, Tag};
use Part::{Condition, Resource};

const REGION_KEY: &str = "aws:RequestedRegion";
const HAS_OWNER: &str = "aws:ResourceTag/lightsail-operator.dev/owner";
const GETS_OWNER: &str = "aws:RequestTag/lightsail-operator.dev/owner";

/// What it is, the statement, the part of it that matters, the region, the tags that the target has
/// there, and the call.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Part,
    &'static str,
    &'static [(&'static str, &'static str)],
    Call,
);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("nothing is imported into another region",
     "key-pairs", "ImportKeyPairs", Condition("StringEquals", REGION_KEY), ELSEWHERE, NONE, Import),
    ("a key pair of another cluster is not claimed",
     "key-pairs", "ClaimKeyPairsWithoutOwner", Condition("Null", HAS_OWNER), HERE, OF_OLD,
         Tag(OWN)),
    ("a key pair without an owner is claimed, and not tagged otherwise",
     "key-pairs", "ClaimKeyPairsWithoutOwner", Condition("StringLike", GETS_OWNER), HERE, NONE,
         Tag(PLAIN)),
    ("nothing is claimed in another region",
     "key-pairs", "ClaimKeyPairsWithoutOwner", Resource, ELSEWHERE, NONE, Tag(OWN)),
    ("a key pair of another owner is not deleted, even if the operator wanted to",
     "key-pairs", "KeepAndDeleteOwnKeyPairs", Condition("StringLike", HAS_OWNER), HERE, OF_OLD,
         Delete),
    ("nor one without an owner",
     "key-pairs", "KeepAndDeleteOwnKeyPairs", Condition("StringLike", HAS_OWNER), HERE, NONE,
         Delete),
    ("nothing is deleted in another region",
     "key-pairs", "KeepAndDeleteOwnKeyPairs", Resource, ELSEWHERE, OWN, Delete),
    ("a key pair is taken over from the old cluster only",
     "key-pair-take-over", "TakeOverKeyPairsOfAnotherCluster", Condition("StringLike", HAS_OWNER),
         HERE, OF_THIRD, Tag(OWN)),
    ("and by this cluster only",
     "key-pair-take-over", "TakeOverKeyPairsOfAnotherCluster", Condition("StringLike",
         GETS_OWNER), HERE, OF_OLD, Tag(OF_THIRD)),
    ("and in this region only",
     "key-pair-take-over", "TakeOverKeyPairsOfAnotherCluster", Resource, ELSEWHERE, OF_OLD,
         Tag(OWN)),
    ("no default key pair is downloaded, or created, in another region",
     "default-key-pairs", "DownloadDefaultKeyPair", Condition("StringEquals", REGION_KEY),
         ELSEWHERE, NONE, Download),
    ("tags for default key pairs are not for key pairs that have an owner",
     "default-key-pairs", "TagKeyPairsWithoutOwner", Condition("Null", HAS_OWNER), HERE, OWN,
         Tag(PLAIN)),
    ("nor to make oneself the owner",
     "default-key-pairs", "TagKeyPairsWithoutOwner", Condition("Null", GETS_OWNER), HERE, NONE,
         Tag(OF_THIRD)),
    ("nor for another region",
     "default-key-pairs", "TagKeyPairsWithoutOwner", Resource, ELSEWHERE, NONE, Tag(PLAIN)),
    ("the right to delete the default key pair is not one to delete others",
     "default-key-pair-deletion", "DeleteThisDefaultKeyPair", Resource, HERE, OWN, Delete),
    ("the host keys of an instance that is not tagged for it are not reset",
     "host-key-resets", "ResetHostKeysOfTaggedInstances",
     Condition("StringEquals", "aws:ResourceTag/lightsail-operator.dev/host-key-resets"), HERE,
         NONE, Reset),
    ("nor those in another region",
     "host-key-resets", "ResetHostKeysOfTaggedInstances", Resource, ELSEWHERE,
     &[("lightsail-operator.dev/host-key-resets", "allowed")], Reset),
    // This one denies: without its condition, what is not protected is denied too.
    ("what is not protected is not denied",
     "protected", "LeaveProtectedKeyPairsAlone",
     Condition("StringEquals", "aws:ResourceTag/lightsail-operator.dev/protected"), HERE, OWN,
         Delete),
];

async fn lightsail(simulator: &Simulator, region: &str) -> Lightsail {
    let keys = simulator.add_account(ACCOUNT);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(simulator.url())
        .http_client(
            http_client(HttpOptions { call_timeout: TIMEOUT, ..HttpOptions::default() }).unwrap(),
        )
        .region(Region::new(HERE))
        .credentials_provider(Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            None,
            None,
            "test",
        ))
        .load()
        .await;
    let sessions = Sessions::new(
        config,
        Sources::default(),
        TIMEOUT,
        Arc::default(),
        HeldLease::unlimited(),
        Metrics::default(),
        Readiness::default(),
    );
    let (region, namespace) = (region.into(), "team-a".into());
    sessions.open(None, &region, &namespace).await.unwrap().own
}

/// Makes the call of a row in a fresh world under these statements.
async fn outcome(row: &Row, change: impl Fn(&mut Value)) -> Result<()> {
    let (_, file, sid, _, region, tags, call) = *row;
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator, region).await;
    let there = simulator.region(ACCOUNT, region);
    let default_key_pair = there.create_default_key_pair().arn;
    let target = there.import_key_pair("target", KEY);
    there.add_instance("web-1");
    let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, Some(*value))).collect();
    there.set_tags("target", &tags);
    there.set_tags("web-1", &tags);

    let mut policy =
        statements(&format!("{file}.json"), default_key_pair.rsplit('/').next().unwrap());
    let statement = policy.iter_mut().find(|statement| statement["Sid"] == sid).unwrap();
    change(statement);
    if statement["Effect"] == "Deny" {
        policy.push(json!({ "Effect": "Allow", "Action": "lightsail:*", "Resource": "*" }));
    }
    simulator.set_policy(ACCOUNT, Some(&document(&policy))).unwrap();
    match call {
        Import => lightsail.import_key_pair(&"new".into(), KEY, &|| true).await.map(drop),
        Delete => lightsail.delete_key_pair(&"target".into(), None).await.map(drop),
        Tag(tags) => {
            let pair = lightsail_operator::lightsail::KeyPair {
                name: target.name.into(),
                arn: target.arn.into(),
                created_at: None,
                support_code: None,
                fingerprint: None,
                tags: lightsail_operator::lightsail::Tags::default(),
            };
            let tags =
                tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            lightsail.tag(&pair, &tags).await
        }
        Download => lightsail.download_default_key_pair().await.map(drop),
        Reset => lightsail.delete_known_host_keys("web-1", &|| true).await.map(drop),
    }
}

/// Takes the condition out of a statement, or lets its ARN be all.
fn weaken(statement: &mut Value, part: Part) {
    match part {
        Resource => {
            assert_ne!(statement["Resource"], "*");
            statement["Resource"] = json!("*");
        }
        Condition(operator, key) => {
            let keys = statement["Condition"][operator].as_object_mut().unwrap();
            assert!(keys.remove(key).is_some(), "{key}");
        }
    }
}

#[tokio::test]
async fn every_condition_and_arn_keeps_something_out() {
    for row in ROWS {
        let (name, file, sid, part, ..) = *row;
        let allows = statements(&format!("{file}.json"), "any")
            .iter()
            .any(|it| it["Sid"] == sid && it["Effect"] == "Allow");
        let with = outcome(row, |_| ()).await;
        let without = outcome(row, |statement| weaken(statement, part)).await;
        let (denied, done) = if allows { (with, without) } else { (without, with) };
        assert_eq!(denied.map_err(|error| error.kind), Err(ErrorKind::Denied), "{name}");
        assert!(done.is_ok(), "{name}: {done:?}");
    }
}

#[test]
fn the_rows_above_speak_of_every_condition_and_arn() {
    let mut in_rows = BTreeSet::new();
    for (_, file, sid, part, ..) in ROWS {
        in_rows.insert(format!("{file} {sid} {part:?}"));
    }
    let mut in_files = BTreeSet::new();
    for file in files().iter().filter(|file| !tenants::FILES.contains(&file.as_str())) {
        for statement in statements(&format!("{file}.json"), "any") {
            let mut note = |part: &str| {
                in_files.insert(format!("{file} {} {part}", statement["Sid"].as_str().unwrap()))
            };
            if statement["Resource"] != "*" {
                note("Resource");
            }
            for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
                for key in keys.as_object().unwrap().keys() {
                    note(&format!("Condition({operator:?}, {key:?})"));
                }
            }
        }
    }
    assert_eq!(in_rows, in_files);
}

fn files() -> Vec<String> {
    let entries = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        entries.map(|name| name.strip_suffix(".json").unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The calls of `src/lightsail` are the actions of the policies: none is missing, and none is
/// allowed for nothing.
#[test]
fn the_policies_allow_what_the_operator_calls() {
    let source = std::fs::read_to_string(folder().join("../../src/lightsail/client.rs")).unwrap();
    let shipped = source.split("#[cfg(test)]").next().unwrap();
    let is_operation = |word: &&str| {
        let verbs =
            ["Get", "Import", "Delete", "Download", "Tag", "Untag", "Create", "Update", "Put"];
        word.chars().all(|char| char.is_ascii_alphabetic())
            && verbs.iter().any(|verb| word.starts_with(verb))
    };
    let called: BTreeSet<String> = shipped
        .split('"')
        .filter(is_operation)
        .map(|operation| format!("lightsail:{operation}"))
        .collect();
    let allows = |statement: &Value| statement["Effect"] == "Allow";
    let statements =
        files().into_iter().flat_map(|file| statements(&format!("{file}.json"), "any"));
    let mut allowed: BTreeSet<String> =
        statements.filter(allows).flat_map(|statement| actions(&statement)).collect();
    allowed.retain(|action| action.starts_with("lightsail:"));
    assert_eq!(called, allowed);
    assert!(called.len() >= 12, "{called:?}");
}

/// If Lightsail does not check an instance's tags for this action, nothing is reset: it fails on
/// the safe side.
#[tokio::test]
async fn a_lightsail_without_resource_level_resets_denies_them() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.set_switches(|switches| switches.reset_is_resource_level = false);
    let lightsail = lightsail(&simulator, HERE).await;
    let there = simulator.region(ACCOUNT, HERE);
    there.add_instance("web-1");
    there.set_tags("web-1", &[("lightsail-operator.dev/host-key-resets", Some("allowed"))]);
    simulator
        .set_policy(ACCOUNT, Some(&document(&statements("host-key-resets.json", "any"))))
        .unwrap();
    assert_eq!(
        lightsail.delete_known_host_keys("web-1", &|| true).await.unwrap_err().kind,
        ErrorKind::Denied
    );
}

/// The page has every file, and says what every placeholder is.
#[test]
fn the_page_speaks_of_every_file_and_placeholder() {
    let page = std::fs::read_to_string(folder().join("../iam.md")).unwrap();
    for file in files() {
        assert!(page.contains(&format!("| [{file}.json](iam/{file}.json) |")), "{file}");
        let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
        for placeholder in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            assert!(page.contains(&format!("| `<{placeholder}>` |")), "{placeholder}");
        }
    }
}
