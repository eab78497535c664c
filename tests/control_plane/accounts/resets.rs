//! Resets that use an account, which may ask for tags of their instances.

use std::time::Instant;

use lightsail_operator::api::HostKeyReset;
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use super::teams::{OF_A, Teams};
use crate::bed::{REGION, ready_reason, set};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_are_for_instances_with_the_tags_of_the_account() {
    let teams = Teams::new("reset-tags").await;
    let _operator = teams.start().await;
    let tags = json!({ "instanceTags": { "team": "$(namespace)" } });
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/allowed/hostKeyReset", tags)]);
    let name = teams.create_account("resets", &spec).await;
    teams.region(OF_A).add_instance("web-1");
    let reset = json!({ "accountRef": { "name": name }, "region": REGION, "instanceName": "web-1",
        "reason": "test" });
    teams.a.create::<HostKeyReset>("reset", &reset).await;
    teams.a.wait_stalled::<HostKeyReset>("reset", "AccountNotAllowed").await;
    assert_eq!(teams.a.calls("DeleteKnownHostKeys"), 0);
    teams.region(OF_A).set_tags("web-1", &[("team", Some(&teams.a.namespace))]);
    teams.a.reconcile_now::<HostKeyReset>("reset").await;
    let done = teams.a.wait_ready::<HostKeyReset>("reset", "OperationSucceeded").await;
    assert_eq!(done.status.unwrap().caller_arn, None, "a role of the account is not shown");
    assert_eq!(teams.a.calls("DeleteKnownHostKeys"), 1);
    let of_nobody = json!({ "region": REGION, "instanceName": "web-1", "reason": "test" });
    teams.a.create::<HostKeyReset>("without", &of_nobody).await;
    teams.a.wait_stalled::<HostKeyReset>("without", "AccountRequired").await;
    teams.remove_accounts().await;
}

/// I14: those that wait for their turn share one read of the instance, and so do those that may not
/// reset it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_that_wait_read_the_tags_of_their_instance_together() {
    let teams = Teams::new("reset-line").await;
    let mut options = teams.options().await;
    set(&mut options, "--aws-call-timeout", "60s");
    let _operator = Operator::start(options).await.unwrap();
    let tags = json!({ "instanceTags": { "team": "$(namespace)" } });
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/allowed/hostKeyReset", tags)]);
    let name = teams.create_account("resets", &spec).await;
    for instance in ["web-1", "of-others"] {
        teams.region(OF_A).add_instance(instance);
    }
    teams.region(OF_A).set_tags("web-1", &[("team", Some(&teams.a.namespace))]);
    let reset = |instance: &str| {
        json!({ "accountRef": { "name": name }, "region": REGION, "instanceName": instance,
            "reason": "test" })
    };
    let hold = Fault::new("DeleteKnownHostKeys", FaultEffect::HoldBefore);
    let call = teams.region(OF_A).add_fault(hold);
    teams.a.create::<HostKeyReset>("first", &reset("web-1")).await;
    call.reached().await;
    let began = Instant::now();
    let before = teams.a.calls("GetInstance");
    for number in 0..40 {
        let instance = if number % 2 == 0 { "web-1" } else { "of-others" };
        teams.a.create::<HostKeyReset>(&format!("reset-{number}"), &reset(instance)).await;
    }
    for number in 0..40 {
        let reason = if number % 2 == 0 { "WaitingForTurn" } else { "AccountNotAllowed" };
        let shows = |reset: &HostKeyReset| ready_reason(reset) == reason;
        teams.a.wait(&format!("reset-{number}"), reason, shows).await;
    }
    // Each read serves for ten seconds; ten resets of a namespace may begin at the same time.
    let spans = usize::try_from(began.elapsed().as_secs() / 10).unwrap() + 1;
    let calls = teams.a.calls("GetInstance") - before;
    assert!(calls <= 10 + 2 * spans, "{calls} calls in {spans} times ten seconds");
    call.remove();
    teams.remove_accounts().await;
}
