//! Where the operator gets its AWS credentials: each way that docs/iam.md promises, and what is
//! said when it fails.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, find};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Fault, FaultEffect, Role, WebIdentity};

use crate::bed::{ACCOUNT, Bed, REGION, imported, public_key, wait_for};
use crate::credential_servers::{CredentialServer, TOKEN};

const HOUR: Duration = Duration::from_hours(1);
const SECRET: &str = "a-secret-of-a-file";
const ISSUER: &str = "https://oidc.example";
const SUBJECT: &str = "system:serviceaccount:lightsail-operator:lightsail-operator";

/// A bed whose operator has no credentials yet, and a folder for its files.
pub(crate) struct Ways {
    pub(crate) bed: Bed,
    folder: PathBuf,
    options: OperatorOptions,
}

pub(crate) type Environment = Vec<(&'static str, String)>;

impl Ways {
    pub(crate) async fn new(name: &str) -> Self {
        let bed = Bed::new(name).await;
        let options = bed.options(None).await;
        let folder = options.log.parent().unwrap().to_owned();
        Self { bed, folder, options }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The access key that the bed made, as lines of a profile.
    pub(crate) fn keys(&self) -> String {
        let value = |wanted: &str| {
            let mut all = self.options.environment.iter();
            all.find(|(name, _)| name == wanted).unwrap().1.clone()
        };
        format!(
            "aws_access_key_id = {}\naws_secret_access_key = {}\n",
            value("AWS_ACCESS_KEY_ID"),
            value("AWS_SECRET_ACCESS_KEY")
        )
    }

    pub(crate) fn profile(&self, name: &str, text: &str) -> Environment {
        let file = self.write(&format!("{name}.config"), text);
        vec![("AWS_CONFIG_FILE", file), ("AWS_PROFILE", name.to_owned())]
    }

    fn options(&self, environment: Environment) -> OperatorOptions {
        let mut options = self.options.clone();
        options.environment.retain(|(name, _)| !name.contains("ACCESS_KEY"));
        let mut given = environment.into_iter().map(|(name, value)| (name.to_owned(), value));
        if !given.any(|(name, _)| name == "AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            options.environment.push(("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()));
        }
        options
    }

    /// An operator with this environment, and no other credentials.
    pub(crate) async fn start(&self, environment: &Environment) -> Operator {
        let mut options = self.options(environment.clone());
        options.environment.retain(|(name, _)| !environment.iter().any(|(other, _)| name == other));
        let own = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        options.environment.extend(own);
        Operator::start(options).await.unwrap()
    }

    /// Waits for a message of an object that is not Ready.
    pub(crate) async fn wait_message(&self, name: &str, reason: &str, words: &[&str]) -> String {
        let says = |object: &LightsailKeyPair| {
            find(&object.status.as_ref().unwrap().conditions, READY).is_some_and(|ready| {
                ready.reason == reason && words.iter().all(|word| ready.message.contains(word))
            })
        };
        let object: LightsailKeyPair =
            self.bed.wait(name, &format!("{reason} {words:?}"), says).await;
        find(&object.status.unwrap().conditions, READY).unwrap().message.clone()
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.bed.calls(operation)
    }
}

pub(crate) fn web_identity_token(issuer: &str, subject: &str) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "iss": issuer, "sub": subject, "aud": "sts.amazonaws.com",
        "exp": 4_000_000_000_u64,
    });
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "RS256" })), part(&claims))
}

fn trust(bed: &Bed) {
    let web_identity = Some(WebIdentity {
        issuer: ISSUER.to_owned(),
        subject: SUBJECT.to_owned(),
        audience: "sts.amazonaws.com".to_owned(),
    });
    for (name, web_identity) in [("irsa", web_identity), ("assumed", None)] {
        let role = Role { name: name.to_owned(), web_identity, ..Role::default() };
        bed.simulator.set_role(ACCOUNT, role, None).unwrap();
    }
}

pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn sso(name: &str) -> String {
    format!(
        "[profile {name}]\nsso_session = corp\nsso_account_id = {ACCOUNT}\nsso_role_name = r\n\
         [sso-session corp]\nsso_region = {REGION}\nsso_start_url = https://corp.example/start\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_credentials_works() {
    let ways = Ways::new("credentials").await;
    trust(&ways.bed);
    let server = |ip| CredentialServer::start(ip, ways.bed.simulator.clone(), HOUR);
    let v4 = server(IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
    let v6 = server(IpAddr::V6(Ipv6Addr::LOCALHOST)).await;
    let token = ways.write("token", TOKEN);
    let container = |url: String| {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/container")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.clone()),
        ]
    };
    let session = hex::encode(Sha1::digest("corp"));
    ways.write(
        &format!(".aws/sso/cache/{session}.json"),
        &json!({ "accessToken": TOKEN, "expiresAt": "2999-01-01T00:00:00Z" }).to_string(),
    );
    let mut of_sso = ways.profile("sso", &sso("sso"));
    of_sso.push(("AWS_ENDPOINT_URL_SSO", v4.url()));
    let process = ways.write(
        "process.sh",
        &format!(
            "#!/bin/sh\necho '{{\"Version\": 1, \"AccessKeyId\": \"{}\", \"SecretAccessKey\": \
             \"{}\"}}'\n",
            ways.keys().lines().next().unwrap().split(" = ").nth(1).unwrap(),
            ways.keys().lines().nth(1).unwrap().split(" = ").nth(1).unwrap(),
        ),
    );
    std::fs::set_permissions(&process, std::fs::Permissions::from_mode(0o700)).unwrap();
    let chained = format!(
        "[profile base]\n{}[profile chained]\nsource_profile = base\nrole_arn = {}\n\
         role_session_name = of-the-profile\n",
        ways.keys(),
        role("assumed")
    );
    let web_identity = vec![
        ("AWS_WEB_IDENTITY_TOKEN_FILE", ways.write("jwt", &web_identity_token(ISSUER, SUBJECT))),
        ("AWS_ROLE_ARN", role("irsa")),
    ];
    let mut left_empty =
        ways.profile("empty", &format!("[profile empty]\nretry_mode = legacy\n{}", ways.keys()));
    for name in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_LIGHTSAIL", "AWS_REGION"] {
        left_empty.push((name, String::new()));
    }
    let caller = |name: &str| format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}");
    let user = format!("arn:aws:iam::{ACCOUNT}:user/simulated");
    let cases: Vec<(&str, Environment, String)> = vec![
        (
            "static",
            ways.profile("static", &format!("[profile static]\n{}", ways.keys())),
            user.clone(),
        ),
        ("empty", left_empty, user.clone()),
        ("chained", ways.profile("chained", &chained), caller("assumed/of-the-profile")),
        ("sso", of_sso, caller("node-role/given")),
        (
            "process",
            ways.profile(
                "process",
                &format!("[profile process]\ncredential_process = {process}\n"),
            ),
            user,
        ),
        ("irsa", web_identity.clone(), caller("irsa/lightsail-operator")),
        (
            "named",
            [web_identity, vec![("AWS_ROLE_SESSION_NAME", "prod-cluster".to_owned())]].concat(),
            caller("irsa/prod-cluster"),
        ),
        ("container-v4", container(v4.url()), caller("node-role/given")),
        ("container-v6", container(v6.url()), caller("node-role/given")),
        (
            "instance",
            vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", v4.url())],
            caller("node-role/given"),
        ),
    ];
    for (name, environment, caller) in cases {
        let before = ways.calls("GetCallerIdentity");
        let mut operator = ways.start(&environment).await;
        ways.bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        ways.bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        assert_eq!(ways.calls("GetCallerIdentity"), before + 1, "{name}");
        assert!(operator.log_text().contains(&caller), "{name}: {caller}");
        operator.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_credentials_is_reported() {
    let ways = Ways::new("no-credentials").await;
    trust(&ways.bed);
    let v4 =
        CredentialServer::start(IpAddr::V4(Ipv4Addr::LOCALHOST), ways.bed.simulator.clone(), HOUR)
            .await;
    let web_identity = |file: String, name: &str| {
        vec![("AWS_WEB_IDENTITY_TOKEN_FILE", file), ("AWS_ROLE_ARN", role(name))]
    };
    let jwt = ways.write("jwt", &web_identity_token(ISSUER, SUBJECT));
    let of_other = ways.write("other", &web_identity_token(ISSUER, "system:serviceaccount:a:b"));
    let expired = hex::encode(Sha1::digest("corp"));
    ways.write(
        &format!(".aws/sso/cache/{expired}.json"),
        &json!({ "accessToken": TOKEN, "expiresAt": "2001-01-01T00:00:00Z" }).to_string(),
    );
    let cases: Vec<(&str, Environment, &[&str])> = vec![
        ("none", Vec::new(), &["from any source", "the environment", "the instance's metadata"]),
        (
            "no-file",
            web_identity("/nowhere/token".to_owned(), "irsa"),
            &["/nowhere/token", "No such file"],
        ),
        (
            "no-jwt",
            web_identity(ways.write("bad", "x"), "irsa"),
            &["InvalidIdentityToken", "not a JWT"],
        ),
        (
            "other-subject",
            web_identity(of_other, "irsa"),
            &["AccessDenied: ", "Not authorized to perform sts:AssumeRoleWithWebIdentity"],
        ),
        ("no-role", web_identity(jwt, "nobody"), &["Not authorized to perform"]),
        ("expired-sso", ways.profile("sso", &sso("sso")), &["SSO", "expired"]),
        (
            "process",
            ways.profile("process", "[profile process]\ncredential_process = /bin/false\n"),
            &["the profile: credential_process ended with exit status: 1"],
        ),
        (
            "login",
            ways.profile("login", "[profile login]\nlogin_session = arn:aws:iam::1:user/a\n"),
            &["the profile: sessions of `aws login` are not supported"],
        ),
        (
            "container",
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", v4.url())),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong".to_owned()),
            ],
            &["the container endpoint", "403"],
        ),
        (
            "no-container-token",
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", v4.url())),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/agent".to_owned()),
            ],
            &["the container endpoint", "/nowhere/agent", "No such file"],
        ),
        (
            "insecure",
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://192.0.2.1/c?t={SECRET}"))],
            &["not refer to an allowed IP address", ": 192.0.2.1"],
        ),
    ];
    check_said(&ways, cases).await;
}

