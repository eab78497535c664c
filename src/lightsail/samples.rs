//! One error of each kind, for the page of messages, and lists.

use std::time::Duration;

use http::{StatusCode, Uri};

use super::error::{Error, ErrorKind};
use super::http::{Cause, Failure};
use super::listing::Listing;
use super::types::KeyPair;

/// A list of these pairs.
pub(crate) fn listing(pairs: &[KeyPair]) -> Listing {
    let mut listing = Listing::begin();
    for pair in pairs {
        listing.insert(pair, None);
    }
    listing.end(1);
    listing
}

/// Errors in the operator's own words.
pub(crate) fn own_words() -> Vec<Error> {
    let region = "eu-west-1".into();
    let sources = ["the environment: no AWS_ACCESS_KEY_ID", "the profile: no file"];
    let mut errors = vec![
        Error::new(ErrorKind::Transient, "ServiceException", "").without_key(),
        Error::waited_too_long(),
        Error::repeated_page_token(),
        Error::endless_list(10_000),
        Error::incomplete("arn"),
        Error::timeout(),
        Error::not_leading(),
        Error::outdated(),
        Error::region_not_allowed(&region, &["eu-central-1".to_owned()]),
        Error::too_many_regions(&region, 32, "the namespace"),
        Error::wrong_account(&"123456789012".into()),
        Error::not_pinned(&"123456789012".into()),
        Error::no_credentials(&sources.map(str::to_owned), false),
        Error::other_partition("cn-north-1"),
        Error::refused_credentials(),
        Error::unusable("the environment", "the access key ID ends with a line break"),
        Error::expired_credentials(false),
        Error::credentials_late(Duration::from_secs(30)),
    ];
    errors.extend(of_connections());
    errors
}

/// Why there was no answer.
pub(crate) fn of_connections() -> Vec<Error> {
    causes().iter().map(Error::from).collect()
}

fn causes() -> Vec<Failure> {
    let host = Uri::from_static("https://lightsail.eu-west-1.amazonaws.com");
    let proxy = Uri::from_static("http://proxy.example.com:3128");
    let of_proxy = |cause| Failure::of_proxy(&host, &proxy, cause);
    let of_host = |cause| Failure::new(&host, cause);
    vec![
        of_host(Cause::NameNotResolved),
        of_host(Cause::NameUnanswered),
        of_host(Cause::Refused),
        of_host(Cause::ConnectTimeout),
        of_host(Cause::ConnectFailed("No route to host (os error 113)".to_owned())),
        of_proxy(Cause::ProxyAnswered(StatusCode::FORBIDDEN)),
        of_proxy(Cause::ProxyAnswered(StatusCode::PROXY_AUTHENTICATION_REQUIRED)),
        of_host(Cause::UntrustedIssuer("CN=Example CA,O=Example".to_owned())),
        of_host(Cause::Tls("its certificate expired at 2026-01-01T00:00:00Z".to_owned())),
        of_host(Cause::Timeout(Duration::from_secs(10))),
        of_host(Cause::Closed { is_before_sending: false }),
        of_proxy(Cause::Closed { is_before_sending: true }),
        of_host(Cause::Lost("invalid chunk size".to_owned())),
        of_host(Cause::Unreadable(200)),
        of_host(Cause::Denied { status: 403, why: None }),
        of_host(Cause::Answered(503)),
        of_host(Cause::Insecure),
    ]
}

/// Errors in AWS's words.
pub(crate) fn words_of_aws() -> Vec<Error> {
    let words = "AWS's own words";
    [
        (ErrorKind::Throttled, "ThrottlingException"),
        (ErrorKind::Denied, "AccessDeniedException"),
        (ErrorKind::BadCredentials, "InvalidClientTokenId"),
        (ErrorKind::BadCredentials, "RequestExpired"),
        (ErrorKind::AccountSetup, "AccountSetupInProgressException"),
        (ErrorKind::RegionSetup, "RegionSetupInProgressException"),
        (ErrorKind::BadKey, "InvalidKey.Format"),
        (ErrorKind::NameTaken, "NameExists"),
        (ErrorKind::Busy, "InvalidInputException"),
        (ErrorKind::Invalid, "InvalidInputException"),
        (ErrorKind::OperationFailed, "OperationFailureException"),
        (ErrorKind::NotFound, "NotFoundException"),
        (ErrorKind::Transient, "ServiceException"),
    ]
    .map(|(kind, code)| Error::new(kind, code, words))
    .into()
}
