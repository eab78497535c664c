//! What an error of Kubernetes' client says: what the API server answered, and what went wrong,
//! without what was sent (I4).

use std::error::Error as StdError;
use std::io;

use kube::Resource;
use kube::client::AuthError;
use kube::core::response::reason;
use kube::core::{ObjectList, Status};
use rustls::AlertDescription;

use crate::key_text::without_keys;

/// The reason that Kubernetes' client gives to an answer that is an error, but no Status. The
/// message is then the whole body.
const NO_STATUS: &str = "Failed to parse error data";

/// What went wrong with a request to Kubernetes, without what was sent: that may be anything that a
/// user wrote. A webhook may quote it.
#[must_use]
pub fn without_content(error: &kube::Error) -> String {
    without_keys(&words(error))
}

fn words(error: &kube::Error) -> String {
    if let kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) = error {
        return "the response cannot be read".to_owned();
    }
    if let kube::Error::Auth(error) = error {
        return format!("no credentials for the API server: {}", without_output(error));
    }
    if let kube::Error::Service(error) = error {
        return told(&**error);
    }
    let kube::Error::Api(answer) = error else { return error.to_string() };
    // The client's own words repeat the whole Status behind its message.
    match status(error) {
        Some(status) if !status.message.is_empty() => status.message.clone(),
        Some(_) | None if answer.code == 0 => {
            "the response is an error without explanation".to_owned()
        }
        Some(_) | None => {
            format!("the response has the HTTP status {} and no explanation", answer.code)
        }
    }
}

/// The Status with which the API server refused. `None` if it gave no answer, or if the answer may
/// be the page of a proxy, which says nothing about an object.
#[must_use]
pub fn status(error: &kube::Error) -> Option<&Status> {
    let kube::Error::Api(status) = error else { return None };
    let is_told = status.is_failure() && status.reason != NO_STATUS;
    is_told.then_some(status)
}

/// What a program of the kubeconfig answers is a token, whether it can be used or not, and its
/// arguments may have a password.
#[must_use]
pub fn without_output(error: &AuthError) -> String {
    if let AuthError::AuthExecRun { out, .. } = error {
        return format!("the kubeconfig's credential plugin ended with {}", out.status);
    }
    if let AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) = error {
        return "the output of the kubeconfig's credential plugin cannot be read".to_owned();
    }
    if let AuthError::AuthExec(_) = error {
        return "the kubeconfig's credential plugin cannot be used".to_owned();
    }
    without_keys(&error.to_string())
}

/// What an error of a request says, without what a program or a server printed.
#[must_use]
pub fn told(error: &(dyn StdError + 'static)) -> String {
    let innermost = innermost(error);
    if let Some(error) = innermost.downcast_ref::<AuthError>() {
        return without_output(error);
    }
    match innermost.to_string().as_str() {
        "tunnel error: proxy authorization required" => {
            "the proxy returns 407; put the user and password into its URL".to_owned()
        }
        "tunnel error: unsuccessful" => "the proxy does not connect to it".to_owned(),
        "SOCKS error: failed to create underlying connection" => {
            "the proxy cannot be reached".to_owned()
        }
        "deadline has elapsed" => "no response in time".to_owned(),
        // `Connection refused (os error 111)`
        text => without_keys(text.split(" (os error ").next().unwrap_or_default()),
    }
}

/// The error that the others were made of, or that of the client's credentials.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut innermost = error;
    while !innermost.is::<AuthError>() {
        // An `io::Error` hides the error that it was made of: its own source is that error's.
        let inner = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.map(|inner| inner as &(dyn StdError + 'static));
        let Some(next) = inner.or_else(|| innermost.source()) else { break };
        innermost = next;
    }
    innermost
}

/// Whether this client does not trust the API server, or the API server does not know this client,
/// as where certificates were replaced since this process read them.
#[must_use]
pub fn is_of_certificates(error: &kube::Error) -> bool {
    let kube::Error::Service(error) = error else { return is_status(error, 401) };
    match innermost(&**error).downcast_ref() {
        Some(rustls::Error::InvalidCertificate(_)) => true,
        Some(rustls::Error::AlertReceived(alert)) => OF_CERTIFICATES.contains(alert),
        Some(_) | None => false,
    }
}

/// What a server says of a client's certificate (RFC 8446 section 6.2).
const OF_CERTIFICATES: [AlertDescription; 7] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::CertificateRequired,
];

/// Whether the API server will say the same until somebody changes something.
#[must_use]
pub fn is_lasting_refusal(error: &kube::Error) -> bool {
    status(error).is_some_and(|status| {
        (400..500).contains(&status.code) && !matches!(status.code, 408 | 429)
    })
}

/// The reason of a Status if the API server itself has failed, as where it reaches no webhook.
const INTERNAL_ERROR: &str = "InternalError";

/// A request was not sent, because its turn did not come.
#[derive(Debug, thiserror::Error)]
#[error("it was not sent, because other requests for the namespace take too long")]
pub struct NotSent;

/// Whether a request was not sent.
#[must_use]
pub fn was_not_sent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<NotSent>())
}

