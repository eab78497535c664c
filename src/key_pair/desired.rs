//! What an object asks for: its spec and metadata, validated and in domain types.

use std::time::Duration;

use kube::ResourceExt;

use crate::access::Limits;
use crate::api::LightsailKeyPair;
use crate::api::key_pair::{Ensure, ImportedKeyPair, KeyPairType, KeyReference, KeySecret};
use crate::engine::Settings;
use crate::ids::{Fingerprint, KeyPairName, Owner, Region};
use crate::secret::SecretSpec;
use crate::ssh::PublicKey;

use super::world::{Desired, DesiredPair, Goal, ImportedKey, InvalidName, SourceKind, SourceRef};

/// The name goes into the owner tag, whose value has at most 256 characters with the cluster's id
/// and the namespace.
const MAX_OBJECT_NAME: usize = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_mins(10);
/// What the schema allows.
const SHORTEST_INTERVAL: Duration = Duration::from_mins(1);
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_hours(168);

/// What the object asks for. It never fails: what is wrong with the spec is a part of the answer,
/// since an object with a wrong spec can still be deleted.
pub(super) fn desired(object: &LightsailKeyPair, settings: &Settings) -> Desired {
    let (spec, object_name) = (&object.spec, object.name_any());
    let pair = match spec.type_ {
        KeyPairType::Imported => {
            let imported = spec.imported.as_ref();
            DesiredPair::Imported {
                key: imported.map_or(ImportedKey::Absent, imported_key),
                replace: imported.map(|imported| imported.replace_policy).unwrap_or_default(),
            }
        }
        KeyPairType::Generated => {
            let generated = spec.generated.clone().unwrap_or_default();
            let secret = secret_spec(generated.secret, &object_name, "Generated");
            DesiredPair::Generated {
                algorithm: generated.algorithm,
                secret,
                replace: generated.replace_policy,
            }
        }
        KeyPairType::Default => {
            let default = spec.default.clone().unwrap_or_default();
            DesiredPair::Default {
                create_if_missing: default.create_if_missing,
                secret: secret_spec(default.secret, &object_name, "Default"),
                backup: default.backup,
                windows_passwords_saved: default.windows_passwords_saved,
            }
        }
    };
    let name = match spec.type_ {
        KeyPairType::Default => KeyPairName::from(KeyPairName::DEFAULT),
        KeyPairType::Imported | KeyPairType::Generated => {
            spec.key_pair_name.clone().unwrap_or_else(|| object_name.clone()).into()
        }
    };
    let goal = match (object.metadata.deletion_timestamp.is_some(), spec.ensure) {
        (true, _) => Goal::ObjectDeleted,
        (false, Ensure::Present) => Goal::Present,
        (false, Ensure::Absent) => Goal::Absent,
    };
    let namespace = object.namespace().unwrap_or_default();
    Desired {
        invalid_name: invalid_name(spec.type_, &object_name, &name),
        pair,
        name,
        region: Region::from(spec.region.as_str()),
        goal,
        deletion_policy: spec.deletion_policy,
        expected_fingerprint: spec.expected_fingerprint.clone().map(Fingerprint::from),
        owner: Owner::new(&settings.cluster_id, &namespace, &object_name),
        tags: spec.tags.clone(),
        adoption: spec.adoption_policy,
        suspend: spec.suspend,
        created_at: object.creation_timestamp().map(|time| time.0),
        deleted_at: object.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        uid: object.uid().unwrap_or_default(),
        interval: interval(&spec.interval),
        pinned_account: settings.aws_account_id.clone().filter(|_| spec.account_ref.is_none()),
        limits: Limits::default(),
    }
}

fn imported_key(imported: &ImportedKeyPair) -> ImportedKey {
    let reference =
        |kind, at: &KeyReference| SourceRef { kind, name: at.name.clone(), key: at.key.clone() };
    let from = imported.public_key_from.as_ref();
    let secret = from
        .and_then(|from| from.secret_key_ref.as_ref())
        .map(|at| reference(SourceKind::Secret, at));
    let map = from
        .and_then(|from| from.config_map_key_ref.as_ref())
        .map(|at| reference(SourceKind::ConfigMap, at));
    match (&imported.public_key, secret.or(map)) {
        (Some(text), _) => ImportedKey::Inline(PublicKey::parse(text)),
        (None, Some(reference)) => ImportedKey::From(reference),
        (None, None) => ImportedKey::Absent,
    }
}

fn secret_spec(secret: Option<KeySecret>, object_name: &str, key_type: &'static str) -> SecretSpec {
    let secret = secret.unwrap_or_default();
    SecretSpec {
        name: secret.name.unwrap_or_else(|| object_name.to_owned()),
        labels: secret.labels,
        delete_with_object: secret.delete_with_object,
        key_type,
    }
}

/// What the API server cannot check: rules about the object's own name.
fn invalid_name(type_: KeyPairType, object_name: &str, name: &KeyPairName) -> Option<InvalidName> {
    if object_name.len() > MAX_OBJECT_NAME {
        return Some(InvalidName::TooLong { most: MAX_OBJECT_NAME });
    }
    if type_ != KeyPairType::Default && name.is_default() {
        return Some(InvalidName::IsDefault(name.clone()));
    }
    let is_valid = (2..=255).contains(&name.as_str().len());
    (!is_valid).then(|| InvalidName::Length(name.clone()))
}

/// The schema has checked it. An object may be older than the schema: what is no duration counts
/// as the default, and the bounds are kept.
fn interval(text: &str) -> Duration {
    let parsed =
        text.parse::<kube::core::Duration>().ok().filter(|duration| !duration.is_negative());
    let interval = parsed.map_or(DEFAULT_INTERVAL, Duration::from);
    interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_got_past_the_schema_is_within_its_bounds() {
        for (text, minutes) in [
            ("1h30m", 90),
            ("1m", 1),
            ("168h", 168 * 60),
            ("1s", 1),
            ("0s", 1),
            ("8760h", 168 * 60),
            ("-1h", 10),
            ("soon", 10),
        ] {
            assert_eq!(interval(text), Duration::from_mins(minutes), "{text}");
        }
    }
}
