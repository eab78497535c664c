//! What a reset asks for: its spec and metadata, validated and in domain types.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::mark;
use super::world::Desired;
use crate::api::HostKeyReset;
use crate::engine::{Settings, tracked_by};
use crate::ids::{Arn, Region};

/// Without `notAfter`, a reset may be started for this long after it was created.
const DEFAULT_NOT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What the object asks for. `now` stands in for the time of its creation, which every object that
/// was read has.
pub(super) fn desired(object: &HostKeyReset, settings: &Settings, now: Timestamp) -> Desired {
    let spec = &object.spec;
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let created = object.creation_timestamp().map_or(now, |time| time.0);
    let not_after = spec.not_after.as_ref().map(|time| time.0);
    let seconds = |seconds: i32| SignedDuration::from_secs(i64::from(seconds));
    Desired {
        instance: spec.instance_name.clone(),
        instance_arn: spec
            .preconditions
            .as_ref()
            .map(|wanted| Arn::from(wanted.instance_arn.as_str())),
        not_after: not_after
            .or_else(|| created.saturating_add(DEFAULT_NOT_AFTER).ok())
            .unwrap_or(Timestamp::MAX),
        deadline: seconds(spec.active_deadline_seconds),
        suspend: spec.suspend,
        ttl: spec.ttl_seconds_after_finished.map(seconds),
        tracked_by: tracked_by(object),
        deleting: object.metadata.deletion_timestamp.is_some(),
        hash: mark::hash(&namespace, &name, spec),
        pinned_account: settings.aws_account_id.clone().filter(|_| spec.account_ref.is_none()),
        namespace,
        region: Region::from(spec.region.as_str()),
        instance_tags: BTreeMap::new(),
    }
}
