//! Lists of key pairs that cannot be read, and lists that are unlike the usual ones: the operator
//! stays up, says so, and heals.

use std::time::Duration;

use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, default_pair, imported, public_key, ready_reason, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_list_that_is_none_is_reported_and_heals() {
    let body = |body: &str| FaultEffect::Body { status: 200, body: body.to_owned() };
    let cases = [
        ("garbage", FaultEffect::Garbage),
        ("half a page", FaultEffect::HalfAnswer),
        ("nothing until the timeout", FaultEffect::Hang),
        ("another kind of answer", body("[1, 2]")),
    ];
    let checks = cases.into_iter().map(|(name, effect)| async move {
        let bed = Bed::new("garbage").await;
        let fault = bed.region.add_fault(Fault::new("GetKeyPairs", effect));
        let operator = bed.start().await;
        bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
        let says = |pair: &LightsailKeyPair| ready_reason(pair) == "ServiceError";
        bed.wait("fleet", &format!("{name}: ServiceError"), says).await;
        // It is ready to serve; the details and the metrics say what it cannot read.
        let (status, body) = operator.get("/readyz").await.unwrap();
        assert_eq!(status, 200, "{name}: {body}");
        assert!(body.contains("the key pairs of 123456789012 in eu-west-1"), "{name}: {body}");
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let failed = |line: &&str| {
            line.contains(r#"operation="GetKeyPairs""#) && !line.contains(r#"code="OK""#)
        };
        assert!(metrics.lines().any(|line| failed(&line)), "{name}: {metrics}");
        fault.remove();
        // Another one reads the list again, and it is no longer reported.
        bed.create::<LightsailKeyPair>("second", &imported(&public_key("ed25519"))).await;
        for pair in ["fleet", "second"] {
            bed.wait_ready::<LightsailKeyPair>(pair, "Imported").await;
        }
        assert_eq!(operator.get("/readyz").await.unwrap(), (200, "ok\n".to_owned()), "{name}");
    });
    futures::future::join_all(checks).await;
}

/// The list has no end, so it is given up, and who needs no list goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_repeated_ends_the_list() {
    let bed = Bed::new("token").await;
    bed.region.set_switches(|switches| switches.page_size = 1);
    for number in 0..3 {
        bed.region.import_key_pair(&format!("other-{number}"), public_key("ed25519").trim());
    }
    bed.region.add_fault(Fault::new("GetKeyPairs", FaultEffect::RepeatPageToken));
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let says = |pair: &LightsailKeyPair| ready_reason(pair) == "ServiceError";
    bed.wait("default", "ServiceError", says).await;
    let (status, body) = operator.get("/readyz").await.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("the key pairs of 123456789012 in eu-west-1"), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_any_size_and_fields_that_nobody_knows_are_taken() {
    let bed = Bed::new("large").await;
    bed.region.set_switches(|switches| switches.page_size = 3_000);
    let line = public_key("ed25519");
    for number in 0..3_000 {
        bed.region.import_key_pair(&format!("other-{number}"), line.trim());
    }
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let expected = r#"lightsail_operator_inventory_key_pairs{account="123456789012",region="eu-west-1",managed="false"} 3000"#;
    assert!(operator.get("/metrics").await.unwrap().1.contains(expected));
    assert_eq!(bed.calls("GetKeyPairs"), 1);

    let bed = Bed::new("unknown").await;
    let body = json!({ "keyPairs": [{ "name": "x", "arn": "a", "color": { "deep": [1] } }],
            "weather": "fine" })
    .to_string();
    bed.region.add_fault(Fault::new("GetKeyPairs", FaultEffect::Body { status: 200, body }));
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_key_pair_whose_object_is_gone_is_counted_and_never_deleted() {
    let bed = Bed::new("left-behind").await;
    let mut operator = bed.start().await;
    for name in ["left", "stays"] {
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
    // Nobody sees how the object goes.
    operator.kill();
    bed.patch::<LightsailKeyPair>("left", &json!({ "metadata": { "finalizers": null } })).await;
    bed.delete::<LightsailKeyPair>("left").await;
    bed.wait_gone::<LightsailKeyPair>("left").await;
    // What another operator may know, another cluster's, and one of nobody.
    for (name, tag) in [
        ("elsewhere", Some("test/elsewhere/x")),
        ("foreign", Some("red/left-behind/x")),
        ("manual", None),
    ] {
        bed.region.import_key_pair(name, public_key("ed25519").trim());
        if let Some(tag) = tag {
            bed.region.set_tags(name, &[("lightsail-operator.dev/owner", Some(tag))]);
        }
    }
    operator.restart().await.unwrap();
    let count = async |operator: &Operator| {
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let metric = "lightsail_operator_key_pairs_without_object{";
        let line = metrics.lines().find(|line| line.starts_with(metric)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
    };
    // A new object makes the operator read the list again, unless the list is recent, or many are
    // created at the same time.
    let mut number = 0;
    wait_for("it is counted", async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        number += 1;
        let name = format!("new-{number}");
        bed.create::<LightsailKeyPair>(&name, &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
        count(&operator).await == Some(1)
    })
    .await;
    let log = operator.log_text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("leaves them alone")).collect();
    assert!(lines.len() == 1 && lines[0].contains(r#""names":"left""#), "{lines:?}");
    assert!(bed.region.find_key_pair("left").is_some());
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
    // Nobody reads a list any more when there is no object: the count would stay forever.
    let mut names: Vec<String> = (1..=number).map(|number| format!("new-{number}")).collect();
    names.push("stays".to_owned());
    for name in &names {
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    wait_for("it is not counted any more", async || count(&operator).await.is_none()).await;
}
