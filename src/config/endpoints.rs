//! Endpoints of AWS that variables or the profile name. One that cannot be used is refused at the
//! start, without its value: the SDK says it at each attempt, or takes another one.

use http::Uri;

use super::environment::Environment;

const NAMES: &[&str] = &[
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_LIGHTSAIL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];

/// Checks those of the variables.
///
/// # Errors
/// One cannot be used.
pub fn check_endpoints(environment: &Environment) -> Result<(), String> {
    for name in NAMES {
        if let Some(why) = environment.text(name)?.and_then(fault) {
            return Err(format!("{name} cannot be used: it {why}"));
        }
    }
    Ok(())
}

/// Why this cannot be the URL of an endpoint, as the end of a sentence. Without the value, which
/// may contain a password.
pub(crate) fn fault(url: &str) -> Option<&'static str> {
    if url.is_empty() {
        return Some("is empty");
    }
    let uri = url.parse::<Uri>().ok();
    let Some((uri, authority)) = uri.as_ref().and_then(|uri| Some((uri, uri.authority()?))) else {
        return Some("is not a URL, as in https://lightsail.example.com");
    };
    let (_, port) = authority.as_str().rsplit_once(':').unwrap_or_default();
    let is_port = port.is_empty() || port.ends_with(']') || authority.port_u16().is_some();
    if !["https", "http"].contains(&uri.scheme_str().unwrap_or_default()) {
        Some("does not begin with https:// or http://")
    } else if authority.as_str().contains('@') {
        Some("has a user or a password, which AWS endpoints do not use")
    } else if url.contains(['?', '#']) {
        Some("has something after its path")
    } else if authority.host().is_empty() || !is_port {
        Some("has no usable host and port")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_endpoint_is_refused_without_its_value() {
        for url in [
            "https://lightsail.eu-west-1.amazonaws.com",
            "https://vpce-1.lightsail.eu-west-1.vpce.amazonaws.com:443/",
            "http://127.0.0.1:4566",
            "http://localhost:4566/some/path/",
            "http://[::1]:4566",
            "HTTPS://lightsail.example",
            "https://[::1]",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        for (url, expected) in [
            ("", "is empty"),
            ("secret", "does not begin with https://"),
            ("not a secret", "is not a URL"),
            ("/secret", "is not a URL"),
            ("https://secret.example\n", "is not a URL"),
            (" https://secret.example", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("https://", "is not a URL"),
            ("secret.example:443", "does not begin with https://"),
            ("ftp://secret.example/", "does not begin with https://"),
            ("https://ann:secret@sts.example/", "has a user or a password"),
            ("https://secret@sts.example/", "has a user or a password"),
            ("https://sts.example/?t=secret", "has something after its path"),
            ("https://sts.example/#secret", "has something after its path"),
            ("https://sts.example:99999", "has no usable host"),
            ("https://sts.example:secret", "has no usable host"),
            ("https://:443", "has no usable host"),
        ] {
            let found = fault(url).unwrap_or_default();
            assert!(found.starts_with(expected) && !found.contains("secret"), "{url:?}: {found}");
        }
    }

    #[test]
    fn a_variable_with_an_endpoint_is_named_without_its_value() {
        for name in NAMES {
            for value in ["", "http://127.0.0.1:4566", "https://a.example/b/"] {
                assert_eq!(check_endpoints(&[(*name, value)].into()), Ok(()), "{name} {value}");
            }
            for value in ["PW", "https://ann:PW@a.example", "https://PW.example:99999"] {
                let why = check_endpoints(&[(*name, value)].into()).unwrap_err();
                assert!(why.starts_with(name) && !why.contains("PW"), "{why}");
            }
        }
    }
}
