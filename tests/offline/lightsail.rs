//! The calls and the classifier against the simulator, on both wire forms of errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use lightsail_operator::lease::HeldLease;
use lightsail_operator::lightsail::{
    ErrorKind, HttpOptions, Imported, Inventory, Lightsail, ListNeeds, Sessions, Sources,
    http_client,
};
use lightsail_operator::metrics::Metrics;
use lightsail_operator::readiness::Readiness;
use testbed::simulator::{Fault, FaultEffect, Options, Simulator};

/// For answers that come; a busy machine may take its time.
const TIMEOUT: Duration = Duration::from_secs(10);
const ACCOUNT: &str = "123456789012";
const PUBLIC_KEY: &str = "ssh-ed25519 \
                          AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA \
                          nobody@example.com";

async fn sessions(simulator: &Simulator) -> Sessions {
    counted_sessions(simulator, Metrics::default()).await
}

async fn counted_sessions(simulator: &Simulator, metrics: Metrics) -> Sessions {
    let keys = simulator.add_account(ACCOUNT);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(simulator.url())
        .http_client(
            http_client(HttpOptions { call_timeout: TIMEOUT, ..HttpOptions::default() }).unwrap(),
        )
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            None,
            None,
            "test",
        ))
        .load()
        .await;
    let (lease, readiness) = (HeldLease::unlimited(), Readiness::default());
    Sessions::new(config, Sources::default(), TIMEOUT, Arc::default(), lease, metrics, readiness)
}

async fn lightsail(simulator: &Simulator) -> Lightsail {
    sessions(simulator).await.open(None, &"eu-west-1".into(), &"team-a".into()).await.unwrap().own
}

fn error(error_type: &str, code: Option<&str>, message: &str, status: u16) -> FaultEffect {
    FaultEffect::Error {
        error_type: error_type.to_owned(),
        code: code.map(str::to_owned),
        message: message.to_owned(),
        status,
    }
}

