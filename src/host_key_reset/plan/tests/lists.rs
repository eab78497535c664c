//! How old the list of operations may be when the intent is written.

use serde_json::json;

use super::*;
use crate::api::HostKeyReset;
use crate::host_key_reset::status;

/// The list took half a minute, and the instance was read again after it.
fn listed_before_the_instance(observed: &mut Observed, until: &str) {
    let until = time(until);
    let from = later(until, SignedDuration::from_secs(-30));
    observed.operations = Some((Vec::new(), from));
    (observed.listed_by, observed.lightsail_date) = (Some(until), Some(observed.now));
    observed.instance = looked(web(&[]), observed.now);
}

#[test]
fn a_list_that_takes_long_counts_for_as_long_as_a_call_may_take() {
    check(&[
        ("meanwhile the read of the instance becomes too old", |_, o| {
            found(o);
            (o.operations, o.listed_by) = (Some((Vec::new(), o.now)), Some(o.now));
            o.now = time("2026-11-24T12:00:21Z");
            o.listed_by = Some(o.now);
        }, "FindInstance"),
        ("then the list still counts", |_, o| {
            found(o);
            listed_before_the_instance(o, "2026-11-24T11:59:40Z");
        }, "WriteIntent"),
        ("and not longer", |_, o| {
            found(o);
            listed_before_the_instance(o, "2026-11-24T11:59:39Z");
        }, "ListOperations"),
        ("I6: nor if Lightsail does not say what time it was then", |_, o| {
            found(o);
            listed_before_the_instance(o, "2026-11-24T11:59:59Z");
            o.lightsail_date = None;
        }, "ListOperations"),
        ("what was done before the instance was looked at is not newer than the call", |_, o| {
            made_sure(o);
            found(o);
            o.now = time("2026-11-24T12:01:00Z");
            listed_before_the_instance(o, "2026-11-24T12:00:39Z");
        }, "ListOperations"),
    ]);
}

#[test]
fn i6_what_others_did_between_the_list_and_the_instance_is_not_taken_for_the_call() {
    let object: HostKeyReset = serde_json::from_value(json!({
        "metadata": { "name": "r", "namespace": "n" },
        "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why" },
    })).unwrap();
    for (name, created_at, expected) in [
        ("while the list was read", "2026-11-24T11:59:35Z", "Progress InProgress"),
        ("between the two reads", "2026-11-24T11:59:50Z", "Progress InProgress"),
        ("under the intent", NOW, "Complete OperationSucceeded"),
    ] {
        let mut observed = observed();
        found(&mut observed);
        listed_before_the_instance(&mut observed, "2026-11-24T11:59:45Z");
        let Step::WriteIntent { last_operation_before, instance_arn, .. } =
            plan(&desired(), &observed) else { panic!("the list counts") };
        observed.status =
            status::intent(&object, &observed, last_operation_before, &instance_arn, None);
        // The call was made then, and its answer was lost.
        observed.mark = Some(mark("own", MarkState::Started));
        let intent = observed.intent_date();
        observed.search = Search { intent, since: Some(observed.now), first_list: None };
        observed.operations =
            Some((vec![operation("a", "Succeeded", created_at)], observed.now));
        assert_eq!(word(&plan(&desired(), &observed)), expected, "{name}");
    }
}
