//! What nobody knows of Lightsail: the operator is right with either answer. Each row turns
//! switches of the simulator and runs key pairs of each type and resets from their application to
//! their end, what Lightsail refuses among them.

use futures::StreamExt;
use lightsail_operator::api::conditions::{COMPLETE, is_true};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::simulator::{Fault, FaultEffect, KeyPair, Switches};

use crate::bed::{ACCOUNT, Bed, REGION, default_pair, imported, public_key, ready_reason, reset};

/// Some switches with their other answers, and what is different then: the reason of an object,
/// by its name, or that the default pair has [`NO_FINGERPRINT`].
type Row = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

/// Without one the default pair cannot be deleted.
const NO_FINGERPRINT: (&str, &str) = ("default", "FingerprintMismatch");

const ROWS: &[Row] = &[
    (&[("errorTypeHeader", "true")], &[]),
    (&[("modelHttpStatuses", "true")], &[]),
    (&[("errorTypeHeader", "true"), ("modelHttpStatuses", "true")], &[]),
    (&[("fingerprints", "false")], &[NO_FINGERPRINT]),
    (&[("defaultPairFingerprint", "false")], &[NO_FINGERPRINT]),
    (&[("importedRsaFingerprint", "Md5OfBlob")], &[]),
    (&[("defaultPairFingerprintForm", "Sha1OfPrivateKey")], &[]),
    (&[("defaultPairFingerprintForm", "Md5OfBlob")], &[]),
    (&[("ed25519Fingerprint", "Unpadded")], &[]),
    (&[("ed25519Fingerprint", "Prefixed")], &[]),
    // It has 3072 bits.
    (&[("ec2RsaSizesOnly", "true")], &[("rsa", "InvalidPublicKey")]),
    (&[("privateKeysAsBase64", "true")], &[]),
    (&[("dotsInNames", "false")], &[(DOTTED, "OperationFailed")]),
    (&[("maxNameLength", "30")], &[(DOTTED, "OperationFailed")]),
    (&[("defaultNameReserved", "false")], &[]),
    (&[("defaultPairByName", "false")], &[]),
    (&[("defaultPairTaggable", "false")], &[]),
    (&[("expectedFingerprintOnCustomPairs", "false")], &[]),
    (&[("mismatchError", "OperationFailure")], &[]),
    (&[("mismatchError", "OperationFailure"), ("errorTypeHeader", "true")], &[]),
    (&[("pageSize", "1")], &[]),
    (&[("operationPolls", "2")], &[]),
    (&[("operationTime", "0.5")], &[]),
    (&[("operationStatus", "Completed")], &[]),
    (&[("keyPairOperationPolls", "2")], &[]),
    (&[("keyPairOperationStatus", "Completed")], &[]),
    (&[("importOperationType", "Absent")], &[]),
    (&[("importOperationType", "CreateKeyPair")], &[]),
    (&[("resetOperations", "0")], &[]),
    (&[("resetOperations", "3")], &[]),
    (&[("operationPolls", "1"), ("operationRetention", "0.001")], &[("once", "OutcomeUnknown")]),
    (&[("operationsOfKeyPairs", "false")], &[]),
    (&[("newestOperationsFirst", "false")], &[]),
    (&[("hostKeysAtLaunch", "false")], &[]),
    (
        &[("hostKeysAtLaunch", "false"), ("resetWithoutRecordSucceeds", "false")],
        &[("once", "InstanceNotFound")],
    ),
    (&[("hostKeysReturnAtOnce", "true")], &[]),
    (&[("notFoundBeforeDenied", "false")], &[]),
    (&[("notFoundBeforeDenied", "false"), ("modelHttpStatuses", "true")], &[]),
];

/// The switches of no row, and why.
const IN_NO_ROW: &[(&str, &str)] = &[
    ("createdFingerprint", "the operator never calls CreateKeyPair"),
    ("createdPairIsShort", "the operator never calls CreateKeyPair"),
    ("blobAlone", "the operator sends a line with its type"),
    ("trailingNewline", "the operator sends a line without its end"),
    ("otherKeyTypes", "the operator refuses them itself"),
    ("otherKeyFormats", "the operator refuses them itself"),
    ("keyPairLag", "it is about an object that is created again: see old_reads"),
    ("operationListLag", "it is about a lost answer: see interrupted_resets"),
    ("setup", "it is about errors: see errors_of_lightsail"),
    ("knownRegionsOnly", "it is about regions that are not there: see neighbors"),
    ("resetIsResourceLevel", "it decides what policies can say: see the offline test of them"),
    ("inheritedTagsInRequest", "no session tag of the operator's is transitive"),
    ("requestsPerSecond", "it is about a limit: see errors_of_lightsail"),
    ("burst", "it is about a limit: see errors_of_lightsail"),
    ("latency", "it is no answer"),
];

