//! The mark of a reset: an annotation that says what was done for this very object and spec. It
//! outlives the status, which backup tools and GitOps tools leave out, and so keeps a restored
//! object from being carried out again.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::api::{EXECUTED_ANNOTATION, HostKeyReset, HostKeyResetSpec};
use crate::digest;
use crate::engine::objects::annotation;

/// How many bytes of the hash are in a mark, as two digits each.
const HASH_BYTES: usize = 16;
/// The longest id that a mark names. A longer annotation would be read as its digest, and its hash
/// would be lost.
pub(super) const LONGEST_ID: usize = digest::LONGEST - 2 * HASH_BYTES - "/Succeeded/".len();

/// What the annotation says: `<hash>/Started`, `<hash>/Succeeded/<operation>` or
/// `<hash>/Failed/<operation>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Of namespace, name and immutable spec.
    pub hash: String,
    /// What was done.
    pub state: MarkState,
}

/// What was done, with the id of the operation, which is empty if there is none that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// The call may have been made.
    Started,
    /// It was done.
    Succeeded(String),
    /// It failed, or its outcome is unknown.
    Failed(String),
}

impl fmt::Display for MarkState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => formatter.write_str("Started"),
            Self::Succeeded(id) => write!(formatter, "Succeeded/{id}"),
            Self::Failed(id) => write!(formatter, "Failed/{id}"),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.hash, self.state)
    }
}

impl Mark {
    /// The mark of an object, whoever wrote it.
    #[must_use]
    pub fn of(object: &HostKeyReset) -> Option<Self> {
        annotation(object, EXECUTED_ANNOTATION).map(Self::parse)
    }

    /// Whether it says no more than that a call is about to be made, or was made.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.state == MarkState::Started
    }

    /// Whether a mark that is seen after that one was written by a reconciliation, and so asks for
    /// no other: it is new, or it says how a call ended that was started.
    #[must_use]
    pub fn follows(after: Option<&Self>, before: Option<&Self>) -> bool {
        match (before, after) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(before), Some(after)) => {
                let has_ended = before.is_started() && after.state != before.state;
                before == after || has_ended
            }
        }
    }

    /// Reads the annotation. What cannot be read counts as begun: whoever edits a mark does not get
    /// a second call by it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (hash, rest) = text.split_once('/').unwrap_or((text, ""));
        let state = match rest.split_once('/').unwrap_or((rest, "")) {
            ("Succeeded", id) => MarkState::Succeeded(id.to_owned()),
            ("Failed", id) => MarkState::Failed(id.to_owned()),
            _ => MarkState::Started,
        };
        Self { hash: hash.to_owned(), state }
    }
}

/// Names an object and its immutable spec in 32 hexadecimal digits.
#[must_use]
pub(super) fn hash(namespace: &str, name: &str, spec: &HostKeyResetSpec) -> String {
    let immutable =
        HostKeyResetSpec { suspend: false, ttl_seconds_after_finished: None, ..spec.clone() };
    let named = serde_json::to_vec(&(namespace, name, immutable))
        .expect("a spec is made of text and numbers");
    hex::encode(&Sha256::digest(&named)[..HASH_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_is_read_again() {
        for state in [
            MarkState::Started,
            MarkState::Succeeded("id".to_owned()),
            MarkState::Failed(String::new()),
        ] {
            let mark = Mark { hash: "abc".to_owned(), state };
            assert_eq!(Mark::parse(&mark.to_string()), mark);
        }
        assert_eq!(Mark::parse("abc/Done").state, MarkState::Started);
        assert_eq!(Mark::parse("").hash, "");
    }

    #[test]
    fn what_a_reconciliation_writes_asks_for_no_other() {
        for (name, before, after, expected) in [
            ("a mark that is set", None, Some("h/Started"), true),
            ("one that says the end", Some("h/Started"), Some("h/Failed/a"), true),
            ("one that is taken off", Some("h/Started"), None, false),
            ("an end that is changed", Some("h/Failed/a"), Some("h/Succeeded/a"), false),
            ("an end that is taken off", Some("h/Failed/a"), None, false),
        ] {
            let (before, after) = (before.map(Mark::parse), after.map(Mark::parse));
            assert_eq!(Mark::follows(after.as_ref(), before.as_ref()), expected, "{name}");
        }
    }

    #[test]
    fn the_hash_names_the_object_and_its_spec() {
        let spec = json!({ "region": "eu-west-1", "instanceName": "web-1", "reason": "rotated" });
        let own = hash("a", "b", &serde_json::from_value(spec.clone()).unwrap());
        let with = |field: &str, value: Value| {
            let mut spec = spec.clone();
            spec[field] = value;
            hash("a", "b", &serde_json::from_value(spec).unwrap())
        };
        assert_eq!(own, with("suspend", json!(true)));
        assert_eq!(own, with("ttlSecondsAfterFinished", json!(1)));
        assert_eq!(own, with("activeDeadlineSeconds", json!(600)), "that is the default");
        for (field, value) in [
            ("region", json!("eu-west-2")),
            ("instanceName", json!("web-2")),
            ("reason", json!("other")),
            ("notAfter", json!("2026-12-01T00:00:00Z")),
            ("preconditions", json!({ "instanceARN": "arn" })),
            ("activeDeadlineSeconds", json!(601)),
        ] {
            assert_ne!(own, with(field, value), "{field}");
        }
        let spec = serde_json::from_value(spec).unwrap();
        assert_eq!(own, hash("a", "b", &spec));
        assert_ne!(own, hash("ab", "", &spec));
        assert_ne!(own, hash("a", "c", &spec));
        // Marks of older versions must stay good: a field that is added later is left out where it
        // is not set.
        let named = concat!(
            r#"["a","b",{"region":"eu-west-1","instanceName":"web-1","reason":"rotated","#,
            r#""activeDeadlineSeconds":600,"suspend":false}]"#
        );
        assert_eq!(own, hex::encode(&Sha256::digest(named)[..16]));
    }
}