/// The condition, `/readyz` and one line of the log say what is wrong, and nothing secret.
pub(crate) async fn check_said(ways: &Ways, cases: Vec<(&str, Environment, &[&str])>) {
    for (name, environment, words) in cases {
        let mut operator = ways.start(&environment).await;
        ways.bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
        let said = ways.wait_message(name, "InvalidCredentials", words).await;
        assert!(!said.contains("already taken") && !said.contains("service error"), "{said}");
        let (_, report) = operator.get("/readyz").await.unwrap();
        assert!(report.contains("the AWS credentials: "), "{report}");
        // A thread of its own writes the log.
        let warning = "cannot get AWS credentials";
        wait_for(warning, async || lines(&operator, warning) > 0).await;
        assert_eq!(lines(&operator, warning), 1, "{name}");
        let log = operator.log_text();
        let as_numbers = format!("{:?}", SECRET.as_bytes());
        for secret in [SECRET, as_numbers.trim_matches(['[', ']'])] {
            assert!(!log.contains(secret) && !said.contains(secret), "{name}: {secret}");
        }
        operator.stop().await.unwrap();
        ways.bed.delete::<LightsailKeyPair>(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_identity_is_taken_when_the_one_that_is_set_up_fails() {
    let ways = Ways::new("no-other").await;
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v4 = CredentialServer::start(ip, ways.bed.simulator.clone(), HOUR).await;
    let mut misspelt = ways.profile("here", "[profile here]\nregion = eu-west-1\n");
    misspelt[1].1 = "there".to_owned();
    // Nothing of it is asked, while something is set up that comes first.
    let and_container = |mut environment: Environment| {
        let url = format!("{}/container", v4.url());
        environment.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", url));
        environment
    };
    let latin_1 = ways.folder.join("latin-1");
    let text = format!("# Zugang f\u{fc}r\n[default]\naws_secret_access_key = {SECRET}\n");
    let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(char).unwrap()).collect();
    std::fs::write(&latin_1, &bytes).unwrap();
    let latin_1 = latin_1.to_str().unwrap().to_owned();
    let cases: Vec<(&str, Environment, &[&str])> = vec![
        ("misspelt", and_container(misspelt), &["the profile: `there` was not defined"]),
        (
            "no-source",
            and_container(ways.profile("a", "[profile a]\nrole_arn = r\nsource_profile = gone\n")),
            &["the profile: `gone` was not defined, the source_profile of `a`"],
        ),
        (
            "no-config",
            and_container(vec![("AWS_CONFIG_FILE", "/nowhere/config".to_owned())]),
            &["the profile: AWS_CONFIG_FILE (/nowhere/config) cannot be read: No such file"],
        ),
        (
            "latin-1",
            and_container(vec![("AWS_SHARED_CREDENTIALS_FILE", latin_1)]),
            &["the profile: AWS_SHARED_CREDENTIALS_FILE (", ") is not text in UTF-8 (line 1)"],
        ),
        (
            "half-a-key",
            and_container(vec![("AWS_ACCESS_KEY_ID", "id".to_owned())]),
            &["the environment: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"],
        ),
        (
            "no-session",
            ways.profile("no-session", &sso("no-session").replace("corp", "other")),
            &["there is no session of IAM Identity Center; run `aws sso login`"],
        ),
    ];
    check_said(&ways, cases).await;
    assert_eq!(ways.calls("GetCallerIdentity"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_gives_no_credentials_ends_with_the_operator() {
    let ways = Ways::new("program").await;
    let pids = ways.folder.join("pids");
    let command = format!("sleep 600 & echo $! $$ >> {}; wait", pids.display());
    let text = format!("[profile process]\ncredential_process = {command}\n");
    let mut operator = ways.start(&ways.profile("process", &text)).await;
    ways.bed.create::<LightsailKeyPair>("pair", &imported(&public_key("ed25519"))).await;
    let read = || std::fs::read_to_string(&pids).unwrap_or_default();
    wait_for("it is run", async || read().ends_with('\n')).await;
    operator.stop().await.unwrap();
    let runs = |pid: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        status.is_ok_and(|status| !status.contains(") Z"))
    };
    wait_for("all have ended", async || !read().split_whitespace().any(runs)).await;
}

/// A container's credentials of this life, and an operator that uses them.
async fn with_container(ways: &Ways, life: Duration) -> (CredentialServer, Operator) {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = CredentialServer::start(ip, ways.bed.simulator.clone(), life).await;
    let environment = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", server.url())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN.to_owned()),
    ];
    let operator = ways.start(&environment).await;
    ways.bed.create::<LightsailKeyPair>("one", &imported(&public_key("ed25519"))).await;
    ways.bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    (server, operator)
}

fn lines(operator: &Operator, words: &str) -> usize {
    operator.log_text().lines().filter(|line| line.contains(words)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_renewed_by_the_clock_and_its_end_is_an_outage() {
    let ways = Ways::new("sessions").await;
    let life = Duration::from_secs(40);
    let (server, operator) = with_container(&ways, life).await;
    server.set_broken(true);
    wait_for("a renewal that fails", async || lines(&operator, "ends with a line break") == 1)
        .await;
    server.set_broken(false);
    wait_for("a second session", async || ways.calls("GetCallerIdentity") > 1).await;
    wait_for("that it is over", async || lines(&operator, "AWS credentials again") == 1).await;
    assert_eq!(lines(&operator, "AWS credentials are in use"), 1, "the same caller is no news");

    // Who gives them is overloaded until they have expired: no fault of the credentials.
    server.set_status(Some(503));
    let failing = Instant::now();
    wait_for("they expire", async || failing.elapsed() > life).await;
    ways.bed.create::<LightsailKeyPair>("two", &imported(&public_key("ed25519"))).await;
    ways.wait_message("two", "ServiceError", &["503", &server.address.to_string()]).await;
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    assert!(metrics.contains("lightsail_operator_credentials_failing 1"), "{metrics}");
    let sessions = ways.calls("GetCallerIdentity");
    for (operation, count) in
        [("GetCallerIdentity", sessions), ("ContainerCredentials", sessions + server.broken())]
    {
        let counted = "lightsail_operator_credentials_requests_total";
        let wanted = format!("{counted}{{operation=\"{operation}\",code=\"200\"}} {count}");
        assert!(metrics.contains(&wanted), "one of each for a session: {wanted}\n{metrics}");
    }
    server.set_status(None);
    ways.bed.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    wait_for("that it is over", async || lines(&operator, "AWS credentials again") == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_used_while_it_cannot_be_renewed() {
    let ways = Ways::new("in-hand").await;
    let (server, operator) = with_container(&ways, HOUR).await;
    server.set_status(Some(503));
    // Refused once, though it is good: a new one is looked for, and there is none.
    let fault = Fault::new(
        "GetKeyPairs",
        FaultEffect::Error {
            error_type: "UnrecognizedClientException".to_owned(),
            code: None,
            message: "no".to_owned(),
            status: 400,
        },
    );
    ways.bed.simulator.add_fault(fault.times(1));
    ways.bed.reconcile_now::<LightsailKeyPair>("one").await;
    let default = json!({ "type": "Default", "region": REGION });
    ways.bed.create::<LightsailKeyPair>("default", &default).await;
    wait_for("a renewal that fails", async || lines(&operator, "cannot renew") == 1).await;
    ways.bed.create::<LightsailKeyPair>("two", &imported(&public_key("ed25519"))).await;
    ways.bed.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    assert_eq!(ways.calls("GetCallerIdentity"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sts_that_throttles_or_fails_is_no_fault_of_the_credentials() {
    for (name, error_type, status, reason) in [
        ("sts-throttles", "Throttling", 400, "Throttled"),
        ("sts-fails", "ServiceUnavailable", 503, "ServiceError"),
    ] {
        let ways = Ways::new(name).await;
        trust(&ways.bed);
        let fault = Fault::new(
            "AssumeRoleWithWebIdentity",
            FaultEffect::Error {
                error_type: error_type.to_owned(),
                code: None,
                message: "not now".to_owned(),
                status,
            },
        );
        let fault = ways.bed.simulator.add_fault(fault);
        let environment = vec![
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                ways.write("jwt", &web_identity_token(ISSUER, SUBJECT)),
            ),
            ("AWS_ROLE_ARN", role("irsa")),
        ];
        let _operator = ways.start(&environment).await;
        ways.bed.create::<LightsailKeyPair>("pair", &imported(&public_key("ed25519"))).await;
        ways.wait_message("pair", reason, &[]).await;
        fault.remove();
        ways.bed.wait_ready::<LightsailKeyPair>("pair", "Imported").await;
    }
}
