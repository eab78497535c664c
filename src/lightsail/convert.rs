//! The SDK's types turned into this project's.

use aws_sdk_lightsail::operation::download_default_key_pair::DownloadDefaultKeyPairOutput;
use aws_sdk_lightsail::primitives::{DateTime, DateTimeFormat};
use aws_sdk_lightsail::types;
use zeroize::Zeroizing;

use super::error::Error;
use super::types::{Downloaded, Instance, KeyPair, Result};
use crate::api::{Operation, OperationLocation};
use crate::ids::{Arn, Fingerprint, KeyPairName};
use crate::key_text::without_keys;
use crate::ssh::PrivateKey;

pub(super) fn key_pair(pair: types::KeyPair) -> Result<KeyPair> {
    let tags = pair.tags.unwrap_or_default().into_iter();
    Ok(KeyPair {
        name: given(pair.name)
            .map(KeyPairName::from)
            .ok_or_else(|| Error::incomplete("keyPair.name"))?,
        arn: given(pair.arn).map(Arn::from).ok_or_else(|| Error::incomplete("keyPair.arn"))?,
        created_at: pair.created_at.and_then(time),
        support_code: given(pair.support_code),
        fingerprint: given(pair.fingerprint).map(Fingerprint::from),
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value))).collect(),
    })
}

/// Whether it has no name, so that it may be any.
pub(super) fn is_nameless(pair: &types::KeyPair) -> bool {
    pair.name.as_ref().is_none_or(String::is_empty)
}

/// A text in an answer. An empty one says as little as none: two that are empty are not the same.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// An instance.
pub(super) fn instance(instance: types::Instance) -> Result<Instance> {
    let tags = instance.tags.unwrap_or_default().into_iter();
    Ok(Instance {
        arn: given(instance.arn).map(Arn::from).ok_or_else(|| Error::incomplete("instance.arn"))?,
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
    })
}

/// What is answered with an operation that failed was not done.
pub(super) fn not_failed(operations: Option<Vec<types::Operation>>) -> Result<()> {
    let failed = operations.into_iter().flatten().map(operation).find(Operation::failed);
    failed.map_or(Ok(()), |failed| Err(Error::operation_failed(&failed)))
}

/// At most this many characters of a text in an operation are kept: a status holds several
/// operations, and an object has room for some hundred kilobytes.
const MOST_OF_A_TEXT: usize = 2_000;

fn cut(text: Option<String>) -> Option<String> {
    given(text).map(|text| without_keys(&text).chars().take(MOST_OF_A_TEXT).collect())
}

/// Every field of the answer; long texts are cut, and have no keys. Type and status stay text,
/// because the enumerations of the API model lack values that the service sends.
pub(super) fn operation(operation: types::Operation) -> Operation {
    let location = |location: types::ResourceLocation| OperationLocation {
        availability_zone: given(location.availability_zone),
        region_name: given(location.region_name.map(|name| name.as_str().to_owned())),
    };
    Operation {
        id: given(operation.id),
        type_: given(operation.operation_type.map(|it| it.as_str().to_owned())),
        status: given(operation.status.map(|it| it.as_str().to_owned())),
        is_terminal: operation.is_terminal,
        resource_name: given(operation.resource_name),
        resource_type: given(operation.resource_type.map(|it| it.as_str().to_owned())),
        location: operation.location.map(location),
        created_at: operation.created_at.and_then(time),
        status_changed_at: operation.status_changed_at.and_then(time),
        operation_details: cut(operation.operation_details),
        error_code: cut(operation.error_code),
        error_details: cut(operation.error_details),
    }
}

/// The name of an instance, if it runs Windows and uses the default key pair. The API has no member
/// for the platform: the blueprint tells it (`windows_server_2022`), and the name of the first
/// user. One without a name guards the key pair all the same (I2), by its ARN.
pub(super) fn windows_with_default_key(instance: types::Instance) -> Result<Option<String>> {
    let blueprint = instance.blueprint_id.as_deref().and_then(|it| it.get(..WINDOWS.len()));
    let user = instance.username.as_deref();
    let is_windows = blueprint.is_some_and(|it| it.eq_ignore_ascii_case(WINDOWS))
        || user.is_some_and(|it| it.eq_ignore_ascii_case("Administrator"));
    if !is_windows || !key_pair_of(&instance).is_default() {
        return Ok(None);
    }
    let name = given(instance.name).or(given(instance.arn));
    name.map(Some).ok_or_else(|| Error::incomplete("instance.name"))
}

/// What the ids of all blueprints of Windows begin with.
const WINDOWS: &str = "windows";

/// The name of an instance, and that of its key pair. One without a name is left out.
pub(super) fn instance_and_key_pair(instance: types::Instance) -> Option<(String, KeyPairName)> {
    let key_pair = key_pair_of(&instance);
    Some((given(instance.name)?, key_pair))
}

/// The name of an instance's key pair. Without one, it has the default key pair.
fn key_pair_of(instance: &types::Instance) -> KeyPairName {
    let named = instance.ssh_key_name.as_deref().filter(|name| !name.is_empty());
    named.unwrap_or(KeyPairName::DEFAULT).into()
}

