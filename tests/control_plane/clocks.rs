//! Clocks that jump, Lightsail's and the operator's own: nothing is done twice, and nothing is
//! given up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, NewInstance};

use crate::bed::{Bed, REGION, imported, public_key, ready_reason, reset, set, wait_for};

/// Lightsail's clock is not the cluster's; where it jumps, nothing is concluded from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_of_lightsail_that_jumps_does_no_harm() {
    for offset in [-7_200, 7_200] {
        let bed = Bed::new("clock").await;
        let _operator = bed.start().await;
        bed.create::<LightsailKeyPair>("before", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("before", "Imported").await;
        bed.simulator.set_clock_offset(offset);
        bed.create::<LightsailKeyPair>("after", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("after", "Imported").await;
        for name in ["before", "after"] {
            bed.delete::<LightsailKeyPair>(name).await;
            bed.wait_gone::<LightsailKeyPair>(name).await;
        }
        assert_eq!(bed.region.key_pairs(), [], "{offset} s");
    }
}

/// The library that Debian's `faketime` preloads.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let library = folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|file| file.exists());
    library.expect("make setup installs faketime")
}

/// An operator whose wall clock is this file's.
struct Jumping {
    operator: Operator,
    file: PathBuf,
}

impl Jumping {
    async fn start(bed: &Bed, settle_time: Duration) -> Self {
        let mut options = bed.options(None).await;
        set(&mut options, "--settle-time", &format!("{}s", settle_time.as_secs()));
        options.arguments.push(format!("--source-grace={}s", GRACE.as_secs()));
        let file = options.log.with_file_name("clock");
        std::fs::write(&file, "+0").unwrap();
        let preload = [
            ("LD_PRELOAD", faketime()),
            ("FAKETIME_TIMESTAMP_FILE", file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            // Pauses are measured by another clock, which does not jump.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        let preload =
            preload.map(|(name, value)| (name.to_owned(), value.to_str().unwrap().to_owned()));
        options.environment.extend(preload);
        Self { operator: Operator::start(options).await.unwrap(), file }
    }

    fn jump(&self, by: &str) {
        // In one step: an empty file would be no offset.
        let new = self.file.with_extension("new");
        std::fs::write(&new, by).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}

/// More than a signature is good for, and more than a reset may take.
const JUMPS: [&str; 2] = ["-2h", "+2h"];
/// How long a missing source is waited for.
const GRACE: Duration = Duration::from_secs(6);
/// `--aws-call-timeout` of [`Bed::options`].
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// `--settle-time` where nothing is searched for, as in [`Bed::options`].
const SHORT: Duration = Duration::from_secs(3);
/// The same for a search, which may be late on a busy machine.
const SETTLE_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_clock_of_the_operator_that_jumps_does_no_harm() {
    let checks = JUMPS.map(|jump| async move {
        let bed = Bed::new("own-clock").await;
        let own = Jumping::start(&bed, SHORT).await;
        bed.create::<LightsailKeyPair>("before", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("before", "Imported").await;
        bed.region.launch(NewInstance { name: "web-1".to_owned(), ..NewInstance::default() });
        // A reset is under way.
        bed.region.set_switches(|switches| switches.operation_polls = 4);
        bed.create::<HostKeyReset>("running", &reset()).await;
        wait_for("the call", async || bed.calls("DeleteKnownHostKeys") > 0).await;
        own.jump(jump);
        bed.create::<LightsailKeyPair>("after", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("after", "Imported").await;
        let is_over = |reset: &HostKeyReset| ready_reason(reset) == "OperationSucceeded";
        bed.wait("running", &format!("{jump}: done"), is_over).await;
        for name in ["before", "after"] {
            bed.delete::<LightsailKeyPair>(name).await;
            bed.wait_gone::<LightsailKeyPair>(name).await;
        }
        assert_eq!(bed.region.key_pairs(), [], "{jump}");
        assert_eq!(bed.calls("DeleteKnownHostKeys"), 1, "{jump}");
        let (status, body) = own.operator.get("/readyz").await.unwrap();
        assert_eq!(status, 200, "{jump}: {body}");
        let log = own.operator.log_text();
        assert!(log.contains("the wall clock jumped"), "{jump}: {log}");
    });
    futures::future::join_all(checks).await;
}

/// A search for an operation takes as long as it would have taken, and the next reset its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_search_neither_hangs_nor_ends_early_when_the_clock_jumps() {
    // One takes effect when it is not waited for any more, the other never does.
    let late = FaultEffect::Late(CALL_TIMEOUT + Duration::from_secs(2));
    let rows = [(late, "OperationSucceeded", 2), (FaultEffect::HoldBefore, "OutcomeUnknown", 1)];
    let rows = rows.into_iter().flat_map(|row| JUMPS.map(|jump| (jump, row.clone())));
    let checks = rows.map(|(jump, (effect, expected, resets))| async move {
        let bed = Bed::new("search-clock").await;
        let own = Jumping::start(&bed, SETTLE_TIME).await;
        bed.region.launch(NewInstance { name: "web-1".to_owned(), ..NewInstance::default() });
        let operation = "DeleteKnownHostKeys".to_owned();
        let fault = bed.region.add_fault(Fault { operation, resource: None, times: 1, effect });
        bed.create::<HostKeyReset>("lost", &reset()).await;
        fault.reached().await;
        let called_at = Instant::now();
        bed.create::<HostKeyReset>("next", &reset()).await;
        let is_waiting = |reset: &HostKeyReset| ready_reason(reset) == "WaitingForTurn";
        bed.wait("next", "its turn", is_waiting).await;
        own.jump(jump);
        let is_over = |reset: &HostKeyReset| {
            reset.status.as_ref().is_some_and(|status| status.completion_time.is_some())
        };
        let lost = bed.wait("lost", &format!("{jump}: over"), is_over).await;
        let waited = called_at.elapsed();
        assert_eq!(ready_reason(&lost), expected, "{jump}: {waited:?}");
        let needed =
            if expected == "OutcomeUnknown" { CALL_TIMEOUT + SETTLE_TIME } else { CALL_TIMEOUT };
        assert!(waited >= needed, "{jump}: {waited:?}");
        let next = bed.wait("next", &format!("{jump}: over"), is_over).await;
        assert_eq!(ready_reason(&next), "OperationSucceeded", "{jump}");
        assert_eq!(bed.region.known_host_keys_resets("web-1"), resets, "{jump}");
        assert_eq!(bed.calls("DeleteKnownHostKeys"), 2, "{jump}");
    });
    futures::future::join_all(checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_what_is_missing_is_waited_for_as_long_when_the_clock_jumps() {
    let checks = JUMPS.map(|jump| async move {
        let bed = Bed::new("grace-clock").await;
        let own = Jumping::start(&bed, SHORT).await;
        let source = serde_json::json!({ "configMapKeyRef": { "name": "keys", "key": "fleet" } });
        let spec = serde_json::json!({ "type": "Imported", "region": REGION,
            "imported": { "publicKeyFrom": source } });
        let created_at = Instant::now();
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
        let is_waiting = |pair: &LightsailKeyPair| ready_reason(pair) == "SourceNotFound";
        bed.wait("fleet", "missed", is_waiting).await;
        own.jump(jump);
        bed.wait_stalled::<LightsailKeyPair>("fleet", "SourceNotFound").await;
        assert!(created_at.elapsed() >= GRACE, "{jump}: {:?}", created_at.elapsed());
    });
    futures::future::join_all(checks).await;
}