#[test]
fn every_switch_is_in_a_row_or_it_is_known_why_not() {
    let Value::Object(all) = serde_json::to_value(Switches::default()).unwrap() else {
        panic!("an object")
    };
    let turned = |name: &str| ROWS.iter().any(|(row, _)| row.iter().any(|(it, _)| *it == name));
    let left_out = |name: &str| IN_NO_ROW.iter().any(|(it, _)| *it == name);
    for name in all.keys() {
        assert!(turned(name) != left_out(name), "{name} is in neither list, or in both");
    }
    for (name, _) in IN_NO_ROW {
        assert!(all.contains_key(*name), "there is no switch {name}");
    }
    for (row, _) in ROWS {
        for (name, value) in *row {
            let mut switches = Switches::default();
            switches.set(name, value).unwrap();
            assert_ne!(switches, Switches::default(), "{name} is {value} by default");
        }
    }
}

/// The instance has this name already.
const TAKEN: &str = "web-1";
const DOTTED: &str = "a.name-of-more-than-30-characters";

/// The imported and generated pairs, and what they come to show where nothing is different.
const KEY_PAIRS: [(&str, &str); 5] = [
    ("rsa", "Imported"),
    ("made", "Generated"),
    (DOTTED, "Imported"),
    ("gone", "Imported"),
    (TAKEN, "NameConflict"),
];

/// Whatever is there may be deleted, and no tag may be taken off.
fn policy() -> String {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Resource": "*",
          "NotAction": ["lightsail:DeleteKeyPair", "lightsail:UntagResource"] },
        { "Effect": "Allow", "Resource": "arn:aws:lightsail:*:*:KeyPair/*",
          "Action": "lightsail:DeleteKeyPair" },
    ] })
    .to_string()
}

async fn check((switches, differences): Row) {
    let row = format!("{switches:?}");
    let reason_of = |name: &'static str, reason: &'static str| {
        differences.iter().find(|(it, _)| *it == name).map_or(reason, |(_, other)| *other)
    };
    let bed = Bed::new("switch").await;
    bed.region.set_switches(|all| {
        for (name, value) in switches {
            all.set(name, value).unwrap();
        }
    });
    bed.region.add_instance("web-1");
    bed.region.create_default_key_pair();
    bed.simulator.set_policy(ACCOUNT, Some(&policy())).unwrap();
    let _operator = bed.start().await;
    for (name, reason) in KEY_PAIRS {
        let spec = match (name, reason) {
            (_, "Generated") => {
                json!({ "type": "Generated", "region": REGION, "tags": { "team": "a" } })
            }
            ("rsa", _) => imported(&public_key("rsa")),
            _ => imported(&public_key("ed25519")),
        };
        bed.create::<LightsailKeyPair>(name, &spec).await;
    }
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    bed.create::<HostKeyReset>("once", &reset()).await;
    let mut elsewhere = reset();
    elsewhere["instanceName"] = json!("nowhere");
    bed.create::<HostKeyReset>("nowhere", &elsewhere).await;
    let key_pairs = KEY_PAIRS.map(|(name, reason)| (name, reason_of(name, reason)));
    for (name, reason) in key_pairs {
        if is_made(reason) {
            bed.wait_ready::<LightsailKeyPair>(name, reason).await;
        } else {
            bed.wait_stalled::<LightsailKeyPair>(name, reason).await;
        }
    }
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    let resets =
        [("once", reason_of("once", "OperationSucceeded")), ("nowhere", "InstanceNotFound")];
    for (name, reason) in resets {
        let is_over = |reset: &HostKeyReset| {
            let status = reset.status.clone().unwrap_or_default();
            status.completion_time.is_some()
                && is_true(&status.conditions, COMPLETE) == (reason == "OperationSucceeded")
                && ready_reason(reset) == reason
        };
        bed.wait(name, &format!("{row}: {reason}"), is_over).await;
    }
    // The policy denies it.
    bed.patch::<LightsailKeyPair>("made", &json!({ "spec": { "tags": null } })).await;
    bed.wait_stalled::<LightsailKeyPair>("made", "AccessDenied").await;
    if reason_of(DOTTED, "Imported") != "Imported" {
        // Lightsail does not say that there is no such pair, so only its release ends the object.
        let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
        bed.patch::<LightsailKeyPair>(DOTTED, &retain).await;
    }
    delete_key_pairs(&bed, &row).await;
    let has_no_fingerprint = differences.contains(&NO_FINGERPRINT);
    delete_default_pair(&bed, &row, has_no_fingerprint).await;
    check_calls(&bed, &row, &key_pairs, if has_no_fingerprint { 1 } else { 2 });
}

