//! What an object asks for: its spec and metadata, validated and in domain types.

use std::time::Duration;

use kube::ResourceExt;

use crate::api::LightsailKeyPair;
use crate::api::key_pair::{Ensure, KeyPairType};
use crate::controllers::Settings;
use crate::lightsail::DEFAULT_KEY_PAIR;
use crate::ssh::PublicKey;

use super::plan::{Desired, Goal, Kind};

/// The name goes into the owner tag, whose value has at most 256 characters with the cluster's id and the namespace.
const MAX_OBJECT_NAME: usize = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_mins(10);

/// What the object asks for. It never fails: what is wrong with the spec is a part of the answer, since an object with a wrong
/// spec can still be deleted.
pub(super) fn desired(object: &LightsailKeyPair, settings: &Settings) -> Desired {
    let (spec, object_name) = (&object.spec, object.name_any());
    let kind = match spec.type_ {
        KeyPairType::Imported => Kind::Imported(spec.imported.as_ref().map(|it| PublicKey::parse(&it.public_key))),
        KeyPairType::Default => {
            let default = spec.default.clone().unwrap_or_default();
            let secret = default.secret.and_then(|secret| secret.name).unwrap_or_else(|| object_name.clone());
            Kind::Default { create_if_missing: default.create_if_missing, secret }
        }
    };
    let name = match spec.type_ {
        KeyPairType::Default => DEFAULT_KEY_PAIR.to_owned(),
        KeyPairType::Imported => spec.key_pair_name.clone().unwrap_or_else(|| object_name.clone()),
    };
    let goal = match (object.metadata.deletion_timestamp.is_some(), spec.ensure) {
        (true, _) => Goal::ObjectDeleted,
        (false, Ensure::Present) => Goal::Present,
        (false, Ensure::Absent) => Goal::Absent,
    };
    let namespace = object.namespace().unwrap_or_default();
    Desired {
        invalid_name: invalid_name(spec.type_, &object_name, &name),
        kind,
        name,
        region: spec.region.clone(),
        goal,
        deletion_policy: spec.deletion_policy,
        expected_fingerprint: spec.expected_fingerprint.clone(),
        owner: format!("{}/{namespace}/{object_name}", settings.cluster_id),
        created_at: object.creation_timestamp().map(|time| time.0),
        uid: object.uid().unwrap_or_default(),
        interval: interval(&spec.interval),
        pinned_account: settings.aws_account_id.clone(),
    }
}

/// What the API server cannot check: rules about the object's own name.
fn invalid_name(type_: KeyPairType, object_name: &str, name: &str) -> Option<String> {
    if object_name.len() > MAX_OBJECT_NAME {
        return Some(format!(
            "the object's name has more than {MAX_OBJECT_NAME} characters; make one with a shorter name"
        ));
    }
    let is_default_name = name.eq_ignore_ascii_case(DEFAULT_KEY_PAIR);
    if type_ == KeyPairType::Imported && is_default_name {
        return Some(format!(
            "{DEFAULT_KEY_PAIR} is the region's default key pair; make an object of type Default for it"
        ));
    }
    let is_valid = name.len() >= 2 && name.len() <= 255;
    (!is_valid).then(|| "names in Lightsail have 2 to 255 characters; set keyPairName in a new object".to_owned())
}

/// The schema has checked it; whatever gets past the schema counts as the default.
fn interval(text: &str) -> Duration {
    let parsed = text.parse::<kube::core::Duration>().ok().filter(|duration| !duration.is_negative());
    parsed.map_or(DEFAULT_INTERVAL, Duration::from).max(Duration::from_mins(1))
}
