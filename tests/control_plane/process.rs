//! The process: probes, metrics, missing CRDs, its end.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;
use lightsail_operator::api::conditions::{READY, find};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use lightsail_operator::crds;
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Fault, FaultEffect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::bed::{
    ACCOUNT, Bed, aws_environment, imported, public_key, ready_reason, reset, set, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_metrics_are_served() {
    let bed = Bed::new("metrics").await;
    let mut operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(operator.get("/livez").await.unwrap(), (200, "ok\n".to_owned()));
    assert_eq!(operator.get("/readyz").await.unwrap(), (200, "ok\n".to_owned()));
    let expected = [
        r#"lightsail_operator_lightsail_requests_total{operation="ImportKeyPair",region="eu-west-1",code="OK"} 1"#,
        r#"lightsail_operator_objects{kind="LightsailKeyPair",ready="true",reason="Imported"} 1"#,
        r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="Imported"}"#,
        r#"lightsail_operator_inventory_key_pairs{account="123456789012",region="eu-west-1",managed="true"} 1"#,
        "lightsail_operator_time_to_ready_seconds_count{kind=\"LightsailKeyPair\"} 1",
        "lightsail_operator_leader 1",
        "lightsail_operator_reconcile_seconds_bucket",
        "# EOF",
    ];
    // A reconciliation is counted a moment after its status is there.
    let start = std::time::Instant::now();
    let metrics = loop {
        let (status, metrics) = operator.get("/metrics").await.unwrap();
        let missing = expected.iter().find(|expected| !metrics.contains(**expected));
        if status == 200 && missing.is_none() {
            break metrics;
        }
        assert!(start.elapsed().as_secs() < 60, "{missing:?}\n{metrics}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(!metrics.contains("fleet"), "objects are not named");
    assert!(operator.stop().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_the_step_in_flight() {
    let bed = Bed::new("sigterm").await;
    bed.region.add_instance("web-1");
    let effect = FaultEffect::Delay(std::time::Duration::from_millis(300));
    let fault =
        Fault { operation: "DeleteKnownHostKeys".to_owned(), resource: None, times: 1, effect };
    let fault = bed.region.add_fault(fault);
    let mut operator = bed.start().await;
    bed.create::<HostKeyReset>("ending", &reset()).await;
    fault.reached().await;
    assert!(operator.stop().await.unwrap().success());
    let answered = bed
        .simulator
        .requests()
        .into_iter()
        .find(|request| request.operation == "DeleteKnownHostKeys")
        .unwrap();
    assert!(answered.answered && answered.outcome == "ok", "{answered:?}");
    // The answer was recorded before the end.
    let object: HostKeyReset = bed.api().get("ending").await.unwrap();
    assert_eq!(ready_reason(&object), "OperationSucceeded");
    operator.restart().await.unwrap();
    bed.wait("ending", "OperationSucceeded", |reset: &HostKeyReset| {
        ready_reason(reset) == "OperationSucceeded"
    })
    .await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_does_not_wait_for_a_client_that_sends_half_a_request() {
    let bed = Bed::new("half-a-request").await;
    let mut operator = bed.start().await;
    let mut client = TcpStream::connect(operator.address().unwrap()).await.unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    // Its connection was taken before this one was answered.
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    let start = std::time::Instant::now();
    assert!(operator.stop().await.unwrap().success());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_flag_is_explained_and_ends_with_2() {
    for (flags, expected) in [
        (&["--cluster-id", "a/b"][..], "use 1 to 64 letters, digits"),
        (&["--aws-account-id", "1"][..], "12 digits"),
        (&["--allowed-regions", "eu-west-1,Ireland"][..], "write, for example, eu-west-1"),
        (&["--settle-time", "soon"][..], "write, for example, 20s"),
        (&["--aws-call-timeout", "13s"][..], "a call could outlive the Lease"),
        (&["--lease-duration", "11s"][..], "a call could outlive the Lease"),
        (&["--lease-duration", "500ms"][..], "--lease-duration must be at least 1s"),
        (&["--watch-namespace", "Team A"][..], "lowercase letters, digits and hyphens"),
        (&["--watch-label-selector", "team in a"][..], "write, for example, team=a,tier in (x,y)"),
        (&["--leader-election=perhaps"][..], "true, false"),
        (&["--log", "a=b=c"][..], "write, for example, info"),
        (&["--bind-address", "here"][..], "write an IP address and a port"),
        (&["--concurrency", "0"][..], "use a number from 1 to 1000"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lightsail-operator"))
            .args(flags)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_than_the_pinned_one_gets_no_call() {
    let bed = Bed::new("account").await;
    bed.region.add_instance("web-1");
    let mut options = bed.options(None).await;
    options.arguments.extend(["--aws-account-id".to_owned(), "999999999999".to_owned()]);
    let _operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.create::<HostKeyReset>("first", &reset()).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "WrongAccount").await;
    bed.wait_stalled::<HostKeyReset>("first", "WrongAccount").await;
    let asked: Vec<_> =
        bed.simulator.requests().into_iter().map(|request| request.operation).collect();
    assert_eq!(asked, ["GetCallerIdentity"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_was_ready_gets_no_call_with_another_account_either() {
    let bed = Bed::new("account-later").await;
    let mut options = bed.options(None).await;
    options.arguments.extend(["--aws-account-id".to_owned(), ACCOUNT.to_owned()]);
    let operator = Operator::start(options.clone()).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    drop(operator);
    let says = |words: &'static str| {
        move |object: &LightsailKeyPair| {
            let ready = object.status.as_ref().and_then(|it| find(&it.conditions, READY));
            ready.is_some_and(|it| it.reason == "WrongAccount" && it.message.contains(words))
        }
    };
    let asked = |since: usize| -> Vec<_> {
        bed.simulator.requests()[since..].iter().map(|it| it.operation.clone()).collect()
    };
    let since = bed.simulator.requests().len();
    set(&mut options, "--aws-account-id", "999999999999");
    let operator = Operator::start(options.clone()).await.unwrap();
    bed.wait("fleet", "another pin", says("--aws-account-id is 999999999999")).await;
    drop(operator);
    assert_eq!(asked(since), ["GetCallerIdentity"]);

    set(&mut options, "--aws-account-id", ACCOUNT);
    let operator = Operator::start(options.clone()).await.unwrap();
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    drop(operator);
    let since = bed.simulator.requests().len();
    set(&mut options, "--aws-account-id", "999999999999");
    let other = bed.simulator.add_account("999999999999");
    options.environment.extend(aws_environment(&bed.simulator, &other));
    let _operator = Operator::start(options).await.unwrap();
    bed.wait("fleet", "other credentials", says("belongs to 123456789012")).await;
    assert_eq!(asked(since), ["GetCallerIdentity"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_credentials_ask_for_a_person_and_a_release_needs_none() {
    let bed = Bed::new("credentials").await;
    let mut options = bed.options(None).await;
    let operator = Operator::start(options.clone()).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    drop(operator);
    options
        .environment
        .retain(|(name, _)| !name.starts_with("AWS_SECRET") && !name.starts_with("AWS_ACCESS"));
    options.environment.push(("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()));
    let _operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("second", &imported(&public_key("ed25519"))).await;
    bed.wait_stalled::<LightsailKeyPair>("second", "InvalidCredentials").await;
    // I8: there is a way out without AWS.
    let change = serde_json::json!({ "spec": { "deletionPolicy": "Retain" } });
    bed.patch::<LightsailKeyPair>("fleet", &change).await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_some());
}

/// This needs a control plane of its own: the CRDs are taken away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_definitions_are_waited_for_and_said() {
    let shared = Cluster::from_env().await.unwrap();
    let folder = tempfile::tempdir_in(shared.directory()).unwrap();
    let control_plane = ControlPlane::start(shared.tools(), folder.path()).await.unwrap();
    let cluster = Cluster::of(&control_plane).await.unwrap();
    let options = OperatorOptions {
        binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
        kubeconfig: cluster.kubeconfig().to_owned(),
        arguments: vec!["--log".to_owned(), "info,lightsail_operator=debug".to_owned()],
        environment: vec![("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())],
        log: folder.path().join("operator.log"),
    };
    let mut operator = Operator::spawn(options).unwrap();
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed().as_secs() < 60, "{}", operator.log_text());
        if operator.address().is_some() {
            let (status, body) = operator.get("/readyz").await.unwrap();
            let missing = "lightsailkeypairs.lightsail-operator.dev is not installed";
            if status == 503
                && body.contains(missing)
                && body.contains("hostkeyresets.lightsail-operator.dev")
            {
                break;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for (_, yaml) in
        crds::files().unwrap().into_iter().filter(|(path, _)| path.starts_with("crds/"))
    {
        cluster.kubectl_with_input(&["apply", "-f", "-"], &yaml).await.unwrap().or_error().unwrap();
    }
    operator.wait_until_ready().await.unwrap();
    // When one is taken away again its watch ends, and the process goes on.
    let name = "hostkeyresets.lightsail-operator.dev";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    wait_for("it is said", async || {
        let (status, body) = operator.get("/readyz").await.unwrap();
        status == 503 && body.contains("hostkeyresets.lightsail-operator.dev is not installed")
    })
    .await;
    assert_eq!(operator.has_ended().unwrap(), None);
    assert!(operator.stop().await.unwrap().success());
}
