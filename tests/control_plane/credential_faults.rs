//! Credentials that cannot be used, and servers that give what cannot be credentials: what is
//! reported, and that nothing of it ends the process.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lightsail_operator::api::LightsailKeyPair;

use crate::bed::{imported, public_key};
use crate::credential_servers::{CredentialServer, TOKEN};
use crate::credentials::{Environment, Ways, check_said, role};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_sent_are_said_and_end_no_process() {
    let ways = Ways::new("broken-keys").await;
    let cases: Vec<(&str, Environment, &[&str])> = vec![
        (
            "line-break",
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE\n".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
            ],
            &["the environment: the access key ID ends with a line break"],
        ),
        (
            "token-line-break",
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
                ("AWS_SESSION_TOKEN", "a\nb".to_owned()),
            ],
            &["the environment: the session token has a character"],
        ),
        (
            "sdk-panics",
            ways.profile(
                "panics",
                &format!(
                    "[profile panics]\nrole_arn = {}\nsource_profile = of-it\n\
                     [profile of-it]\naws_access_key_id = a\u{7}\naws_secret_access_key = x\n",
                    role("assumed")
                ),
            ),
            &["the profile: the AWS SDK cannot process"],
        ),
    ];
    check_said(&ways, cases).await;
}

/// A page of a proxy, or words for people, are no fault of the credentials. For some the SDK
/// panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_credentials_that_answers_anything_is_an_outage() {
    let ways = Ways::new("any-answer").await;
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = CredentialServer::start(ip, ways.bed.simulator.clone(), HOUR).await;
    let container = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", server.url())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN.to_owned()),
    ];
    let instance = vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url())];
    let mut sts = ways.profile("sts", &format!("[profile sts]\n{}", ways.keys()));
    sts.push(("AWS_ENDPOINT_URL_STS", server.url()));
    for (name, environment, text) in [
        ("container", container, "<html>Sign in</html>"),
        ("page", instance.clone(), "<html>Sign in</html>"),
        ("roles", instance, "one\ntwo"),
        ("sts", sts, "<html>Sign in</html>"),
    ] {
        server.set_text(Some(text));
        let mut operator = ways.start(&environment).await;
        ways.bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        let host = server.address.to_string();
        ways.wait_message(name, "ServiceError", &[&host, "not an API response"]).await;
        server.set_text(None);
        if name != "sts" {
            ways.bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        }
        operator.stop().await.unwrap();
    }
}

/// They are asked for with growing pauses, however many objects need them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_over_when_they_come_are_asked_for_once_for_all() {
    let ways = Ways::new("over").await;
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let life = Duration::from_secs(5);
    let server = CredentialServer::start(ip, ways.bed.simulator.clone(), life).await;
    let environment = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", server.url())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN.to_owned()),
    ];
    let operator = ways.start(&environment).await;
    let names: Vec<String> = (0..10).map(|index| format!("pair-{index}")).collect();
    for name in &names {
        ways.bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
    }
    for name in &names {
        let words = ["ExpiredCredentials", "check the operator's clock"];
        ways.wait_message(name, "InvalidCredentials", &words).await;
    }
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let counted = "credentials_requests_total{operation=\"ContainerCredentials\",code=\"200\"} ";
    let count = metrics.split(counted).nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(count.parse::<usize>().unwrap() < names.len(), "{count}");
    assert_eq!(ways.calls("GetCallerIdentity"), 0, "nobody is asked whose they are");
}