/// Moves the private key out of the answer immediately: the SDK's type would print it.
pub(super) fn downloaded(answer: DownloadDefaultKeyPairOutput) -> Result<Downloaded> {
    let created_at = answer.created_at.and_then(time);
    let text = Zeroizing::new(answer.private_key_base64.unwrap_or_default());
    let key = PrivateKey::parse(&text).map_err(|_| Error::incomplete("privateKeyBase64"))?;
    Ok(Downloaded { key, created_at })
}

/// AWS sends times as seconds with a fraction of milliseconds, which the SDK cuts off a little
/// below what was sent: a number of floating point is seldom exact.
fn time(time: DateTime) -> Option<String> {
    let millis = (time.as_nanos() + NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI);
    let rounded = DateTime::from_nanos(millis * NANOS_PER_MILLI).ok()?;
    rounded.fmt(DateTimeFormat::DateTime).ok()
}

const NANOS_PER_MILLI: i128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// An ARN that is recorded as empty would be that of every pair without one.
    #[test]
    fn an_empty_text_is_as_good_as_none() {
        let pair = || types::KeyPair::builder().name("fleet").arn("arn:1");
        let found = key_pair(pair().fingerprint("").support_code("").build()).unwrap();
        assert_eq!((found.fingerprint, found.support_code), (None, None));
        for (pair, member) in [(pair().name(""), "keyPair.name"), (pair().arn(""), "keyPair.arn")] {
            let error = key_pair(pair.build()).unwrap_err();
            assert!(error.message.contains(member), "{error}");
        }
        let error = super::instance(types::Instance::builder().arn("").build()).unwrap_err();
        assert!(error.message.contains("instance.arn"), "{error}");
        let location = types::ResourceLocation::builder().availability_zone("");
        let empty = types::Operation::builder()
            .id("")
            .operation_type("".into())
            .status("".into())
            .resource_name("")
            .resource_type("".into())
            .location(location.region_name("".into()).build())
            .operation_details("")
            .error_code("")
            .error_details("")
            .build();
        let location = Some(OperationLocation::default());
        assert_eq!(operation(empty), Operation { location, ..Operation::default() });
        let nameless = types::Instance::builder().name("").build();
        assert_eq!(instance_and_key_pair(nameless), None);
    }

    #[test]
    fn a_time_is_that_which_aws_sent() {
        for (sent, expected) in [
            (1_796_029_514.238, "2026-11-30T09:05:14.238Z"),
            (1_796_029_514.999_9, "2026-11-30T09:05:15Z"),
            (1_796_029_514.0, "2026-11-30T09:05:14Z"),
        ] {
            assert_eq!(time(DateTime::from_secs_f64(sent)).as_deref(), Some(expected), "{sent}");
        }
    }

    #[test]
    fn a_long_text_of_an_operation_is_cut() {
        let page = "é".repeat(100_000);
        let long = types::Operation::builder()
            .operation_details(&page)
            .error_code(&page)
            .error_details(&page)
            .build();
        let Operation { operation_details, error_code, error_details, .. } = operation(long);
        for text in [operation_details, error_code, error_details] {
            assert_eq!(text.map(|text| text.chars().count()), Some(MOST_OF_A_TEXT));
        }
    }

    #[test]
    fn a_key_that_an_operation_quotes_is_not_kept() {
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        let quoting = types::Operation::builder()
            .operation_details(format!("sent {key}"))
            .error_code(&key)
            .error_details("-----BEGIN RSA PRIVATE KEY-----\nMIIE")
            .build();
        let Operation { operation_details, error_code, error_details, .. } = operation(quoting);
        let texts = [operation_details, error_code, error_details];
        assert_eq!(texts, ["sent …", "…", "…"].map(|text| Some(text.to_owned())));
    }

    /// The default key pair is all that decrypts the first passwords of these.
    #[test]
    fn a_windows_instance_guards_the_default_key_pair_whatever_it_does_not_say() {
        let windows = || types::Instance::builder().name("win-1").blueprint_id("windows_2022");
        let nameless = || types::Instance::builder().blueprint_id("windows_2022");
        for (instance, expected) in [
            (windows(), Some("win-1")),
            (windows().blueprint_id("Windows_Server_2025"), Some("win-1")),
            (windows().blueprint_id("custom").username("administrator"), Some("win-1")),
            (windows().ssh_key_name(""), Some("win-1")),
            (windows().ssh_key_name("lightsaildefaultkeypair"), Some("win-1")),
            (windows().ssh_key_name("fleet"), None),
            (windows().blueprint_id("ubuntu_24_04").username("ubuntu"), None),
            (windows().blueprint_id("wind"), None),
            (nameless().arn("arn:1"), Some("arn:1")),
            (nameless().arn("arn:1").name(""), Some("arn:1")),
            (nameless().ssh_key_name("fleet"), None),
        ] {
            let instance = instance.build();
            let found = windows_with_default_key(instance.clone()).unwrap();
            assert_eq!(found.as_deref(), expected, "{instance:?}");
        }
        let error = windows_with_default_key(nameless().build()).unwrap_err();
        assert!(error.message.contains("instance.name"), "{error}");
    }
}
