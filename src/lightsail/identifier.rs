//! Identifiers in answers of AWS. They go into logs, Events and statuses as they are, and a server
//! may answer with anything. One that is too long, or may be a private key (I4), is as good as
//! none.

use aws_sdk_lightsail::operation::RequestId;

use crate::key_text::has_key;
use crate::ssh::is_fingerprint;

/// More than any id, code or type of AWS has.
const LONGEST_ID: usize = 255;
/// More than an ARN of Lightsail has: its last part is a UUID.
const LONGEST_ARN: usize = 1_024;

/// An id, a code, or a word such as a type or a status.
pub(super) fn id(text: Option<String>) -> Option<String> {
    text.filter(|text| is_id(text))
}

/// Whether a text can be that.
pub(super) fn is_id(text: &str) -> bool {
    is_plain(text, LONGEST_ID) && !has_key(text)
}

/// The id of the request that was answered; empty if there is none.
pub(super) fn request_id(answer: &impl RequestId) -> String {
    id(answer.request_id().map(str::to_owned)).unwrap_or_default()
}

/// An ARN.
pub(super) fn arn(text: Option<String>) -> Option<String> {
    text.filter(|text| is_plain(text, LONGEST_ARN) && !has_key(text))
}

/// A fingerprint, whose base64 is not that of a key.
pub(super) fn fingerprint(text: Option<String>) -> Option<String> {
    text.filter(|text| is_plain(text, LONGEST_ID) && (is_fingerprint(text) || !has_key(text)))
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lightsail::config::http::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    #[test]
    fn an_id_of_a_request_that_can_be_none_is_left_out() {
        let (key, long) = ("MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3), "x ".repeat(3_500));
        for (id, expected) in [
            ("6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001", "6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001"),
            ("QKDS62GGHH83QG4P", "QKDS62GGHH83QG4P"),
            ("", ""),
            (&key, ""),
            (&long, ""),
            ("é", ""),
        ] {
            let mut answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), "{}".into());
            answer.headers_mut().insert("x-amzn-requestid", id.to_owned());
            assert_eq!(request_id(&answer), expected, "{id}");
        }
    }
}