/// Whether the API server has written nothing. What etcd answers has no reason, and may not say
/// whether the write was done, as after a timeout. An object that is too large is refused.
#[must_use]
pub fn was_not_written(error: &kube::Error) -> bool {
    if was_not_sent(error) {
        return true;
    }
    status(error).is_some_and(|status| match status.code {
        408 => false,
        500 => status.reason == INTERNAL_ERROR || status.message.contains("request is too large"),
        code => code < 500,
    })
}

/// Whether the API server answered with this HTTP status, and not a proxy before it. Some proxies
/// make a Status of their own errors, without a reason: that something is not there, only the API
/// server's own reason says.
#[must_use]
pub fn is_status(error: &kube::Error, code: u16) -> bool {
    let is_told = |status: &Status| code != 404 || status.reason == reason::NOT_FOUND;
    status(error).is_some_and(|status| status.code == code && is_told(status))
}

/// What a read of one object found. That there is none is known only if the API server says so: the
/// page of a proxy, or of an API server that does not serve the kind for a moment, is no evidence.
///
/// # Errors
/// The API server refused, or nobody knows.
pub fn found<T: Resource>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer.and_then(existing) {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_status(&error, 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An object that was read or written. An answer without a uid is no evidence of one.
///
/// # Errors
/// The answer is something else.
pub fn existing<T: Resource>(object: T) -> kube::Result<T> {
    match object.meta().uid {
        Some(_) => Ok(object),
        None => Err(kube::Error::Service("the response is not the object".into())),
    }
}

/// A page of a list. An answer that names no version may be anything: that it has no objects does
/// not say that there are none.
///
/// # Errors
/// The API server refused, or nobody knows.
pub fn listed<T: Clone>(answer: kube::Result<ObjectList<T>>) -> kube::Result<ObjectList<T>> {
    let list = answer?;
    if list.metadata.resource_version.as_ref().is_none_or(String::is_empty) {
        return Err(kube::Error::Service("the response is not a list".into()));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, Client};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_program_of_the_kubeconfig_printed_is_not_told() {
        let out = std::process::Command::new("sh").args(["-c", "echo a-token; exit 3"]).output();
        let error =
            AuthError::AuthExecRun { cmd: "login token".to_owned(), out: Box::new(out.unwrap()) };
        // While the process runs, the client gives it as the error of a service.
        let of_request = kube::Error::Service(Box::new(io::Error::other(error)));
        let of_start = AuthError::AuthExec("a-token".to_owned());
        for (error, words) in [
            (of_request, "the kubeconfig's credential plugin ended with exit status: 3"),
            (kube::Error::Auth(of_start), "the kubeconfig's credential plugin cannot be used"),
        ] {
            let told = without_content(&error);
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("token"), "{told}");
        }
    }

    #[test]
    fn an_error_is_told_in_words_for_people() {
        for (text, expected) in [
            ("Connection refused (os error 111)", "Connection refused"),
            ("deadline has elapsed", "no response in time"),
            ("tunnel error: proxy authorization required", "the proxy returns 407; put the user"),
        ] {
            let error = io::Error::other(io::Error::other(text));
            assert!(told(&error).starts_with(expected), "{text}: {}", told(&error));
        }
    }

    /// What a client gets that trusts another CA than that of its API server.
    async fn untrusted() -> kube::Error {
        let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (server, other) = (made(), made());
        let key = PrivateKeyDer::Pkcs8(server.signing_key.serialize_der().into());
        let tls = ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(vec![server.cert.der().clone()], key).unwrap();
        let mut connection = ServerConnection::new(Arc::new(tls)).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            connection.complete_io(&mut stream).unwrap_err()
        });
        let mut config = kube::Config::new(address.parse().unwrap());
        config.tls_server_name = Some("localhost".to_owned());
        config.root_cert = Some(vec![other.cert.der().to_vec()]);
        let api = Api::<ConfigMap>::default_namespaced(Client::try_from(config).unwrap());
        api.get("a").await.unwrap_err()
    }

    #[tokio::test]
    async fn certificates_that_were_replaced_are_told_from_an_outage() {
        use rustls::Error;
        let service = |error: Error| kube::Error::Service(Box::new(io::Error::other(error)));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (name, error, expected) in [
            ("another CA", untrusted().await, true),
            ("ours", service(Error::AlertReceived(AlertDescription::CertificateExpired)), true),
            (
                "it has a fault",
                service(Error::AlertReceived(AlertDescription::InternalError)),
                false,
            ),
            ("it does not know us", answer("Unauthorized", "Unauthorized", 401), true),
            ("it does not speak TLS", service(Error::HandshakeNotComplete), false),
            ("it is down", kube::Error::Service(Box::new(refused)), false),
            ("it forbids", answer("no", "Forbidden", 403), false),
            ("it fails", answer("no", "InternalError", 500), false),
        ] {
            assert_eq!(is_of_certificates(&error), expected, "{name}");
        }
    }

    #[test]
    fn a_key_that_a_webhook_quotes_is_not_told() {
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        let quoted = format!("the webhook denied {{\"data\":\"{key}\"}}");
        let denied = || answer(&quoted, "Forbidden", 403);
        assert_eq!(without_content(&denied()), "the webhook denied {\"data\":\"…\"}");
        let service = kube::Error::Service(quoted.clone().into());
        assert_eq!(without_content(&service), without_content(&denied()));
        let command = AuthError::AuthExecStart(io::Error::other(quoted.clone()));
        for told in [without_output(&command), told(&io::Error::other(quoted.clone()))] {
            assert!(told.contains('…') && !told.contains("MII"), "{told}");
        }
    }

    fn answer(text: &str, reason: &str, code: u16) -> kube::Error {
        kube::Error::Api(Status::failure(text, reason).with_code(code).boxed())
    }

    #[test]
    fn only_the_api_server_says_that_there_is_no_such_object() {
        let absent = || answer("secrets \"a\" not found", "NotFound", 404);
        assert!(is_status(&absent(), 404) && !is_status(&absent(), 409));
        assert_eq!(found::<ConfigMap>(Err(absent())).unwrap(), None);
        let no_failure = Status { code: 404, ..Status::success() };
        for (name, other) in [
            ("the page of a proxy", answer("<html>not here</html>", NO_STATUS, 404)),
            ("a path that is not served", answer("404 page not found", NO_STATUS, 404)),
            (
                "the JSON of a gateway",
                kube::Error::Api(Status { status: None, ..no_failure }.boxed()),
            ),
            ("a Status that a proxy makes of its own error", answer("no such host", "", 404)),
            ("another refusal", answer("no", "Forbidden", 403)),
            ("silence", kube::Error::Service("no response in time".into())),
        ] {
            assert!(!is_status(&other, 404), "{name}");
            let told = without_content(&other);
            assert!(!told.contains("html") && !told.is_empty(), "{name}: {told}");
            assert!(found::<ConfigMap>(Err(other)).is_err(), "{name}");
        }
    }

    #[test]
    fn an_empty_answer_is_no_list() {
        let list = |metadata| {
            let list =
                json!({ "apiVersion": "v1", "kind": "L", "metadata": metadata, "items": [] });
            listed::<ConfigMap>(serde_json::from_value(list).map_err(kube::Error::SerdeError))
        };
        assert!(list(json!({})).is_err());
        assert!(list(json!({ "resourceVersion": "" })).is_err());
        assert!(list(json!({ "resourceVersion": "1" })).is_ok());
    }

    #[test]
    fn an_empty_answer_is_no_object() {
        let mut map = ConfigMap::default();
        assert!(found(Ok(map.clone())).is_err());
        map.metadata.uid = Some("u".to_owned());
        assert_eq!(found(Ok(map.clone())).unwrap(), Some(map));
    }
}
