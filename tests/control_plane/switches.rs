//! What nobody knows of Lightsail: the operator is right with either answer. Each row turns one
//! switch of the simulator and runs a key pair of each type and a reset from their application to
//! their end.

use futures::StreamExt;
use lightsail_operator::api::conditions::{COMPLETE, is_true};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::json;

use crate::bed::{Bed, REGION, default_pair, imported, public_key, reset};

/// The switch and its other answer; whether the default pair has a fingerprint then, by which it
/// can be deleted.
const ROWS: &[(&str, &str, bool)] = &[
    ("errorTypeHeader", "true", true),
    ("modelHttpStatuses", "true", true),
    ("fingerprints", "false", false),
    ("defaultPairFingerprint", "false", false),
    ("importedRsaFingerprint", "Md5OfBlob", true),
    ("defaultPairFingerprintForm", "Sha1OfPrivateKey", true),
    ("defaultPairFingerprintForm", "Md5OfBlob", true),
    ("ed25519Fingerprint", "Unpadded", true),
    ("ed25519Fingerprint", "Prefixed", true),
    ("privateKeysAsBase64", "true", true),
    ("defaultNameReserved", "false", true),
    ("defaultPairByName", "false", true),
    ("defaultPairTaggable", "false", true),
    ("expectedFingerprintOnCustomPairs", "false", true),
    ("mismatchError", "OperationFailure", true),
    ("pageSize", "1", true),
    ("operationPolls", "2", true),
    ("operationTime", "0.5", true),
    ("operationStatus", "Completed", true),
    ("keyPairOperationPolls", "2", true),
    ("keyPairOperationStatus", "Completed", true),
    ("importOperationType", "Absent", true),
    ("importOperationType", "CreateKeyPair", true),
    ("resetOperations", "0", true),
    ("resetOperations", "3", true),
    ("operationsOfKeyPairs", "false", true),
    ("newestOperationsFirst", "false", true),
    ("hostKeysAtLaunch", "false", true),
    ("hostKeysReturnAtOnce", "true", true),
    ("notFoundBeforeDenied", "false", true),
];

async fn check((switch, value, has_fingerprint): (&str, &str, bool)) {
    let bed = Bed::new("switch").await;
    bed.region.set_switches(|switches| switches.set(switch, value).unwrap());
    bed.region.add_instance("web-1");
    bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("rsa", &imported(&public_key("rsa"))).await;
    bed.create::<LightsailKeyPair>("made", &json!({ "type": "Generated", "region": REGION })).await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    bed.create::<HostKeyReset>("once", &reset()).await;
    for (name, reason) in [("rsa", "Imported"), ("made", "Generated"), ("default", "Downloaded")] {
        bed.wait_ready::<LightsailKeyPair>(name, reason).await;
    }
    let is_complete = |reset: &HostKeyReset| {
        is_true(&reset.status.clone().unwrap_or_default().conditions, COMPLETE)
    };
    bed.wait("once", &format!("{switch}: Complete"), is_complete).await;
    for name in ["rsa", "made"] {
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    let there = bed.region.find_default_key_pair().unwrap();
    let absent =
        json!({ "spec": { "ensure": "Absent", "expectedFingerprint": there.fingerprint } });
    bed.patch::<LightsailKeyPair>("default", &absent).await;
    if has_fingerprint {
        bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
        assert_eq!(bed.region.key_pairs(), [], "{switch} {value}");
    } else {
        // I2: what Lightsail does not tell cannot be as expected.
        bed.wait_stalled::<LightsailKeyPair>("default", "FingerprintMismatch").await;
        assert_eq!(bed.region.key_pairs(), [there], "{switch} {value}");
    }
    // On a busy machine a call may be given up before the simulator acts on it, and is sent again.
    let requests = bed.simulator.requests();
    let counts = ["ImportKeyPair", "DownloadDefaultKeyPair", "DeleteKnownHostKeys"].map(|asked| {
        let is_meant =
            |operation: &str, outcome: &str| operation == asked && outcome != "abandoned";
        requests.iter().filter(|it| is_meant(&it.operation, &it.outcome)).count()
    });
    assert_eq!(counts, [2, 1, 1], "{switch} {value}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_answer_of_what_nobody_knows_is_good() {
    futures::stream::iter(ROWS).for_each_concurrent(4, |row| check(*row)).await;
}
