//! Clocks that jump, Lightsail's and the operator's own: nothing is done twice, and nothing is
//! given up.

use std::path::PathBuf;

use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use testbed::operator::Operator;
use testbed::simulator::NewInstance;

use crate::bed::{Bed, imported, public_key, ready_reason, reset, wait_for};

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

/// The operator's own clock jumps under it, by more than a signature is good for and a reset may
/// take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_clock_of_the_operator_that_jumps_does_no_harm() {
    let checks = ["-2h", "+2h"].map(|jump| async move {
        let bed = Bed::new("own-clock").await;
        let mut options = bed.options(None).await;
        let file = options.log.with_file_name("clock");
        let set = |offset: &str| std::fs::write(&file, offset).unwrap();
        set("+0");
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
        let operator = Operator::start(options).await.unwrap();
        bed.create::<LightsailKeyPair>("before", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("before", "Imported").await;
        bed.region.launch(NewInstance { name: "web-1".to_owned(), ..NewInstance::default() });
        // A reset is under way.
        bed.region.set_switches(|switches| switches.operation_polls = 4);
        bed.create::<HostKeyReset>("running", &reset()).await;
        wait_for("the call", async || bed.calls("DeleteKnownHostKeys") > 0).await;
        set(jump);
        bed.create::<LightsailKeyPair>("after", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("after", "Imported").await;
        let is_over = |reset: &HostKeyReset| {
            !ready_reason(reset).is_empty()
                && reset.status.as_ref().unwrap().completion_time.is_some()
        };
        let over = bed.wait("running", &format!("{jump}: over"), is_over).await;
        // Forward, its deadline is over by that clock.
        assert!(
            ["OperationSucceeded", "DeadlineExceeded"].contains(&ready_reason(&over).as_str()),
            "{jump}"
        );
        for name in ["before", "after"] {
            bed.delete::<LightsailKeyPair>(name).await;
            bed.wait_gone::<LightsailKeyPair>(name).await;
        }
        assert_eq!(bed.region.key_pairs(), [], "{jump}");
        assert_eq!(bed.calls("DeleteKnownHostKeys"), 1, "{jump}");
        let (status, body) = operator.get("/readyz").await.unwrap();
        assert_eq!(status, 200, "{jump}: {body}");
    });
    futures::future::join_all(checks).await;
}
