//! The policies of `docs/iam` for several accounts and teams: a table for each file says what it
//! allows and what not, and every statement, condition, action and ARN of the file is needed for
//! that ([`weaker`]). The requests are sent to the simulator as the operator sends them.
//!
//! The other files are in [`iam`](crate::iam).

mod key_pairs;
mod page;
mod roles;
mod weaker;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sts::error::ProvideErrorMetadata;
use lightsail_operator::lightsail::{HttpOptions, http_client};
use testbed::simulator::{Session, Simulator};

/// What these tables are about.
pub(crate) const FILES: &[&str] = &["assume-roles", "chain-trust", "tenants", "tenants-trust"];

/// The account of the key pairs, and that of the operator.
const ACCOUNT: &str = "123456789012";
const OPERATORS_ACCOUNT: &str = "210987654321";
/// The operator's own role, in its account.
const OPERATOR: &str = "lightsail-operator";
/// The last role of a chain, in the account of the key pairs.
const ROLE: &str = "lightsail";
const EXTERNAL_ID: &str = "example-external-id";
const HERE: &str = "eu-west-1";
const ELSEWHERE: &str = "eu-west-2";
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);

/// Tags, of a session or of a resource.
type Tags = &'static [(&'static str, &'static str)];

const CLUSTER: &str = "lightsail-operator-cluster";
const NAMESPACE: &str = "lightsail-operator-namespace";
const TEAM_A: Tags = &[(CLUSTER, "test"), (NAMESPACE, "team-a")];

/// Whoever has these credentials, in a region.
async fn client_config(simulator: &Simulator, credentials: Credentials, region: &str) -> SdkConfig {
    let http = http_client(HttpOptions { call_timeout: TIMEOUT, ..HttpOptions::default() });
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(simulator.url())
        .http_client(http.unwrap())
        .region(Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .load()
        .await
}

fn credentials_of(session: Session) -> Credentials {
    let keys = session.credentials;
    let token = Some(session.token);
    Credentials::new(keys.access_key_id, keys.secret_access_key, token, None, "test")
}

fn arn_of(account: &str, role: &str) -> String {
    format!("arn:aws:iam::{account}:role/{role}")
}

/// `AssumeRole`, as somebody sends it.
#[derive(Clone, Copy, Debug)]
struct Ask {
    role: &'static str,
    external_id: Option<&'static str>,
    tags: Tags,
    transitive: &'static [&'static str],
}

/// What the operator asks for the objects of a namespace.
const ASK: Ask = Ask { role: ROLE, external_id: Some(EXTERNAL_ID), tags: TEAM_A, transitive: &[] };

/// The credentials of a role in the account of the key pairs, or `None` if they are denied.
async fn assume(caller: &SdkConfig, ask: Ask) -> Option<Credentials> {
    let tag = |(key, value): &(&str, &str)| {
        aws_sdk_sts::types::Tag::builder().key(*key).value(*value).build().unwrap()
    };
    let tags: Vec<_> = ask.tags.iter().map(tag).collect();
    let transitive: Vec<_> = ask.transitive.iter().map(|key| (*key).to_owned()).collect();
    let answer = aws_sdk_sts::Client::new(caller)
        .assume_role()
        .role_arn(arn_of(ACCOUNT, ask.role))
        .role_session_name("session")
        .set_external_id(ask.external_id.map(str::to_owned))
        .set_tags((!tags.is_empty()).then_some(tags))
        .set_transitive_tag_keys((!transitive.is_empty()).then_some(transitive))
        .send()
        .await;
    let keys = not_denied(answer)?.credentials.unwrap();
    let token = Some(keys.session_token);
    Some(Credentials::new(keys.access_key_id, keys.secret_access_key, token, None, "test"))
}

/// The answer, or `None` if the request was denied. Any other error fails the test.
fn not_denied<T, E>(answer: Result<T, E>) -> Option<T>
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            let code = error.code().unwrap_or_default();
            assert!(code.starts_with("AccessDenied"), "{error:?}");
            None
        }
    }
}
