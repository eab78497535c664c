//! Checks who signed a request: SigV4, by signing it again with the secret that the access key
//! should have.
//!
//! The signed headers, the time and the scope are those that the request claims. The order of the
//! checks, and the words of their refusals, are those of the IAM User Guide's page on
//! troubleshooting signatures; where AWS APIs differ they are unverified.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Bytes;
use http::{HeaderMap, Method, Uri};

use super::clock::{basic_time, parse_basic_time};
use super::error::{ApiError, Result};
use super::identity::AccessKey;
use super::regions;

/// How old a signature may be, or how far in the future.
const MAX_SKEW: Duration = Duration::from_mins(5);

/// A request as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What its `Authorization` header claims.
    pub(super) fn claim(&self) -> Result<Claim<'_>> {
        let authorization = self.header("authorization").ok_or_else(ApiError::missing_token)?;
        Claim::read(authorization).ok_or_else(ApiError::incomplete_signature)
    }
}

/// What an `Authorization` header of SigV4 claims.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) access_key_id: &'a str,
    date: &'a str,
    pub(super) region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn read(authorization: &'a str) -> Option<Self> {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else { return None };
        let signed_headers = field("SignedHeaders")?.split(';').collect();
        Some(Self {
            access_key_id,
            date,
            region,
            service,
            signed_headers,
            signature: field("Signature")?,
        })
    }

    /// Checks that the scope is one of this service, and of a region in which it is.
    pub(super) fn check_scope(
        &self,
        service: &str,
        host: Option<&str>,
        known_regions_only: bool,
    ) -> Result<()> {
        if self.service != service {
            return Err(ApiError::wrong_service(service));
        }
        let of_host = host.and_then(|host| region_of_host(host, service));
        let is_elsewhere = of_host.is_some_and(|region| region != self.region);
        if is_elsewhere || (known_regions_only && !regions::has(self.region)) {
            return Err(ApiError::wrong_region(self.region));
        }
        Ok(())
    }

    /// Checks session, time and signature.
    pub(super) fn check(&self, request: &Received, key: &AccessKey, now: SystemTime) -> Result<()> {
        let token = request.header("x-amz-security-token");
        if token != key.session.as_ref().map(|session| session.token.as_str()) {
            return Err(ApiError::unrecognized_client());
        }
        if key.session.as_ref().is_some_and(|session| session.expires <= now) {
            return Err(ApiError::expired_token());
        }
        let date = request.header("x-amz-date").ok_or_else(ApiError::no_date)?;
        let signed_at = parse_basic_time(date).ok_or_else(ApiError::no_date)?;
        check_time(signed_at, now)?;
        if !date.starts_with(self.date) {
            return Err(ApiError::wrong_scope_date(self.date, date.get(..8).unwrap_or_default()));
        }
        if !self.signs_enough(&request.headers) {
            return Err(ApiError::wrong_signature());
        }
        let signature = self.sign_again(request, key, signed_at);
        if signature.as_deref() == Some(self.signature) {
            Ok(())
        } else {
            Err(ApiError::wrong_signature())
        }
    }

    /// Whether what has to be signed is: the host, and each `x-amz-` header that is sent
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
    /// Otherwise somebody on the way could ask for another operation.
    fn signs_enough(&self, headers: &HeaderMap) -> bool {
        let is_signed = |name: &str| self.signed_headers.contains(&name);
        let of_amazon = headers.keys().map(http::HeaderName::as_str);
        is_signed("host") && of_amazon.filter(|name| name.starts_with("x-amz-")).all(is_signed)
    }

    fn sign_again(
        &self,
        request: &Received,
        key: &AccessKey,
        signed_at: SystemTime,
    ) -> Option<String> {
        let token = key.session.as_ref().map(|session| session.token.clone());
        let identity =
            Credentials::new(self.access_key_id, key.secret.clone(), token, None, "simulator")
                .into();
        let mut settings = SigningSettings::default();
        // The client has said which headers it signed.
        settings.excluded_headers = None;
        let builder =
            v4::SigningParams::builder().identity(&identity).region(self.region).name(self.service);
        let params = builder.time(signed_at).settings(settings).build().ok()?.into();
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("http://{}{path}", request.header("host")?);
        // These two the signer adds by itself.
        let claimed = self
            .signed_headers
            .iter()
            .filter(|name| !["x-amz-date", "x-amz-security-token"].contains(name));
        let headers =
            claimed.map(|name| Some((*name, request.header(name)?))).collect::<Option<Vec<_>>>()?;
        let body = SignableBody::Bytes(&request.body);
        let signable =
            SignableRequest::new(request.method.as_str(), url, headers.into_iter(), body).ok()?;
        Some(sign(signable, &params).ok()?.into_parts().1)
    }
}

