//! Answers that are none, and an API server that does not keep still: the operator stays up, says
//! so, and heals.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::Method;
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, NewInstance};

use crate::bed::{Bed, imported, public_key, ready_reason, reset};

async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(90), "it does not come to this: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_list_that_is_none_is_said_and_heals() {
    let body = |body: &str| FaultEffect::Body { status: 200, body: body.to_owned() };
    let cases = [
        ("garbage", FaultEffect::Garbage),
        ("half a page", FaultEffect::HalfAnswer),
        ("the same token for ever", FaultEffect::RepeatPageToken),
        ("nothing until the timeout", FaultEffect::Hang),
        ("another kind of answer", body("[1, 2]")),
        ("a pair without a name", body(r#"{"keyPairs":[{"arn":"a"}]}"#)),
    ];
    let checks = cases.into_iter().map(|(name, effect)| async move {
        let bed = Bed::new("garbage").await;
        // A token is repeated only where there is one.
        bed.region.set_switches(|switches| switches.page_size = 1);
        for number in 0..3 {
            bed.region.import_key_pair(&format!("other-{number}"), public_key("ed25519").trim());
        }
        let fault = bed.region.add_fault(Fault::new("GetKeyPairs", effect));
        let operator = bed.start().await;
        bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
        let says = |pair: &LightsailKeyPair| crate::bed::ready_reason(pair) == "ServiceError";
        bed.wait("fleet", &format!("{name}: ServiceError"), says).await;
        // It is ready to serve; the details and the metrics say what it cannot read.
        let (status, body) = operator.get("/readyz").await.unwrap();
        assert_eq!(status, 200, "{name}: {body}");
        assert!(body.contains("the key pairs of 123456789012 in eu-west-1"), "{name}: {body}");
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let failed = |line: &&str| {
            line.contains(r#"operation="GetKeyPairs""#) && !line.contains(r#"code="OK""#)
        };
        assert!(
            metrics.lines().any(|line| failed(&line)) || name.contains("token"),
            "{name}: {metrics}"
        );
        fault.remove();
        // Another one reads the list again, and it is said no more.
        bed.create::<LightsailKeyPair>("second", &imported(&public_key("ed25519"))).await;
        for pair in ["fleet", "second"] {
            bed.wait_ready::<LightsailKeyPair>(pair, "Imported").await;
        }
        assert_eq!(operator.get("/readyz").await.unwrap(), (200, "ok\n".to_owned()), "{name}");
    });
    futures::future::join_all(checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_any_size_and_fields_that_nobody_knows_are_taken() {
    let bed = Bed::new("large").await;
    bed.region.set_switches(|switches| switches.page_size = 10_000);
    let line = public_key("ed25519");
    for number in 0..10_000 {
        bed.region.import_key_pair(&format!("other-{number}"), line.trim());
    }
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let expected = r#"lightsail_operator_inventory_key_pairs{account="123456789012",region="eu-west-1",managed="false"} 10000"#;
    assert!(operator.get("/metrics").await.unwrap().1.contains(expected));
    assert_eq!(bed.calls("GetKeyPairs"), 1);

    let bed = Bed::new("unknown").await;
    let body = json!({ "keyPairs": [{ "name": "x", "arn": "a", "colour": { "deep": [1] } }],
            "weather": "fine" })
    .to_string();
    bed.region.add_fault(Fault::new("GetKeyPairs", FaultEffect::Body { status: 200, body }));
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_an_api_server_that_does_not_keep_still_is_outlasted() {
    for status in [410, 429, 500] {
        let bed = Bed::new("unsteady").await;
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        let watch =
            || Matcher::new(Method::GET, "/lightsailkeypairs?").with_path_part("watch=true");
        // Watches fail again and again, and so do the first lists.
        proxy.fail(watch(), 3, status);
        proxy.fail(Matcher::new(Method::GET, "/lightsailkeypairs?"), 2, status);
        proxy.close_watches_after(Duration::from_secs(1));
        let mut operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
        for number in 0..5 {
            let name = format!("pair-{number}");
            bed.create::<LightsailKeyPair>(&name, &imported(&public_key("ed25519"))).await;
            bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
            proxy.fail(watch(), 1, status);
        }
        wait_for("the operator is ready", async || {
            operator.get("/readyz").await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
        assert_eq!(operator.has_ended().unwrap(), None, "{status}");
        assert_eq!(bed.calls("ImportKeyPair"), 5, "{status}");
    }
}

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
