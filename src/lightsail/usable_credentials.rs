//! Whether credentials can be used at all, before a request is signed with them. The SDK panics for
//! some that cannot be sent, and its errors do not say what is wrong with others.

use aws_credential_types::Credentials;

/// The invalid part of the credentials, if there is one, and why it is invalid.
pub(super) fn fault(credentials: &Credentials) -> Option<String> {
    let parts = [
        ("access key ID", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    parts.into_iter().find_map(|(name, value)| {
        let value = value?;
        let why = if value.is_empty() {
            "is empty"
        } else if value.ends_with(['\n', '\r']) {
            "ends with a line break"
        } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            "has a character that does not belong there, such as a blank or a line break"
        } else {
            return None;
        };
        Some(format!("the {name} {why}"))
    })
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_named_without_its_value() {
        let character =
            "has a character that does not belong there, such as a blank or a line break";
        let end = "ends with a line break";
        for (id, secret, token, expected) in [
            ("AKIA2", "s+/=", None, None),
            ("AKIA2", "s", Some("t+/=."), None),
            ("AKIA2\n", "s", None, Some(format!("the access key ID {end}"))),
            ("AKIA2\r\n", "s", None, Some(format!("the access key ID {end}"))),
            ("AK\nIA2", "s", None, Some(format!("the access key ID {character}"))),
            (" AKIA2", "s", None, Some(format!("the access key ID {character}"))),
            ("AKIA\u{7}", "s", None, Some(format!("the access key ID {character}"))),
            ("AKIAé", "s", None, Some(format!("the access key ID {character}"))),
            ("", "s", None, Some("the access key ID is empty".to_owned())),
            ("AKIA2", "s\n", None, Some(format!("the secret access key {end}"))),
            ("AKIA2", "s s", None, Some(format!("the secret access key {character}"))),
            ("AKIA2", "", None, Some("the secret access key is empty".to_owned())),
            ("AKIA2", "s", Some("t\n"), Some(format!("the session token {end}"))),
            ("AKIA2", "s", Some("t\0"), Some(format!("the session token {character}"))),
        ] {
            let credentials = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
            assert_eq!(fault(&credentials), expected, "{id:?} {secret:?} {token:?}");
        }
    }
}