fn check_time(signed_at: SystemTime, now: SystemTime) -> Result<()> {
    let (signed, current) = (basic_time(signed_at), basic_time(now));
    if signed_at + MAX_SKEW < now {
        let limit = basic_time(now - MAX_SKEW);
        let detail =
            format!("Signature expired: {signed} is now earlier than {limit} ({current} - 5 min.)");
        return Err(ApiError::wrong_time(&detail));
    }
    if signed_at > now + MAX_SKEW {
        let limit = basic_time(now + MAX_SKEW);
        let detail = format!(
            "Signature not yet current: {signed} is still later than {limit} ({current} + 5 min.)"
        );
        return Err(ApiError::wrong_time(&detail));
    }
    Ok(())
}

/// The region in a host name like `lightsail.eu-west-1.localhost:8080`; none if it is an address.
fn region_of_host<'a>(host: &'a str, service: &str) -> Option<&'a str> {
    let (region, rest) = host.strip_prefix(service)?.strip_prefix('.')?.split_once('.')?;
    (!rest.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::{Claim, region_of_host};

    #[test]
    fn claims_are_read_with_and_without_spaces() {
        for separator in [", ", ","] {
            let fields = [
                "Credential=AK/20150830/eu-west-1/lightsail/aws4_request",
                "SignedHeaders=a;b",
                "Signature=ff",
            ];
            let header = format!("AWS4-HMAC-SHA256 {}", fields.join(separator));
            let claim = Claim::read(&header).expect("it is complete");
            assert_eq!(
                (claim.access_key_id, claim.region, claim.signature),
                ("AK", "eu-west-1", "ff")
            );
            assert_eq!(claim.signed_headers, ["a", "b"]);
        }
    }

    #[test]
    fn incomplete_claims_are_none() {
        let scope = "Credential=AK/20150830/eu-west-1/lightsail/aws4_request";
        for header in [
            String::new(),
            "Basic abc".to_owned(),
            format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=a"),
            format!("AWS4-HMAC-SHA256 {scope}, Signature=ff"),
            "AWS4-HMAC-SHA256 Credential=AK/eu-west-1, SignedHeaders=a, Signature=ff".to_owned(),
        ] {
            assert!(Claim::read(&header).is_none(), "{header}");
        }
    }

    /// A row: the signed headers, the headers that are sent, and whether that is enough.
    #[test]
    fn the_host_and_every_header_of_amazon_have_to_be_signed() {
        for (signed, sent, is_enough) in [
            ("host", &["host"][..], true),
            ("x-amz-date", &["host", "x-amz-date"], false),
            ("host;x-amz-date", &["host", "x-amz-date", "user-agent"], true),
            ("host;x-amz-date", &["host", "x-amz-date", "x-amzn-trace-id"], true),
            ("host;x-amz-date", &["host", "x-amz-date", "x-amz-target"], false),
            ("host;x-amz-date", &["host", "x-amz-date", "X-Amz-Security-Token"], false),
            ("host;x-amz-date;x-amz-target", &["host", "x-amz-date", "X-Amz-Target"], true),
        ] {
            let header = format!(
                "AWS4-HMAC-SHA256 Credential=AK/20150830/eu-west-1/lightsail/aws4_request, \
                 SignedHeaders={signed}, Signature=ff"
            );
            let claim = Claim::read(&header).expect("it is complete");
            let sent = sent.iter().map(|name| {
                let name: HeaderName = name.parse().expect("a name");
                (name, HeaderValue::from_static("a"))
            });
            assert_eq!(claim.signs_enough(&sent.collect()), is_enough, "{header}");
        }
    }

    #[test]
    fn a_host_may_name_a_region() {
        assert_eq!(
            region_of_host("lightsail.eu-west-1.localhost:80", "lightsail"),
            Some("eu-west-1")
        );
        assert_eq!(
            region_of_host("lightsail.eu-west-1.amazonaws.com", "lightsail"),
            Some("eu-west-1")
        );
        assert_eq!(region_of_host("127.0.0.1:80", "lightsail"), None);
        assert_eq!(region_of_host("sts.eu-west-1.localhost", "lightsail"), None);
    }
}
