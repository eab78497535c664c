//! The SDK's types turned into this project's.

use aws_sdk_lightsail::operation::download_default_key_pair::DownloadDefaultKeyPairOutput;
use aws_sdk_lightsail::primitives::{DateTime, DateTimeFormat};
use aws_sdk_lightsail::types;
use zeroize::Zeroizing;

use super::error::Error;
use super::identifier::{arn, fingerprint, id, is_id};
use super::stable_text::line;
use super::types::{Downloaded, Instance, KeyPair, Result};
use crate::api::{Operation, OperationLocation};
use crate::ids::{Arn, Fingerprint, KeyPairName};
use crate::key_text::{has_key, without_keys};
use crate::ssh::PrivateKey;

pub(super) fn key_pair(pair: types::KeyPair) -> Result<KeyPair> {
    let tags = pair.tags.unwrap_or_default().into_iter();
    Ok(KeyPair {
        name: given(pair.name)
            .map(KeyPairName::from)
            .ok_or_else(|| Error::incomplete("keyPair.name"))?,
        arn: arn(pair.arn).map(Arn::from).ok_or_else(|| Error::incomplete("keyPair.arn"))?,
        created_at: pair.created_at.and_then(time),
        support_code: id(pair.support_code),
        fingerprint: fingerprint(pair.fingerprint).map(Fingerprint::from),
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
        arn: arn(instance.arn).map(Arn::from).ok_or_else(|| Error::incomplete("instance.arn"))?,
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

/// The name of what an operation is about. One that no resource can have stays another than that of
/// any. In one that may be a key nothing is told, as if there were none.
fn resource_name(name: Option<String>) -> Option<String> {
    let name = given(name).filter(|name| !has_key(name))?;
    Some(if is_id(&name) { name } else { "…".to_owned() })
}

/// Every field of the answer; long texts are cut, and have no keys. Type and status stay text,
/// because the enumerations of the API model lack values that the service sends.
pub(super) fn operation(operation: types::Operation) -> Operation {
    let location = |location: types::ResourceLocation| OperationLocation {
        availability_zone: id(location.availability_zone),
        region_name: id(location.region_name.map(|name| name.as_str().to_owned())),
    };
    Operation {
        id: id(operation.id),
        type_: id(operation.operation_type.map(|it| it.as_str().to_owned())),
        status: id(operation.status.map(|it| it.as_str().to_owned())),
        is_terminal: operation.is_terminal,
        resource_name: resource_name(operation.resource_name),
        resource_type: id(operation.resource_type.map(|it| it.as_str().to_owned())),
        location: operation.location.map(location),
        created_at: operation.created_at.and_then(time),
        status_changed_at: operation.status_changed_at.and_then(time),
        operation_details: cut(operation.operation_details),
        error_code: cut(operation.error_code),
        error_details: cut(operation.error_details),
    }
}

/// At most this many operations of one answer are kept. Lightsail has one for each call
/// (unverified), and a status has no room for any number.
pub(super) const MOST_OPERATIONS: usize = 20;

/// The operations of an answer. Of too many, those stay that tell most: what failed, then what is
/// not over.
pub(super) fn most_telling(operations: Vec<types::Operation>) -> Vec<Operation> {
    let mut operations: Vec<_> = operations.into_iter().map(operation).collect();
    if operations.len() > MOST_OPERATIONS {
        operations.sort_by_key(|it| (!it.failed(), it.is_over(), it.succeeded()));
        operations.truncate(MOST_OPERATIONS);
    }
    operations
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
    let name = given(instance.name).or(given(instance.arn)).map(|name| line(&name));
    given(name).map(Some).ok_or_else(|| Error::incomplete("instance.name"))
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

    #[test]
    fn what_no_identifier_can_be_is_as_good_as_none() {
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        for odd in
            [&key, "-----BEGIN RSA PRIVATE KEY-----", "a\nb", "a\x1b[31m", &"x ".repeat(4_000)]
        {
            let pair = || types::KeyPair::builder().name("fleet").arn("arn:1");
            let found = key_pair(pair().fingerprint(odd).support_code(odd).build()).unwrap();
            assert_eq!((found.fingerprint, found.support_code), (None, None), "{odd}");
            let error = key_pair(pair().arn(odd).build()).unwrap_err();
            assert!(error.message.contains("keyPair.arn"), "{odd}: {error}");
            let error = super::instance(types::Instance::builder().arn(odd).build()).unwrap_err();
            assert!(error.message.contains("instance.arn"), "{odd}: {error}");
            let location = types::ResourceLocation::builder().availability_zone(odd);
            let found = types::Operation::builder()
                .id(odd)
                .operation_type(odd.into())
                .status(odd.into())
                .resource_name(odd)
                .resource_type(odd.into())
                .location(location.region_name(odd.into()).build())
                .build();
            let found = operation(found);
            assert!(!found.resource_name.as_ref().is_some_and(|name| name.contains(odd)), "{odd}");
            assert_eq!(found.resource_name.is_none(), has_key(odd), "{odd}");
            let location = Some(OperationLocation::default());
            let rest = Operation { location, ..Operation::default() };
            assert_eq!(Operation { resource_name: None, ..found }, rest, "{odd}");
            let windows = types::Instance::builder().name(odd).blueprint_id("windows_2022").build();
            let shown = windows_with_default_key(windows).unwrap().unwrap();
            assert!(shown.len() <= 400 && !has_key(&shown) && shown != odd, "{odd}: {shown}");
        }
    }

    #[test]
    fn what_servers_answer_with_is_kept() {
        let code = "621291663362/ls-key-0123456789abcdef0123456789abcdef01234567";
        let sha1 = "1f:5f:96:3e:0b:77:2c:a1:9d:54:e8:11:6a:f0:3b:c2:88:4d:07:e5";
        for fingerprint in [
            "SHA256:pZmFzt0N5XhVnI2p3Qb8lq5d0bJrXqYwWc1s9aZ7KxE",
            "SHA256:pZmFzt0N5XhVnI2p3Qb8lq5d0bJrXqYwWc1s9aZ7KxE=",
            "pZmFzt0N5XhVnI2p3Qb8lq5d0bJrXqYwWc1s9aZ7KxE=",
            "pZmFzt0N5XhVnI2p3Qb8lq5d0bJrXqYwWc1s9aZ7KxE",
            sha1,
            &sha1[..47],
            "a fake one",
        ] {
            for arn in [
                "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001",
                "arn:aws:lightsail:eu-west-1:000000000000:KeyPair/fleet-of-the-team",
            ] {
                let pair = types::KeyPair::builder().name("fleet").arn(arn).support_code(code);
                let found = key_pair(pair.fingerprint(fingerprint).build()).unwrap();
                assert_eq!(found.arn.as_str(), arn);
                assert_eq!(found.support_code.as_deref(), Some(code));
                assert_eq!(found.fingerprint, Some(fingerprint.into()));
            }
        }
    }

    #[test]
    fn of_too_many_operations_those_stay_that_tell_most() {
        let operation = |id: usize, status: &str| {
            types::Operation::builder().id(id.to_string()).status(status.into()).build()
        };
        let of = |status: &'static str, ids: std::ops::Range<usize>| {
            ids.map(move |id| operation(id, status))
        };
        let few: Vec<_> = of("Succeeded", 0..10).chain(of("Failed", 10..20)).collect();
        let ids = |operations: Vec<Operation>| -> Vec<String> {
            operations.into_iter().filter_map(|it| it.id).collect()
        };
        let as_they_came: Vec<String> = (0..20).map(|id| id.to_string()).collect();
        assert_eq!(ids(most_telling(few)), as_they_came);
        let many: Vec<_> = of("Succeeded", 0..500)
            .chain(of("Started", 500..510))
            .chain(of("Failed", 510..512))
            .collect();
        let kept = ids(most_telling(many));
        assert_eq!(kept.len(), MOST_OPERATIONS);
        let first: Vec<String> =
            (510..512).chain(500..510).chain(0..8).map(|id| id.to_string()).collect();
        assert_eq!(kept, first);
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