fn is_made(reason: &str) -> bool {
    ["Imported", "Generated"].contains(&reason)
}

async fn delete_key_pairs(bed: &Bed, row: &str) {
    // Somebody is faster than the operator: the policy allows to delete what is there.
    let held = Fault::new("DeleteKeyPair", FaultEffect::HoldBefore).on("gone").times(1);
    let held = bed.region.add_fault(held);
    bed.delete::<LightsailKeyPair>("gone").await;
    held.reached().await;
    assert!(bed.region.delete_key_pair("gone"), "{row}");
    held.release();
    for (name, _) in KEY_PAIRS {
        if name != "gone" {
            bed.delete::<LightsailKeyPair>(name).await;
        }
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
}

/// Deletes the default pair, in whose place somebody puts another one meanwhile: only that one is
/// left, and it goes when it is the expected one.
async fn delete_default_pair(bed: &Bed, row: &str, has_no_fingerprint: bool) {
    let absent = async |pair: &KeyPair| {
        let spec = json!({ "ensure": "Absent", "expectedFingerprint": pair.fingerprint });
        bed.patch::<LightsailKeyPair>("default", &json!({ "spec": spec })).await;
    };
    let there = bed.region.find_default_key_pair().unwrap();
    if has_no_fingerprint {
        // I2: what Lightsail does not tell cannot be as expected.
        absent(&there).await;
        bed.wait_stalled::<LightsailKeyPair>("default", "FingerprintMismatch").await;
        assert_eq!(bed.region.key_pairs(), [there], "{row}");
        return;
    }
    let held = Fault::new("DeleteKeyPair", FaultEffect::HoldBefore).on(&there.name).times(1);
    let held = bed.region.add_fault(held);
    absent(&there).await;
    held.reached().await;
    assert!(bed.region.delete_key_pair(&there.name), "{row}");
    let other = bed.region.create_default_key_pair();
    held.release();
    bed.wait_stalled::<LightsailKeyPair>("default", "FingerprintMismatch").await;
    assert_eq!(bed.region.key_pairs(), std::slice::from_ref(&other), "{row}");
    absent(&other).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
    assert_eq!(bed.region.key_pairs(), [], "{row}");
}

/// Each default pair is downloaded, and what was imported or reset stays so.
///
/// On a busy machine a call may be given up before the simulator acts on it, and is sent again.
/// Otherwise nothing is asked for twice.
fn check_calls(bed: &Bed, row: &str, key_pairs: &[(&str, &str)], default_pairs: usize) {
    let requests = bed.simulator.requests();
    let count = |operation: &str, resource: Option<&str>| {
        let is_meant = |it: &&testbed::simulator::Request| {
            it.operation == operation && it.resource.as_deref() == resource
        };
        requests.iter().filter(is_meant).filter(|it| it.outcome != "abandoned").count()
    };
    for (name, _) in key_pairs.iter().filter(|(_, reason)| is_made(reason)) {
        assert_eq!(count("ImportKeyPair", Some(name)), 1, "{row}: {name}");
    }
    assert_eq!(count("DownloadDefaultKeyPair", None), default_pairs, "{row}");
    assert_eq!(count("DeleteKnownHostKeys", Some("web-1")), 1, "{row}");
    assert_eq!(count("DeleteKnownHostKeys", Some("nowhere")), 0, "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_answer_of_what_nobody_knows_is_good() {
    futures::stream::iter(ROWS).for_each_concurrent(4, |row| check(*row)).await;
}
