//! Resets of host keys of others.

use lightsail_operator::api::HostKeyReset;
use serde_json::{Value, json};

use super::arena::{Arena, SHARED};
use super::{shows, try_all};
use crate::bed::{wait_for, wait_metric};

const EXECUTED: &str = "lightsail-operator.dev/executed";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_for_instances_with_the_tags_of_the_namespace() {
    let arena = Arena::new("attack-resets", &[]).await;
    let (theirs, own) = (arena.foreign("web"), arena.own("web"));
    let of = |instance: &str| arena.reset(instance, &[]);
    let by = |account: Value| arena.reset(&theirs, &[("/accountRef", account)]);
    let wrong = format!("arn:aws:lightsail:eu-west-1:{SHARED}:Instance/0");
    let wrong = ("/preconditions", json!({ "instanceARN": wrong }));
    let right = arena.teams.region(SHARED).find_instance_arn(&theirs).unwrap();
    let right = ("/preconditions", json!({ "instanceARN": right }));
    let elsewhere = ("/region", json!("us-east-1"));
    let marked = |state: &str| json!({ "annotations": { EXECUTED: format!("0/{state}") } });
    try_all::<HostKeyReset>(
        &arena,
        vec![
            shows("another team's instance", of(&theirs), "AccountNotAllowed"),
            shows("one without tags", of("bare"), "AccountNotAllowed"),
            shows("one of another account", of("platform-web"), "AccountNotAllowed"),
            shows("one that does not exist", of("nobody-web"), "AccountNotAllowed"),
            shows("another team's in upper case", of(&theirs.to_uppercase()), "AccountNotAllowed"),
            shows(
                "with another team's account",
                by(json!({ "name": arena.theirs })),
                "AccountNotFound",
            ),
            shows(
                "with the platform team's",
                by(json!({ "name": arena.platform })),
                "AccountNotFound",
            ),
            shows("with the operator's own credentials", by(Value::Null), "AccountRequired"),
            shows("in another region", arena.reset(&own, &[elsewhere]), "AccountNotAllowed"),
            shows(
                "another team's with its ARN",
                arena.reset(&theirs, &[right]),
                "AccountNotAllowed",
            ),
            shows(
                "another team's with another ARN",
                arena.reset(&theirs, &[wrong]),
                "AccountNotAllowed",
            ),
            shows("another team's, said to have begun", of(&theirs), "AccountNotAllowed")
                .with(marked("Started")),
            shows("another team's, said to be done", of(&theirs), "AccountNotAllowed")
                .with(marked("Succeeded/x")),
        ],
    )
    .await;
    let suspended = [("/suspend", json!(true))];
    let spec = arena.reset(&theirs, &suspended);
    arena.attacker.create::<HostKeyReset>("later", &spec).await.unwrap();
    arena.wait::<HostKeyReset>("later", "Suspended").await;
    let resumed = json!({ "spec": { "suspend": false } });
    arena.attacker.patch::<HostKeyReset>("later", &resumed).await.unwrap();
    arena.wait::<HostKeyReset>("later", "AccountNotAllowed").await;
    arena.check("another team's, suspended at first").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_are_refused_hold_nobody_up_and_tell_nothing() {
    let arena = Arena::new("attack-turns", &[]).await;
    let theirs = arena.foreign("web");
    for number in 0..20 {
        let name = format!("early-{number}");
        arena.attacker.create::<HostKeyReset>(&name, &arena.reset(&theirs, &[])).await.unwrap();
        arena.wait::<HostKeyReset>(&name, "AccountNotAllowed").await;
    }
    let refused = r#"objects{kind="HostKeyReset",ready="false",reason="AccountNotAllowed"} 20"#;
    wait_metric(&arena.operator, refused).await;
    // It holds its turn at another team's instance as long as it asks.
    let again =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    arena.attacker.patch::<HostKeyReset>("early-0", &again).await.unwrap();
    arena.wait::<HostKeyReset>("early-0", "AccountNotAllowed").await;
    let spec = arena.reset(&theirs, &[("/accountRef/name", json!(arena.theirs))]);
    let of_b = &arena.teams.b;
    of_b.create::<HostKeyReset>("rotated", &spec).await;
    let is_over = |reset: &HostKeyReset| {
        reset.status.as_ref().is_some_and(|status| status.completion_time.is_some())
    };
    let done = of_b.wait::<HostKeyReset>("rotated", "is over", is_over).await;
    let waited = &arena.teams.a.cluster;
    let events = ["get", "events", "--namespace", &of_b.namespace, "--output", "json"];
    let events = waited.kubectl(&events).await.unwrap().or_error().unwrap();
    assert!(!events.contains("WaitingForTurn"), "{events}");
    assert_eq!(done.status.unwrap().attempts, 1);
    assert_eq!(arena.teams.region(SHARED).known_host_keys_resets(&theirs), 1);

    // What is refused says nothing of the instance.
    let instance = arena.teams.region(SHARED).find_instance_arn(&theirs).unwrap();
    let wrong = format!("arn:aws:lightsail:eu-west-1:{SHARED}:Instance/0");
    let guess = [("/preconditions", json!({ "instanceARN": wrong }))];
    arena.attacker.create::<HostKeyReset>("guess", &arena.reset(&theirs, &guess)).await.unwrap();
    let shown = arena.wait::<HostKeyReset>("guess", "AccountNotAllowed").await.to_string();
    let id = instance.rsplit('/').next().unwrap();
    assert!(!shown.contains(id), "{shown}");
    let operations: Vec<_> = arena
        .requests_of(&arena.attacker.namespace)
        .into_iter()
        .filter(|request| request.operation != "GetInstance")
        .collect();
    assert!(operations.is_empty(), "{operations:?}");
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_its_own_are_done_once_whatever_the_tenant_writes() {
    let arena = Arena::new("attack-marks", &[]).await;
    let own = arena.own("web");
    let resets = || arena.teams.region(SHARED).known_host_keys_resets(&own);
    let attacker = &arena.attacker;
    attacker.create::<HostKeyReset>("once", &arena.reset(&own, &[])).await.unwrap();
    arena.wait::<HostKeyReset>("once", "OperationSucceeded").await;
    assert_eq!(resets(), 1, "it may do that");
    // The mark says so a moment after the status.
    let mut mark = String::new();
    wait_for("the mark says that it was done", async || {
        let once = arena.show::<HostKeyReset>("once").await;
        once["metadata"]["annotations"][EXECUTED].as_str().unwrap_or("").clone_into(&mut mark);
        mark.contains("/Succeeded/")
    })
    .await;
    let with_mark = |mark: Value| {
        json!({ "metadata": { "annotations": { EXECUTED: mark,
        "lightsail-operator.dev/reconcile": mark } } })
    };
    for (row, mark) in [
        ("without its mark", Value::Null),
        ("with another mark", json!("0/Started")),
        ("with a mark that says less", json!(mark.replace("Succeeded", "Started"))),
    ] {
        attacker.patch::<HostKeyReset>("once", &with_mark(mark)).await.unwrap();
        arena.wait::<HostKeyReset>("once", "OperationSucceeded").await;
        assert_eq!(resets(), 1, "{row}");
    }
    // Copied back with its mark, and with the status of the first.
    let mut copy = arena.show::<HostKeyReset>("once").await;
    attacker.delete::<HostKeyReset>("once").await.unwrap();
    arena.teams.a.wait_gone::<HostKeyReset>("once").await;
    copy["metadata"] = json!({ "name": "once", "annotations": { EXECUTED: mark } });
    attacker.create_raw::<HostKeyReset>(&copy).await.unwrap();
    arena.wait::<HostKeyReset>("once", "AlreadyExecuted").await;
    assert_eq!(resets(), 1, "restored with its mark");
    // A mark is for one object: for another one it counts for nothing, and takes nothing away.
    let theirs = arena.foreign("web");
    copy["metadata"] = json!({ "name": "other", "annotations": { EXECUTED: mark } });
    copy["spec"]["instanceName"] = json!(theirs);
    attacker.create_raw::<HostKeyReset>(&copy).await.unwrap();
    arena.wait::<HostKeyReset>("other", "AccountNotAllowed").await;
    for resource in ["hostkeyresets", "lightsailkeypairs"] {
        let can = format!("--as=system:serviceaccount:{}:tenant", attacker.namespace);
        let subresource = "--subresource=status";
        let asked = [
            "auth",
            "can-i",
            "patch",
            resource,
            subresource,
            &can,
            "--namespace",
            &attacker.namespace,
        ];
        let answer = arena.teams.a.cluster.kubectl(&asked).await.unwrap();
        assert_eq!(answer.stdout.trim(), "no", "the status of {resource}");
    }
    arena.check("marks").await;
    arena.end().await;
}
