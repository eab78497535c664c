//! Endpoints of AWS that the environment names. One that cannot be used is refused at start,
//! without its value: the SDK says it at each attempt, or takes another one.

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

/// Checks all of them.
///
/// # Errors
/// One cannot be used.
pub fn check_endpoints(environment: &Environment) -> Result<(), String> {
    for name in NAMES {
        let Some(value) = environment.text(name)? else { continue };
        let is_usable =
            value.parse().is_ok_and(|uri: Uri| is_endpoint(&uri)) && !value.contains('#');
        if !is_usable {
            return Err(format!(
                "{name} cannot be used: it is not an http or https URL, or it has a user, a query \
                 or a fragment; write, for example, https://lightsail.eu-west-1.amazonaws.com"
            ));
        }
    }
    Ok(())
}

fn is_endpoint(uri: &Uri) -> bool {
    let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
    matches!(uri.scheme_str(), Some("http" | "https")) && !has_user && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_and_its_value_is_not_said() {
        for name in NAMES {
            for value in ["", "http://127.0.0.1:4566", "https://a.example/b/", "http://[::1]:1/"] {
                assert_eq!(check_endpoints(&[(*name, value)].into()), Ok(()), "{name} {value}");
            }
            for value in [
                "not a url PW",
                "PW",
                "PW.example:443",
                "ftp://PW",
                "https://",
                "https://ann:PW@a.example",
                "https://a.example/?t=PW",
                "https://a.example/#PW",
                "https://a.example/PW\n",
            ] {
                let why = check_endpoints(&[(*name, value)].into()).unwrap_err();
                assert!(why.starts_with(name) && !why.contains("PW"), "{why}");
            }
        }
    }
}
