//! The handle that Rust tests have of a simulator: what it shows of private keys, and what it
//! keeps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use testbed::simulator::{
    Fault, FaultEffect, NewInstance, OperationStatus, Options, Platform, Pod, Role, Simulator,
    WebIdentity,
};

const ACCOUNT: &str = "123456789012";
const KEY: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA vector@lightsail";

/// An unsigned request, and all of its answer.
fn unsigned(simulator: &Simulator, operation: &str) -> String {
    let url = simulator.url();
    let host = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host).expect("it listens");
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-amz-target: \
            Lightsail_20161128.{operation}\r\n\
         content-length: 2\r\n\r\n{{}}"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_shows_no_secrets() {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    let credentials = simulator.add_account(ACCOUNT);
    simulator.region(ACCOUNT, "eu-west-1").create_default_key_pair();
    let shown = format!("{simulator:?} {credentials:?}");
    assert!(shown.contains("LightsailDefaultKeyPair"), "the state is shown");
    assert!(!shown.contains(&credentials.secret_access_key) && !shown.contains("BEGIN RSA"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_requests_are_kept_and_all_are_counted() {
    let options = Options { kept_requests: Some(3), ..Options::default() };
    let simulator = Simulator::start(options).await.expect("a free port");
    for operation in ["GetKeyPairs", "GetKeyPairs", "GetOperations", "GetDomains", "GetInstances"] {
        let answer = unsigned(&simulator, operation);
        let error = if operation == "GetDomains" {
            "UnknownOperationException"
        } else {
            "MissingAuthenticationToken"
        };
        assert!(answer.contains(error), "{answer}");
    }
    let operations = |requests: Vec<testbed::simulator::Request>| -> Vec<String> {
        requests.into_iter().map(|request| request.operation).collect()
    };
    assert_eq!(operations(simulator.requests()), ["GetOperations", "GetDomains", "GetInstances"]);
    assert_eq!(operations(simulator.requests_after(4)), ["GetInstances"]);
    let counts = simulator.counts();
    let count = |operation: &str, outcome: &str| {
        counts.get(&(operation.to_owned(), outcome.to_owned())).copied()
    };
    assert_eq!(count("GetKeyPairs", "MissingAuthenticationTokenException"), Some(2));
    assert_eq!(count("GetDomains", "UnknownOperationException"), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_set_up_as_somebody_else_would() {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    let region = simulator.region(ACCOUNT, "eu-west-1");
    let tags = [("env".to_owned(), None)].into();
    region.launch(NewInstance {
        name: "win-1".to_owned(),
        platform: Platform::Windows,
        tags,
        ..NewInstance::default()
    });
    assert!(region.are_host_keys_on_record("win-1"));
    region.set_switches(|switches| switches.host_keys_at_launch = false);
    region.add_instance("web-1");
    assert!(!region.are_host_keys_on_record("web-1"));
    assert!(region.connect_browser("web-1") && region.are_host_keys_on_record("web-1"));
    assert!(!region.connect_browser("nobody"));
    let pair = region.import_key_pair("pair", KEY);
    assert_eq!(region.find_key_pair("pair"), Some(pair));
    assert_eq!(region.operations_for("pair").len(), 0, "nobody asked the API for it");
    let (now, hour) = (simulator.now(), Duration::from_hours(1));
    simulator.advance_clock(hour);
    assert!(simulator.now() >= now + hour);
    simulator.set_clock_offset(-7200);
    assert!(simulator.now() < now);
    // What is written with names only still says all there is to say.
    let plain = Fault {
        operation: "*".to_owned(),
        resource: None,
        times: 1,
        effect: FaultEffect::unavailable(),
    };
    let handle = region.add_fault(plain);
    assert_eq!(handle.hits(), 0);
    region.add_fault(
        Fault::new("GetKeyPair", FaultEffect::throttling())
            .on("pair")
            .times(2)
            .with_probability(0.5),
    );
    region.set_switches(|switches| switches.operation_status = OperationStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_are_not_understood_are_refused() {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    assert!(simulator.set_policy(ACCOUNT, Some("{}")).is_err());
    let good = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    assert_eq!(simulator.set_policy(ACCOUNT, Some(good)), Ok(()));
    assert_eq!(simulator.set_policy(ACCOUNT, None), Ok(()));
    let trusted = WebIdentity {
        issuer: "https://issuer.example".to_owned(),
        subject: "system:serviceaccount:a:b".to_owned(),
        audience: "sts.amazonaws.com".to_owned(),
    };
    let role = Role { name: "keys".to_owned(), web_identity: Some(trusted), ..Role::default() };
    assert!(simulator.set_role(ACCOUNT, role.clone(), Some("{}")).is_err());
    assert_eq!(simulator.set_role(ACCOUNT, role, Some(good)), Ok(()));
    assert_eq!(simulator.dump()["accounts"][ACCOUNT]["roles"][0]["name"], "keys");
}

/// What such a session may do is checked by boto3, which gets it over the admin API.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_gets_the_session_of_a_role_that_trusts_eks() {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    let trust = |service: &str| {
        let actions = ["sts:AssumeRole", "sts:TagSession"];
        let principal = json!({"Service": service});
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": actions});
        Some(json!({"Statement": statement}).to_string())
    };
    let set_role = |name: &str, trust_policy| {
        let role = Role { name: name.to_owned(), trust_policy, ..Role::default() };
        simulator.set_role(ACCOUNT, role, None)
    };
    set_role("pod", trust("pods.eks.amazonaws.com")).expect("a valid policy");
    set_role("instance", trust("ec2.amazonaws.com")).expect("a valid policy");
    set_role("simple", None).expect("nothing is wrong with it");
    assert!(set_role("bad", Some("{}".to_owned())).is_err());
    let pod = Pod {
        cluster_arn: "arn:aws:eks:eu-west-1:123456789012:cluster/production".to_owned(),
        namespace: "lightsail".to_owned(),
        service_account: "operator".to_owned(),
        name: "operator-0".to_owned(),
        uid: "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e".to_owned(),
        disable_session_tags: false,
    };
    let hour = Duration::from_hours(1);
    for (role, wanted) in [("pod", true), ("simple", true), ("instance", false), ("bad", false)] {
        let session = simulator.add_pod_session(ACCOUNT, role, &pod, hour);
        assert_eq!(session.is_ok(), wanted, "{role}: {session:?}");
    }
    let no_tag = Pod { namespace: "a*".to_owned(), ..pod };
    assert!(simulator.add_pod_session(ACCOUNT, "pod", &no_tag, hour).is_err());
}