#[tokio::test]
async fn errors_are_classified_alike_with_and_without_the_header() {
    for header in [true, false] {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.set_switches(|switches| switches.error_type_header = header);
        simulator.region(ACCOUNT, "eu-west-1").add_instance("web-1");
        let lightsail = lightsail(&simulator).await;
        let cases = [
            (
                error(
                    "InvalidInputException",
                    Some("InvalidKey.Format"),
                    "The format of this public key is not valid",
                    400,
                ),
                ErrorKind::BadKey,
            ),
            (
                error(
                    "InvalidInputException",
                    Some("NameExists"),
                    "Some names are already in use: a",
                    400,
                ),
                ErrorKind::NameTaken,
            ),
            (error("InvalidInputException", Some("Other"), "no", 400), ErrorKind::Invalid),
            (
                error(
                    "InvalidInputException",
                    Some("Other"),
                    "Please try again in a few minutes",
                    400,
                ),
                ErrorKind::Busy,
            ),
            (
                error(
                    "NotFoundException",
                    Some("DoesNotExist"),
                    "The KeyPair does not exist: a",
                    404,
                ),
                ErrorKind::NotFound,
            ),
            (error("NotFoundException", None, "no", 400), ErrorKind::NotFound),
            (error("AccessDeniedException", Some("AccessDenied"), "no", 400), ErrorKind::Denied),
            (error("UnauthenticatedException", None, "no", 401), ErrorKind::BadCredentials),
            (error("ExpiredTokenException", None, "no", 403), ErrorKind::BadCredentials),
            (error("AccountSetupInProgressException", None, "no", 428), ErrorKind::AccountSetup),
            (error("RegionSetupInProgressException", Some("X"), "no", 428), ErrorKind::RegionSetup),
            (error("ThrottlingException", Some("X"), "Rate exceeded", 400), ErrorKind::Throttled),
            (error("ThrottlingException", None, "slow down", 400), ErrorKind::Throttled),
            (error("OperationFailureException", Some("X"), "no", 400), ErrorKind::OperationFailed),
            (error("ServiceException", Some("InternalError"), "no", 500), ErrorKind::Transient),
            (error("SomethingNew", None, "no", 400), ErrorKind::Transient),
            (
                FaultEffect::Body { status: 503, body: "<html>busy</html>".to_owned() },
                ErrorKind::Transient,
            ),
            (FaultEffect::Body { status: 404, body: String::new() }, ErrorKind::Transient),
            (FaultEffect::Body { status: 200, body: "{".to_owned() }, ErrorKind::Transient),
            (FaultEffect::CutBefore, ErrorKind::Transient),
        ];
        for (effect, expected) in cases {
            let name = format!("{effect:?}, header: {header}");
            let is_page = matches!(effect, FaultEffect::Body { .. });
            // The one that is sent once, whatever is answered.
            simulator.add_fault(Fault {
                operation: "DeleteKnownHostKeys".to_owned(),
                resource: None,
                times: 1,
                effect,
            });
            let error = lightsail.delete_known_host_keys("web-1", &|| true).await.unwrap_err();
            assert_eq!(error.kind, expected, "{name}: {error}");
            // Nobody knows who answers so, but where.
            let host = simulator.url().replace("http://", "");
            assert_eq!(error.code == "UnreadableAnswer", is_page, "{name}: {error}");
            assert!(!is_page || error.message.starts_with(&host), "{name}: {error}");
            assert!(
                !error.message.contains("<html>") && !error.message.is_empty(),
                "{name}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn the_simulators_own_errors_are_classified() {
    for header in [true, false] {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.set_switches(|switches| switches.error_type_header = header);
        let lightsail = lightsail(&simulator).await;
        assert_eq!(lightsail.find_key_pair(&"missing".into()).await.unwrap().value, None);
        assert_eq!(lightsail.find_instance("missing").await.unwrap().value, None);
        assert_eq!(
            lightsail.find_operation("00000000-0000-4000-8000-000000000000").await.unwrap(),
            None
        );
        let imported =
            lightsail.import_key_pair(&"fleet".into(), PUBLIC_KEY, &|| true).await.unwrap();
        let Imported::Accepted(operation) = imported else { panic!("{imported:?}") };
        assert!(operation.succeeded(), "{operation:?}");
        assert_eq!(
            lightsail.import_key_pair(&"fleet".into(), PUBLIC_KEY, &|| true).await.unwrap(),
            Imported::NameTaken
        );
        assert_eq!(
            lightsail
                .import_key_pair(&"other".into(), "c3NoLXJzYQ==", &|| true)
                .await
                .unwrap_err()
                .kind,
            ErrorKind::BadKey
        );
        assert_eq!(lightsail.delete_key_pair(&"missing".into(), None).await.unwrap(), None);
        assert_eq!(
            lightsail.delete_known_host_keys("missing", &|| true).await.unwrap_err().kind,
            ErrorKind::NotFound
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_known_from_an_answer_that_was_lost() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    let port = simulator.url();
    drop(simulator);
    // The listener ends with the simulator; until then connections are still taken.
    let start = Instant::now();
    while tokio::net::TcpStream::connect(port.trim_start_matches("http://")).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(30), "the listener stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A connection of before may be used once more.
    let _ = lightsail.import_key_pair(&"a".into(), PUBLIC_KEY, &|| true).await;
    let error = lightsail.import_key_pair(&"a".into(), PUBLIC_KEY, &|| true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NeverSent, "{error}");
}

#[tokio::test]
async fn a_list_is_walked_over_all_pages_and_shared() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.set_switches(|switches| switches.page_size = 3);
    let region = simulator.region(ACCOUNT, "eu-west-1");
    region.create_default_key_pair();
    for index in 0..9 {
        region.import_key_pair(&format!("pair-{index}"), PUBLIC_KEY);
    }
    let lightsail = lightsail(&simulator).await;
    let inventory = Arc::new(Inventory::new("cluster", Metrics::default()));
    let before = simulator.requests().len();
    let needs = ListNeeds { max_age: Duration::from_mins(1), since: None, most_pages: usize::MAX };
    let list = |_| inventory.list_within(&lightsail, needs);
    let lists = futures::future::join_all((0..20).map(list)).await;
    for list in lists {
        assert!(list.unwrap().unwrap().find(&"pair-8".into()).is_some());
    }
    assert_eq!(
        simulator.requests().len() - before,
        4,
        "one walk over four pages serves all twenty"
    );
    assert!(
        inventory
            .list_live(&lightsail)
            .await
            .unwrap()
            .find(&"LightsailDefaultKeyPair".into())
            .is_some()
    );
    assert_eq!(simulator.requests().len() - before, 8, "who asks for a list of now gets one");
}

/// The series begins with the first list that was read, and ends when the last object has gone.
#[tokio::test]
async fn a_list_that_fails_is_counted() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let (lightsail, metrics) = (lightsail(&simulator).await, Metrics::default());
    let inventory = Arc::new(Inventory::new("cluster", metrics.clone()));
    let failures = || {
        let text = metrics.encode();
        let name = "lightsail_operator_inventory_failures_total{";
        let line = text.lines().find(|line| line.starts_with(name));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    inventory.list_live(&lightsail).await.unwrap();
    assert_eq!(failures().as_deref(), Some("0"));
    simulator.add_fault(Fault::new(
        "GetKeyPairs",
        error("AccessDeniedException", None, "not authorized", 403),
    ));
    inventory.list_live(&lightsail).await.unwrap_err();
    assert_eq!(failures().as_deref(), Some("1"));
    assert!(metrics.encode().contains("inventory_age"));
    let mut other = lightsail.scope().clone();
    other.account = "210987654321".into();
    inventory.forget_scope(&other);
    assert_eq!(failures().as_deref(), Some("1"), "another account is forgotten");
    inventory.forget_scope(lightsail.scope());
    let left: Vec<String> = metrics.encode().lines().map(str::to_owned).collect();
    let left: Vec<&String> =
        left.iter().filter(|line| line.contains("_inventory_") && !line.starts_with('#')).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_pair_without_its_arn_spoils_no_list() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    let arn = "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1";
    let body = |pairs: &str| FaultEffect::Body { status: 200, body: pairs.to_owned() };
    let list = format!(
        r#"{{"keyPairs":[{{"name":"bare"}},{{"arn":"{arn}"}},
        {{"name":"whole","arn":"{arn}"}}]}}"#
    );
    for (operation, times, body) in
        [("GetKeyPairs", 4, body(&list)), ("GetKeyPair", 1, body(r#"{"keyPair":{"name":"bare"}}"#))]
    {
        simulator.add_fault(Fault::new(operation, body).times(times));
    }
    let inventory = Arc::new(Inventory::new("cluster", Metrics::default()));
    let list = inventory.list_live(&lightsail).await.unwrap();
    let found = ["whole", "bare"].map(|name| list.find(&name.into()).is_some());
    assert_eq!((found, list.len()), ([true, false], 1));
    assert!(list.find_for_sure(&"whole".into()).is_ok_and(|found| found.is_some()));
    let error = list.find_for_sure(&"other".into()).unwrap_err();
    assert!(error.to_string().contains("keyPair.arn"), "it may be the one left out: {error}");
    let listed = lightsail.key_pairs().await.unwrap();
    assert_eq!((listed.pairs.len(), listed.unusable), (1, 2));
    let whole = lightsail.find_listed(&"whole".into()).await.unwrap();
    assert!(whole.value.is_some());
    let error = lightsail.find_listed(&"other".into()).await.unwrap_err();
    assert!(error.to_string().contains("keyPair.name"), "it may be the nameless one: {error}");
    let error = lightsail.find_key_pair(&"bare".into()).await.unwrap_err();
    assert!(error.to_string().contains("keyPair.arn"), "{error}");
}

/// Whether Lightsail tells `fleet` and `Fleet` apart is unverified. What it answers is shown; any
/// other name is an answer to something else.
#[tokio::test]
async fn an_answer_may_differ_from_the_name_only_in_its_case() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    let arn = "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/1";
    let answer = |operation: &str, member: &str, resource: &str| {
        let body = format!(r#"{{"{member}":{resource}}}"#);
        let effect = FaultEffect::Body { status: 200, body };
        simulator.add_fault(Fault::new(operation, effect).times(1));
    };
    let of = |name: &str| format!(r#"{{"name":"{name}","arn":"{arn}"}}"#);

    answer("GetKeyPair", "keyPair", &of("Fleet"));
    let pair = lightsail.find_key_pair(&"fleet".into()).await.unwrap().value.unwrap();
    assert_eq!((pair.name.as_str(), pair.arn.as_str()), ("Fleet", arn));
    answer("GetKeyPair", "keyPair", &of("fleet-2"));
    let error = lightsail.find_key_pair(&"fleet".into()).await.unwrap_err();
    assert!(error.to_string().contains("keyPair.name"), "{error}");

    for found in [of("WEB-1"), format!(r#"{{"arn":"{arn}"}}"#)] {
        answer("GetInstance", "instance", &found);
        let instance = lightsail.find_instance("web-1").await.unwrap().value.unwrap();
        assert_eq!(instance.arn.as_str(), arn, "{found}");
    }
    answer("GetInstance", "instance", &of("web-2"));
    let error = lightsail.find_instance("web-1").await.unwrap_err();
    assert!(error.to_string().contains("instance.name"), "{error}");
}

/// Otherwise nobody could ask about it again.
#[tokio::test]
async fn an_operation_that_is_looked_up_keeps_its_id() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    for body in [r#"{"operation":{"status":"Started"}}"#, r#"{"operation":{"id":""}}"#] {
        let effect = FaultEffect::Body { status: 200, body: body.to_owned() };
        simulator.add_fault(Fault::new("GetOperation", effect).times(1));
        let operation = lightsail.find_operation("asked-for").await.unwrap().unwrap();
        assert_eq!(operation.id.as_deref(), Some("asked-for"), "{body}");
    }
    let body = r#"{"operation":{"id":"another","status":"Succeeded"}}"#.to_owned();
    let effect = FaultEffect::Body { status: 200, body };
    simulator.add_fault(Fault::new("GetOperation", effect).times(1));
    let error = lightsail.find_operation("asked-for").await.unwrap_err();
    assert!(error.to_string().contains("operation.id"), "{error}");
}

/// An empty object has no list. It may be anybody's, and shows no absence.
#[tokio::test]
async fn an_answer_without_its_list_is_no_empty_list() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    let effect = FaultEffect::Body { status: 200, body: "{}".to_owned() };
    simulator.add_fault(Fault::new("*", effect));
    let errors = [
        lightsail.key_pairs().await.map(drop),
        lightsail.find_listed(&"fleet".into()).await.map(drop),
        lightsail.windows_instances_with_default_key().await.map(drop),
        lightsail.operations_of("web-1").await.map(drop),
        lightsail.delete_known_host_keys("web-1", &|| true).await.map(drop),
        lightsail.regions().await.map(drop),
    ]
    .map(Result::unwrap_err);
    let codes = errors.each_ref().map(|error| (error.code.as_str(), error.kind));
    assert_eq!(codes, [("IncompleteAnswer", ErrorKind::Transient); 6]);
}

/// A gateway may have sent the request on, and its words are not Lightsail's.
#[tokio::test]
async fn i6_a_gateway_proves_nothing_in_whatever_words() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    let bodies = [
        (404, r#"{"code":"ResourceNotFound","message":"/ does not exist"}"#),
        (504, r#"{"code":"RequestExpired","message":"upstream request expired"}"#),
        (504, r#"{"message":"upstream timeout: rate exceeded"}"#),
        (504, r#"{"message":"please wait for it to complete before trying again"}"#),
        (503, r#"{"code":"SlowDown"}"#),
        (502, r#"{"code":"ValidationError","message":"bad upstream"}"#),
        (403, r#"{"code":"AccessDenied"}"#),
        (200, r#"{"code":"SlowDown"}"#),
    ];
    for (status, body) in bodies {
        let effect = FaultEffect::Body { status, body: body.to_owned() };
        let fault = simulator.add_fault(Fault::new("*", effect));
        let name = "fleet".into();
        let errors = [
            lightsail.find_key_pair(&name).await.map(drop),
            lightsail.delete_key_pair(&name, None).await.map(drop),
            lightsail.delete_known_host_keys("web-1", &|| true).await.map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.kind, ErrorKind::Transient, "{status} {body}: {error}");
            let says = error.message.contains("it says: AccessDenied");
            assert_eq!(says, status == 403, "people are told what it said: {error}");
        }
        fault.remove();
    }
    for operation in ["DeleteKeyPair", "DeleteKnownHostKeys"] {
        let requests = simulator.requests();
        let sent = requests.iter().filter(|request| request.operation == operation);
        assert_eq!(sent.count(), bodies.len(), "{operation} is not sent again");
    }
}

/// What is throttled is sent again when its turn comes: it is no failure. The rate goes down, and
/// the metrics tell.
#[tokio::test]
async fn throttling_is_waited_for() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let lightsail = lightsail(&simulator).await;
    for operation in ["ImportKeyPair", "GetKeyPair"] {
        let effect = FaultEffect::throttling();
        simulator.add_fault(Fault {
            operation: operation.to_owned(),
            resource: None,
            times: 3,
            effect,
        });
    }
    lightsail.import_key_pair(&"fleet".into(), PUBLIC_KEY, &|| true).await.unwrap();
    assert!(lightsail.find_key_pair(&"fleet".into()).await.unwrap().value.is_some());
    let asked: Vec<_> =
        simulator.requests().into_iter().map(|request| request.operation).skip(1).collect();
    assert_eq!(asked, [["ImportKeyPair"; 4], ["GetKeyPair"; 4]].concat());
}

/// A write may wait for its turn for long. What was wanted before may be suspended by then.
#[tokio::test]
async fn what_is_not_wanted_any_more_when_its_turn_comes_is_not_sent() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.region(ACCOUNT, "eu-west-1").add_instance("web-1");
    let lightsail = lightsail(&simulator).await;
    let count = |operation: &str| {
        simulator.requests().iter().filter(|request| request.operation == operation).count()
    };
    simulator.add_fault(Fault::new("ImportKeyPair", FaultEffect::throttling()).times(1));
    let name = "fleet".into();
    let is_wanted = || count("ImportKeyPair") == 0;
    let error = lightsail.import_key_pair(&name, PUBLIC_KEY, &is_wanted).await.unwrap_err();
    assert!(error.kind == ErrorKind::Outdated && error.kind.proves_refusal());
    assert_eq!(count("ImportKeyPair"), 1, "the one that was throttled");
    let error = lightsail.delete_known_host_keys("web-1", &|| false).await.unwrap_err();
    assert_eq!((error.kind, count("DeleteKnownHostKeys")), (ErrorKind::Outdated, 0));
}

#[tokio::test]
async fn the_account_is_asked_for_once_for_each_set_of_credentials() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let sessions = sessions(&simulator).await;
    for _ in 0..3 {
        let access = sessions.open(None, &"eu-west-1".into(), &"team-a".into()).await.unwrap();
        assert_eq!(access.account.id.as_str(), ACCOUNT);
    }
    assert_eq!(simulator.requests().len(), 1);
}

/// The SDK would end a request after some seconds in which nothing is sent and nothing comes.
#[tokio::test]
async fn a_call_may_take_as_long_as_the_default_allows() {
    let late = async |delay: u64| {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.region(ACCOUNT, "eu-west-1").add_instance("web-1");
        let lightsail = lightsail(&simulator).await;
        let effect = FaultEffect::Delay(Duration::from_secs(delay));
        simulator.add_fault(Fault::new("DeleteKnownHostKeys", effect).times(1));
        let outcome = lightsail.delete_known_host_keys("web-1", &|| true).await;
        (simulator.url().replace("http://", ""), outcome)
    };
    let ((_, in_time), (host, too_late)) = tokio::join!(late(8), late(60));
    in_time.unwrap();
    let error = too_late.unwrap_err();
    assert_eq!(error.to_string(), format!("Timeout: {host} did not respond within 10s"));
    assert_eq!(error.kind, ErrorKind::Transient);
}

/// The SDK knows the service's clock after the first answer, and says nothing of the credentials.
#[tokio::test]
async fn a_clock_that_is_wrong_costs_one_request() {
    for offset in [-600, 600] {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.region(ACCOUNT, "eu-west-1").import_key_pair("fleet", PUBLIC_KEY);
        simulator.set_clock_offset(offset);
        let lightsail = lightsail(&simulator).await;
        for _ in 0..2 {
            assert!(lightsail.find_key_pair(&"fleet".into()).await.unwrap().value.is_some());
        }
        let asked = simulator.requests().into_iter().map(|request| request.operation);
        let asked: Vec<_> = asked.filter(|operation| operation == "GetKeyPair").collect();
        assert_eq!(asked.len(), 3, "{offset} s");
    }
}

/// As where an object is released, or the process ends, before Lightsail answers.
#[tokio::test]
async fn a_change_whose_answer_nobody_waits_for_is_counted() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let metrics = Metrics::default();
    let sessions = counted_sessions(&simulator, metrics.clone()).await;
    let opened = sessions.open(None, &"eu-west-1".into(), &"team-a".into()).await.unwrap();
    let held = Fault::new("ImportKeyPair", FaultEffect::HoldBefore);
    let held = simulator.region(ACCOUNT, "eu-west-1").add_fault(held);
    let name = "fleet".into();
    tokio::select! {
        _ = opened.own.import_key_pair(&name, PUBLIC_KEY, &|| true) => panic!("it is held"),
        () = held.reached() => {}
    }
    let text = metrics.encode();
    let counted = text.lines().find(|line| line.contains("code=\"GivenUp\""));
    assert!(counted.is_some_and(|line| line.contains("ImportKeyPair")), "{text}");
}
