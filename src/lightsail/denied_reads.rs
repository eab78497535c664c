//! Which reads AWS denies, so that the log says so once. Objects only name the code: AWS's answer
//! may name the roles of others.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::error::{Error, ErrorKind};

/// The code with which each operation was denied last, unless it has succeeded since. There are few
/// operations.
#[derive(Debug, Default)]
pub(super) struct Denied(Mutex<HashMap<&'static str, String>>);

impl Denied {
    /// Notes how a read ended. Returns whether that is a denial that the log has not said yet.
    pub(super) fn is_news(&self, operation: &'static str, error: Option<&Error>) -> bool {
        let mut denied = self.0.lock();
        match error {
            // Whoever is told that there is none may read it.
            None | Some(Error { kind: ErrorKind::NotFound, .. }) => {
                denied.remove(operation);
                false
            }
            Some(error) if error.kind.is_of_rights() => {
                denied.insert(operation, error.code.clone()).as_ref() != Some(&error.code)
            }
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lightsail::ErrorKind;

    #[test]
    fn a_denied_read_is_news_once_until_it_succeeds_again() {
        let denied = Denied::default();
        let error = |code| Error::new(ErrorKind::Denied, code, "not authorized");
        for (name, operation, error, expected) in [
            ("the first", "GetKeyPair", Some(error("AccessDenied")), true),
            ("the same again", "GetKeyPair", Some(error("AccessDenied")), false),
            ("an outage says nothing of rights", "GetKeyPair", Some(Error::timeout()), false),
            ("and again", "GetKeyPair", Some(error("AccessDenied")), false),
            ("another operation", "GetKeyPairs", Some(error("AccessDenied")), true),
            ("another code", "GetKeyPair", Some(error("NotAuthorized")), true),
            ("there is none", "GetKeyPair", Some(Error::of_kind(ErrorKind::NotFound)), false),
            ("and it is denied again", "GetKeyPair", Some(error("NotAuthorized")), true),
            ("it succeeds", "GetKeyPair", None, false),
            ("and is denied again", "GetKeyPair", Some(error("NotAuthorized")), true),
        ] {
            assert_eq!(denied.is_news(operation, error.as_ref()), expected, "{name}");
        }
    }
}
