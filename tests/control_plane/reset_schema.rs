//! The rules that the API server checks of a reset: each refuses a bad object with a message that
//! says what to write.

use lightsail_operator::api::HostKeyReset;
use serde_json::json;

use crate::bed::{Bed, reset};
use crate::schema::{check_refused, instance_arn, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn bad_resets_are_refused() {
    let bed = Bed::new("schema").await;
    let not_after = |time: &str| with(reset(), &json!({ "notAfter": time }));
    let precondition =
        |arn: &str| with(reset(), &json!({ "preconditions": { "instanceARN": arn } }));
    check_refused::<HostKeyReset>(
        &bed,
        &[
            ("no region", with(reset(), &json!({ "region": null })), "spec.region: Required"),
            ("a zone", with(reset(), &json!({ "region": "eu-west-1a" })), "spec.region"),
            (
                "no instance",
                with(reset(), &json!({ "instanceName": null })),
                "spec.instanceName: Required",
            ),
            (
                "an instance's name that cannot be",
                with(reset(), &json!({ "instanceName": "web 1" })),
                "spec.instanceName",
            ),
            ("no reason", with(reset(), &json!({ "reason": null })), "spec.reason: Required"),
            ("an empty reason", with(reset(), &json!({ "reason": "" })), "spec.reason"),
            (
                "a blank reason",
                with(reset(), &json!({ "reason": "  " })),
                "reason must say, on one line",
            ),
            (
                "a reason on two lines",
                with(reset(), &json!({ "reason": "a\nb" })),
                "reason must say, on one line",
            ),
            (
                "a reason with a control character",
                with(reset(), &json!({ "reason": "a\u{7}b" })),
                "reason must say, on one line",
            ),
            (
                "a reason that turns the direction",
                with(reset(), &json!({ "reason": "a\u{202e}b" })),
                "reason must say, on one line",
            ),
            (
                "a reason with another line break",
                with(reset(), &json!({ "reason": "a\u{2028}b" })),
                "reason must say, on one line",
            ),
            (
                "a reason that is too long",
                with(reset(), &json!({ "reason": "a".repeat(513) })),
                "spec.reason",
            ),
            (
                "a reason of 10 kB",
                with(reset(), &json!({ "reason": "a".repeat(10_240) })),
                "spec.reason",
            ),
            ("a reason that is no text", with(reset(), &json!({ "reason": 5 })), "spec.reason"),
            ("an empty time", not_after(""), "spec.notAfter"),
            ("a day", not_after("2026-12-01"), "notAfter must be a time in RFC 3339"),
            ("a time without a zone", not_after("2026-12-01T00:00:00"), "spec.notAfter"),
            ("a day that is none", not_after("2026-02-30T00:00:00Z"), "spec.notAfter"),
            ("an hour that is none", not_after("2026-12-01T24:00:00Z"), "spec.notAfter"),
            ("small letters", not_after("2026-12-01t00:00:00z"), "spec.notAfter"),
            ("too fine a time", not_after("2026-12-01T00:00:00.0123456789Z"), "spec.notAfter"),
            ("a zone that is none", not_after("2026-12-01T00:00:00+25:00"), "spec.notAfter"),
            ("a year that is far off", not_after("9999-12-31T23:59:59Z"), "spec.notAfter"),
            ("a number for a time", with(reset(), &json!({ "notAfter": 1 })), "spec.notAfter"),
            (
                "no ARN",
                with(reset(), &json!({ "preconditions": {} })),
                "spec.preconditions.instanceARN: Required",
            ),
            (
                "a name for an ARN",
                precondition("web-1"),
                "instanceARN must look like arn:aws:lightsail",
            ),
            (
                "a key pair's ARN",
                precondition("arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1"),
                "instanceARN must look like arn:aws:lightsail",
            ),
            (
                "an instance in another region",
                precondition("arn:aws:lightsail:us-east-1:123456789012:Instance/1"),
                "preconditions.instanceARN must name an instance in spec.region",
            ),
            (
                "an ARN that is too long",
                precondition(&instance_arn(&"1".repeat(200))),
                "instanceARN",
            ),
            (
                "a negative time to live",
                with(reset(), &json!({ "ttlSecondsAfterFinished": -1 })),
                "ttlSecondsAfterFinished",
            ),
            (
                "a time to live with a unit",
                with(reset(), &json!({ "ttlSecondsAfterFinished": "1h" })),
                "ttlSecondsAfterFinished",
            ),
            (
                "a time to live that no counter holds",
                with(reset(), &json!({ "ttlSecondsAfterFinished": 3_000_000_000_u32 })),
                "ttlSecondsAfterFinished",
            ),
            ("a suspension in words", with(reset(), &json!({ "suspend": "yes" })), "spec.suspend"),
            (
                "a negative deadline",
                with(reset(), &json!({ "activeDeadlineSeconds": -600 })),
                "spec.activeDeadlineSeconds",
            ),
            (
                "too short a deadline",
                with(reset(), &json!({ "activeDeadlineSeconds": 29 })),
                "spec.activeDeadlineSeconds",
            ),
            (
                "too long a deadline",
                with(reset(), &json!({ "activeDeadlineSeconds": 3601 })),
                "spec.activeDeadlineSeconds",
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_can_be_seen() {
    let bed = Bed::new("reasons").await;
    let of = |reason: &str| with(reset(), &json!({ "reason": reason }));
    let invisible = [
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
        "\u{2800}",
        "\u{115f}",
        "\u{1160}",
        "\u{3164}",
        "\u{ffa0}",
        "\u{ad} \u{3000}",
        "...",
    ];
    for reason in invisible {
        let made = bed.try_create::<HostKeyReset>("bad", &of(reason)).await.map(|_| ());
        let refusal = made.unwrap_err().to_string();
        assert!(refusal.contains("reason must say, on one line"), "{reason:?}: {refusal}");
    }
    for (name, reason) in [("a", "ключи"), ("b", "鍵"), ("c", "٤٢"), ("d", "한\u{3164}")] {
        bed.create::<HostKeyReset>(name, &of(reason)).await;
    }
}
