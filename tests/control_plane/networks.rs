//! Networks between the operator and AWS: proxies, private CAs, and what does not answer. No name
//! is resolved by DNS, and nothing leaves this machine.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, find};
use serde_json::json;
use testbed::operator::{Operator, OperatorOptions};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::bed::{Bed, imported, public_key, wait_for};
use crate::network_servers::{HOST, Proxy, behind_tls, black_hole, closed, silent};

/// No DNS server is asked for a label that is too long.
const NO_SUCH_HOST: &str =
    "a-label-of-more-than-sixty-three-characters-which-no-name-can-have-at-all.example";

type Environment = Vec<(&'static str, String)>;

async fn start(bed: &Bed, environment: &Environment) -> Operator {
    let mut options = bed.options(None).await;
    options.environment.retain(|(name, _)| !environment.iter().any(|(other, _)| name == other));
    let own = environment.iter().filter(|(_, value)| !value.is_empty());
    options.environment.extend(own.map(|(name, value)| ((*name).to_owned(), value.clone())));
    Operator::start(options).await.unwrap()
}

/// What the object says, once it says this.
async fn wait_said(bed: &Bed, name: &str, words: &[&str]) -> String {
    let message = |object: &LightsailKeyPair| {
        let status = object.status.as_ref()?;
        find(&status.conditions, READY).map(|ready| format!("{}: {}", ready.reason, ready.message))
    };
    let says = |object: &LightsailKeyPair| {
        message(object).is_some_and(|said| words.iter().all(|word| said.contains(word)))
    };
    let object = bed.wait(name, &format!("{words:?}"), says).await;
    message(&object).unwrap()
}

pub(crate) fn simulator_address(bed: &Bed) -> SocketAddr {
    bed.simulator.url().trim_start_matches("http://").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cause_of_no_answer_is_reported_with_the_host() {
    let bed = Bed::new("networks").await;
    let (tls, _) = behind_tls(simulator_address(&bed)).await;
    let refusing = Proxy::start(403, tls).await;
    let asking = Proxy::start(407, tls).await;
    let (_silent, silent) = silent();
    let (_hole, _queue, hole) = black_hole();
    let (closed, no_proxy) = (closed(), closed());
    let endpoint = |url: String| vec![("AWS_ENDPOINT_URL", url)];
    let by_proxy = |proxy: String| {
        vec![("AWS_ENDPOINT_URL", format!("https://{HOST}")), ("HTTPS_PROXY", proxy)]
    };
    let cases: Vec<(&str, Environment, Vec<String>)> = vec![
        (
            "dns",
            endpoint(format!("https://{NO_SUCH_HOST}")),
            vec![format!("DNS has no address for {NO_SUCH_HOST}")],
        ),
        (
            "refused",
            endpoint(format!("https://{closed}")),
            vec![format!("{closed} refuses connections")],
        ),
        (
            "black-hole",
            endpoint(format!("https://{hole}")),
            vec![format!("{hole} cannot be reached")],
        ),
        (
            "silent",
            endpoint(format!("http://{silent}")),
            vec![format!("{silent} did not respond within")],
        ),
        (
            "unknown-ca",
            endpoint(format!("https://localhost:{}", tls.port())),
            vec![format!("localhost:{} is from an unknown CA (CN=Example Private CA", tls.port())],
        ),
        ("other-name", endpoint(format!("https://{tls}")), vec![format!("{tls}")]),
        (
            "proxy-refuses",
            by_proxy(format!("http://{}", refusing.address)),
            vec![format!(
                "the proxy {} refused to connect to {HOST}: it returned 403",
                refusing.address
            )],
        ),
        (
            "proxy-asks",
            by_proxy(format!("http://ann:secret@{}", asking.address)),
            vec![format!(
                "the proxy {} refused to connect to {HOST}: it returned 407",
                asking.address
            )],
        ),
        (
            "proxy-silent",
            by_proxy(format!("http://{silent}")),
            vec![format!("the proxy {silent} cannot be reached")],
        ),
        (
            "proxy-black-hole",
            by_proxy(format!("http://{hole}")),
            vec![format!("the proxy {hole} cannot be reached")],
        ),
        (
            "socks-down",
            by_proxy(format!("socks5://{no_proxy}")),
            vec![format!("the proxy {no_proxy} refuses connections")],
        ),
        (
            "proxy-down",
            by_proxy(format!("http://{no_proxy}")),
            vec![format!("the proxy {no_proxy} refuses connections")],
        ),
    ];
    for (name, environment, words) in cases {
        check_said(&bed, name, &environment, &words, "GetCallerIdentity").await;
    }
    assert_eq!(bed.simulator.requests().len(), 0);
}

/// The condition, `/readyz`, the metric of this operation and one line of the log say why there is
/// no answer.
async fn check_said(
    bed: &Bed,
    name: &str,
    environment: &Environment,
    words: &[String],
    operation: &str,
) {
    let mut operator = start(bed, environment).await;
    bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = wait_said(bed, name, &[&["ServiceError: "][..], &words].concat()).await;
    assert!(!said.contains("secret"), "{said}");
    let (status, report) = operator.get("/readyz").await.unwrap();
    assert!(status == 200 && report.contains(words[0]), "{name}: {status} {report}");
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let counted =
        format!("lightsail_operator_credentials_requests_total{{operation=\"{operation}\"");
    assert!(metrics.contains(&counted), "{name}: {metrics}");
    assert_eq!(lines(&operator, "requests to an AWS endpoint are failing"), 1, "{name}");
    operator.stop().await.unwrap();
    bed.delete::<LightsailKeyPair>(name).await;
}

/// The SDK would end the request after some seconds in which nothing comes, and say that the
/// credentials are not good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_whose_sts_says_nothing_is_an_outage_with_the_default_timeout() {
    let bed = Bed::new("silent-role").await;
    let (_silent, silent) = silent();
    let mut options = bed.options(None).await;
    let token = options.log.with_file_name("jwt");
    std::fs::write(&token, "a.b.c").unwrap();
    let timeout = options.arguments.iter().position(|it| it == "--aws-call-timeout").unwrap();
    options.arguments.drain(timeout..timeout + 2);
    options.environment.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    for (name, value) in [
        ("AWS_ENDPOINT_URL_STS", format!("http://{silent}")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
    ] {
        options.environment.push((name.to_owned(), value));
    }
    let operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("pair", &imported(&public_key("ed25519"))).await;
    let said = format!("{silent} did not respond within 10s");
    wait_said(&bed, "pair", &["ServiceError: Timeout", &said]).await;
    assert_eq!(lines(&operator, "requests to an AWS endpoint are failing"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_by_plain_http_to_another_machine() {
    let bed = Bed::new("plain").await;
    // An address of this machine, but not a loopback address.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let token = bed.options(None).await.log.with_file_name("jwt");
    std::fs::write(&token, "a.b.c").unwrap();
    let endpoint = ("AWS_ENDPOINT_URL", format!("http://{address}"));
    let web_identity = vec![
        endpoint.clone(),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
        ("AWS_ACCESS_KEY_ID", String::new()),
        ("AWS_SECRET_ACCESS_KEY", String::new()),
    ];
    let words = [format!("nothing was sent to {address}"), "--allow-insecure-endpoints".to_owned()];
    for (name, environment, operation) in [
        ("keys", vec![endpoint], "GetCallerIdentity"),
        ("web-identity", web_identity, "AssumeRoleWithWebIdentity"),
    ] {
        check_said(&bed, name, &environment, &words, operation).await;
        let own = std::net::TcpStream::connect(address).unwrap();
        let (_, first) = listener.accept().unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "{name}: the operator never connected");
    }
}

fn lines(operator: &Operator, words: &str) -> usize {
    operator.log_text().lines().filter(|line| line.contains(words)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_ca_is_trusted_and_proxies_are_used_for_what_is_far() {
    let bed = Bed::new("proxies").await;
    let (tls, ca) = behind_tls(simulator_address(&bed)).await;
    let folder = bed.options(None).await.log.parent().unwrap().to_owned();
    let bundle = folder.join("ca.pem");
    std::fs::write(&bundle, ca).unwrap();
    let bundle = bundle.to_str().unwrap().to_owned();
    let proxy = Proxy::start(200, tls).await;
    let never = Proxy::start(500, tls).await;
    let by_localhost = ("AWS_ENDPOINT_URL", format!("https://localhost:{}", tls.port()));
    let far = ("AWS_ENDPOINT_URL", format!("https://{HOST}"));
    let trusted = ("AWS_CA_BUNDLE", bundle.clone());
    let all = |proxy: &Proxy| {
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
            .map(|name| (name, format!("http://{}", proxy.address)))
            .to_vec()
    };
    let cases: Vec<(&str, Environment)> = vec![
        ("bundle", vec![by_localhost.clone(), trusted.clone()]),
        ("cert-file", vec![by_localhost.clone(), ("SSL_CERT_FILE", bundle)]),
        ("near", [vec![by_localhost, trusted.clone()], all(&never)].concat()),
        ("near-plain", all(&never)),
        (
            "far",
            vec![
                far,
                trusted,
                ("HTTPS_PROXY", format!("http://ann:p%40ss@{}", proxy.address)),
                ("NO_PROXY", ".internal,10.0.0.0/8".to_owned()),
            ],
        ),
    ];
    for (name, environment) in cases {
        let mut operator = start(&bed, &environment).await;
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        operator.stop().await.unwrap();
    }
    assert_eq!(never.first_lines(), BTreeSet::new(), "this machine is never reached by a proxy");
    let line = format!("CONNECT {HOST}:443 HTTP/1.1");
    assert_eq!(proxy.first_lines(), BTreeSet::from([line]));
    let password = format!("Basic {}", BASE64_STANDARD.encode("ann:p@ss"));
    assert!(proxy.heads.lock().iter().all(|head| head.contains(&password)));
}

/// Writes the proxy into the kubeconfig; returns the address of the API server.
fn use_proxy(options: &OperatorOptions, proxy: SocketAddr) -> String {
    let text = std::fs::read_to_string(&options.kubeconfig).unwrap();
    let mut kubeconfig: serde_json::Value = serde_yaml_ng::from_str(&text).unwrap();
    let cluster = &mut kubeconfig["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().unwrap().trim_start_matches("https://").to_owned();
    cluster["proxy-url"] = json!(format!("http://ann:secret@{proxy}"));
    std::fs::write(&options.kubeconfig, kubeconfig.to_string()).unwrap();
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_is_reached_by_the_proxy_of_the_kubeconfig() {
    let bed = Bed::new("proxy-url").await;
    let mut options = bed.options(None).await;
    let address = closed();
    let server = use_proxy(&options, address);
    // The environment's is not for this machine, and there is nobody. kubectl takes this list.
    options.environment.push(("HTTPS_PROXY".to_owned(), format!("http://{}", closed())));
    options.environment.push(("NO_PROXY".to_owned(), ",,far.example,".to_owned()));
    let mut operator = Operator::spawn(options).unwrap();
    let said = async |words: &str| {
        let named = format!("the Kubernetes API server: {server} by the proxy {address}: {words}");
        wait_for(&named, async || {
            operator.get("/readyz").await.is_ok_and(|(_, report)| report.contains(&named))
        })
        .await;
    };
    said("Connection refused").await;
    // It asks for a password; the log has spoken of the outage.
    let asking = Proxy::start_at(address, 407, address).await;
    said("the proxy returns 407").await;
    asking.stop().await;
    let proxy = Proxy::start_at(address, 200, server.parse().unwrap()).await;
    operator.wait_until_ready().await.unwrap();
    bed.create::<LightsailKeyPair>("pair", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("pair", "Imported").await;
    assert_eq!(proxy.first_lines(), BTreeSet::from([format!("CONNECT {server} HTTP/1.1")]));
    for line in
        ["requests to the Kubernetes API server are failing", "API server are succeeding again"]
    {
        assert_eq!(lines(&operator, line), 1, "{line}");
    }
    assert_eq!(lines(&operator, "failed with error") + lines(&operator, "secret"), 0);
}

/// A proxy that refuses everything tells whom the operator wanted to reach.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_are_those_of_the_partition_and_of_the_objects_region() {
    let token = "AWS_WEB_IDENTITY_TOKEN_FILE";
    let variant = |name: &'static str| vec![(name, "true".to_owned())];
    for (index, (partition, region, environment, expected)) in [
        ("aws", "eu-west-1", vec![], "sts.eu-west-1.amazonaws.com"),
        ("aws-us-gov", "us-gov-west-1", vec![], "sts.us-gov-west-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", vec![], "sts.cn-north-1.amazonaws.com.cn"),
        ("aws-eusc", "eusc-de-east-1", vec![], "sts.eusc-de-east-1.amazonaws.eu"),
        ("aws", "us-east-1", variant("AWS_USE_FIPS_ENDPOINT"), "sts-fips.us-east-1.amazonaws.com"),
        ("aws", "eu-west-1", variant("AWS_USE_DUALSTACK_ENDPOINT"), "sts.eu-west-1.api.aws"),
        (
            "aws",
            "eu-west-1",
            vec![("AWS_REGION", "us-west-2".to_owned())],
            "sts.us-west-2.amazonaws.com",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let bed = Bed::new("endpoints").await;
        let proxy = Proxy::start(502, closed()).await;
        let file = bed.options(None).await.log.with_file_name("jwt");
        std::fs::write(&file, "a.b.c").unwrap();
        let mut all = vec![
            (token, file.to_str().unwrap().to_owned()),
            ("AWS_ROLE_ARN", format!("arn:{partition}:iam::123456789012:role/r")),
            ("HTTPS_PROXY", format!("http://{}", proxy.address)),
            ("AWS_ENDPOINT_URL", String::new()),
            ("AWS_ACCESS_KEY_ID", String::new()),
            ("AWS_SECRET_ACCESS_KEY", String::new()),
        ];
        if !environment.iter().any(|(name, _)| *name == "AWS_REGION") {
            all.push(("AWS_REGION", String::new()));
        }
        all.extend(environment);
        let _operator = start(&bed, &all).await;
        let mut spec = imported(&public_key("ed25519"));
        spec["region"] = json!(region);
        bed.create::<LightsailKeyPair>("pair", &spec).await;
        wait_said(&bed, "pair", &["ServiceError", expected, "502"]).await;
        let line = format!("CONNECT {expected}:443 HTTP/1.1");
        assert_eq!(proxy.first_lines(), BTreeSet::from([line]), "{index}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_fails_is_logged_once_and_once_when_it_is_over() {
    let bed = Bed::new("outage").await;
    let (tls, ca) = behind_tls(simulator_address(&bed)).await;
    let bundle = bed.options(None).await.log.with_file_name("ca.pem");
    std::fs::write(&bundle, ca).unwrap();
    let address = closed();
    let environment = vec![
        ("AWS_ENDPOINT_URL", format!("https://localhost:{}", address.port())),
        ("AWS_CA_BUNDLE", bundle.to_str().unwrap().to_owned()),
    ];
    let operator = start(&bed, &environment).await;
    for name in ["one", "two", "three"] {
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        wait_said(&bed, name, &["ServiceError", "refuses connections"]).await;
    }
    assert_eq!(lines(&operator, "requests to an AWS endpoint are failing"), 1);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                copy_bidirectional(&mut client, &mut TcpStream::connect(tls).await?).await
            });
        }
    });
    bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    wait_for("it is said that it is over", async || {
        lines(&operator, "requests to an AWS endpoint are succeeding again") == 1
    })
    .await;
    assert_eq!(lines(&operator, "requests to an AWS endpoint are failing"), 1);
}
