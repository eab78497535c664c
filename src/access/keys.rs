//! The access key of an account, from a Secret in the operator's own namespace.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::api::CREDENTIALS_LABEL;
use crate::api_server::ApiServer;
use crate::error::Error;
use crate::lightsail::{self, AccessKey, KeySource};
use crate::secret::{self, Content};

/// What gives the operator access to the Secret.
const NOT_ALLOWED: &str = "the operator may not read it; grant its ServiceAccount get on Secrets \
                           there, or set secrets.mode: full in the chart's values";

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";

/// A Secret with an access key.
pub(super) struct SecretKeys {
    pub(super) api_server: ApiServer,
    /// The operator's own namespace.
    pub(super) namespace: String,
    /// The Secret.
    pub(super) name: String,
    /// The `LightsailAccount` that it must be for.
    pub(super) account: String,
}

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SecretKeys").field("name", &self.name).finish_non_exhaustive()
    }
}

impl KeySource for SecretKeys {
    fn name(&self) -> String {
        format!("the Secret {}/{}", self.namespace, self.name)
    }

    fn access_key(&self) -> BoxFuture<'_, lightsail::Result<AccessKey>> {
        let read = async {
            let secret = KeySource::name(self);
            match secret::read(&self.api_server, &self.namespace, &self.name).await {
                Ok(content) => access_key(content, &self.account)
                    .map_err(|why| lightsail::Error::unusable(&secret, &why)),
                Err(error) => Err(unread(&secret, &error)),
            }
        };
        read.boxed()
    }
}

/// The Secret could not be read. What the API server forbids, it forbids until somebody grants it,
/// and a key that the operator may not read any more is withdrawn.
fn unread(secret: &str, error: &Error) -> lightsail::Error {
    match error {
        Error::SecretRejected { code: 403, .. } => lightsail::Error::unusable(secret, NOT_ALLOWED),
        Error::SecretRejected { why, .. } => lightsail::Error::unread_key(secret, why),
        Error::Lightsail(_)
        | Error::Conflict
        | Error::Outdated
        | Error::Gone
        | Error::Kubernetes(_)
        | Error::Unreadable(_)
        | Error::NotKept(_)
        | Error::ConfigMapForbidden(_)
        | Error::GenerationFailed(_)
        | Error::NotLeading
        | Error::Stopping => lightsail::Error::unread_key(secret, &error.to_string()),
    }
}

/// The access key in the Secret, for the account of this name.
fn access_key(content: Option<Content>, account: &str) -> Result<AccessKey, String> {
    let Some(Content { labels, data }) = content else {
        return Err("there is no such Secret; create it".to_owned());
    };
    // Without it, whoever may edit accounts could make the operator read any Secret in its
    // namespace.
    if labels.get(CREDENTIALS_LABEL).map(String::as_str) != Some(account) {
        return Err(format!("it must have the label {CREDENTIALS_LABEL}: {account}; add it"));
    }
    let find = |key: &str| {
        let Some(bytes) = data.get(key) else {
            // As the environment variables are written.
            let other = data.keys().find(|other| other.eq_ignore_ascii_case(key));
            let is_wrong = |other| Err(format!("it has {other}; rename that entry to {key}"));
            return other.map_or(Ok(None), is_wrong);
        };
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map(Some).map_err(|_| format!("its {key} is not text"))
    };
    let needed = |key| find(key)?.ok_or_else(|| format!("it has no {key}; add it"));
    Ok(AccessKey { id: needed(ID)?, secret: needed(SECRET)?, session_token: find(SESSION_TOKEN)? })
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;
    use crate::lightsail::ErrorKind;

    fn secret(label: Option<&str>, data: &[(&str, &[u8])]) -> Content {
        let label = label.map(|label| (CREDENTIALS_LABEL.to_owned(), label.to_owned()));
        let own =
            |(key, value): &(&str, &[u8])| ((*key).to_owned(), Zeroizing::new(value.to_vec()));
        Content { labels: label.into_iter().collect(), data: data.iter().map(own).collect() }
    }

    #[test]
    fn a_secret_is_used_by_the_account_that_its_label_names() {
        let both: &[(&str, &[u8])] = &[(ID, b"AKIA2"), (SECRET, b"s")];
        let missing =
            |label| format!("it must have the label {CREDENTIALS_LABEL}: {label}; add it");
        let token: &[(&str, &[u8])] = &[both[0], both[1], (SESSION_TOKEN, b"t")];
        for (name, content, expected) in [
            ("its own", Some(secret(Some("production"), both)), Ok(("AKIA2", None))),
            ("with a token", Some(secret(Some("production"), token)),
             Ok(("AKIA2", Some("t")))),
            ("without a label", Some(secret(None, both)), Err(missing("production"))),
            ("another account's", Some(secret(Some("other"), both)), Err(missing("production"))),
            ("in another case", Some(secret(Some("Production"), both)), Err(missing("production"))),
            ("not there", None, Err("there is no such Secret; create it".to_owned())),
            ("half of it", Some(secret(Some("production"), &both[..1])),
             Err(format!("it has no {SECRET}; add it"))),
            ("in upper case", Some(secret(Some("production"),
                &[("AWS_ACCESS_KEY_ID", b"AKIA2"), (SECRET, b"s")])),
             Err("it has AWS_ACCESS_KEY_ID; rename that entry to aws_access_key_id".to_owned())),
            ("a token in upper case", Some(secret(Some("production"),
                &[both[0], both[1], ("AWS_SESSION_TOKEN", b"t")])),
             Err("it has AWS_SESSION_TOKEN; rename that entry to aws_session_token".to_owned())),
            ("not text", Some(secret(Some("production"), &[(ID, &[0xff]), (SECRET, b"s")])),
             Err(format!("its {ID} is not text"))),
        ] {
            let found = access_key(content, "production");
            let found = found.map(|key| (key.id, key.session_token));
            let expected = expected.map(|(id, token)| (id.to_owned(), token.map(str::to_owned)));
            assert_eq!(found, expected, "{name}");
        }
        let key = access_key(Some(secret(Some("a"), both)), "a").unwrap();
        assert_eq!(format!("{key:?}"), "AccessKey { id: \"AKIA2\", .. }");
    }

    #[tokio::test]
    async fn a_secret_that_may_not_be_read_is_withdrawn_and_one_that_cannot_be_read_is_not() {
        for (code, reason, expected, text) in [
            (403, "Forbidden", ErrorKind::BadCredentials, "grant its ServiceAccount get"),
            (400, "BadRequest", ErrorKind::Transient, "says so"),
            (413, "RequestEntityTooLarge", ErrorKind::Transient, "says so"),
            (422, "Invalid", ErrorKind::Transient, "says so"),
            (500, "InternalError", ErrorKind::Transient, "says so"),
            (503, "ServiceUnavailable", ErrorKind::Transient, "says so"),
        ] {
            let server = Answers(move |_: &Request<Body>| {
                let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "message": "the API server says so", "reason": reason, "code": code });
                let body = Body::from(status.to_string().into_bytes());
                Ok(Response::builder().status(code).body(body).unwrap())
            });
            let client = Client::new(server, "default");
            let api_server = ApiServer::new(client, HeldLease::not_held(), Duration::ZERO);
            let keys = SecretKeys { api_server, namespace: "operator".to_owned(),
                name: "key".to_owned(), account: "production".to_owned() };
            let error = keys.access_key().await.unwrap_err();
            assert_eq!(error.kind, expected, "{code}: {error}");
            assert!(error.message.contains("the Secret operator/key"), "{error}");
            assert!(error.message.contains(text), "{error}");
        }
    }
}
