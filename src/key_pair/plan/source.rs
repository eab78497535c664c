//! The public key of an imported pair, which stands in the spec, in a Secret or in a ConfigMap.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::ownership::is_replaced;
use super::refusals::stalled;
use super::step::Step;
use crate::api::Reason;
use crate::engine::action::Next;
use crate::key_pair::message::Message;
use crate::key_pair::world::{
    Desired, ImportedKey, Observed, PublicKeySource, SourceKind, SourceRef,
};
use crate::ssh::PublicKey;

const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A source has at most this many bytes: a public key has a thousand.
const LARGEST: usize = 64 * 1024;

/// What a source holds.
#[must_use]
pub fn source(value: &[u8]) -> PublicKeySource {
    if value.len() > LARGEST {
        PublicKeySource::TooLarge { bytes: value.len() }
    } else {
        PublicKeySource::Found(PublicKey::parse_file(value))
    }
}

/// The public key, or the step that leads to it or refuses it.
pub(super) fn public_key<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    key: &'a ImportedKey,
) -> Result<&'a PublicKey, Box<Step>> {
    let parsed = match key {
        ImportedKey::Absent => {
            return Err(Box::new(stalled(desired, &Message::NoPublicKey)));
        }
        ImportedKey::Inline(parsed) => parsed,
        ImportedKey::From(at) => match &observed.source {
            None => return Err(Box::new(Step::ReadSource(at.clone()))),
            Some(PublicKeySource::Missing { since, has_object }) => {
                return Err(Box::new(missing(observed, *since, at, *has_object)));
            }
            Some(PublicKeySource::TooLarge { bytes }) => {
                let message = Message::SourceTooLarge { at, bytes: *bytes, most: LARGEST };
                return Err(Box::new(stalled(desired, &message)));
            }
            Some(PublicKeySource::Found(parsed)) => parsed,
        },
    };
    parsed.as_ref().map_err(|why| {
        let why = *why;
        let message = match key {
            ImportedKey::From(at) if why.is_private() && at.kind == SourceKind::Secret => {
                Message::PrivateKeyInSource { at }
            }
            ImportedKey::From(at) => Message::InvalidSource { at, why },
            ImportedKey::Inline(_) | ImportedKey::Absent => Message::InvalidPublicKey { why },
        };
        Box::new(stalled(desired, &message))
    })
}

/// The step that reads the key where that is needed to know the pair: nothing is recorded of it, as
/// the intent says nothing of the key of the pair before.
pub(super) fn needed(desired: &Desired, observed: &Observed, key: &ImportedKey) -> Option<Step> {
    let ImportedKey::From(at) = key else { return None };
    let shown = observed.pair.as_ref().and_then(|read| read.pair.as_ref());
    let is_former = shown.is_some_and(|pair| is_replaced(observed, pair));
    let is_needed = observed.recorded.arn.is_none()
        && (observed.recorded.intent.is_none() || is_former)
        && observed.source.is_none()
        && (desired.expected_fingerprint.is_none() || desired.goal.ends());
    is_needed.then(|| Step::ReadSource(at.clone()))
}

/// What is missing may be on its way, as when a whole folder is applied.
fn missing(observed: &Observed, since: Timestamp, at: &SourceRef, has_object: bool) -> Step {
    let message =
        if has_object { Message::NoKeyInSource { at } } else { Message::SourceNotFound { at } };
    // A process that has just started does not know for how long it was missing before.
    let is_said = observed.stalled_for == Some(Reason::SourceNotFound);
    let left = time_left(since, observed.timing.source_grace, observed.now);
    if let Some(left) = left.filter(|_| !is_said) {
        let waited = observed.now.duration_since(since).unsigned_abs();
        return message.wait(waited.clamp(SHORTEST_PAUSE, LONGEST_PAUSE).min(left));
    }
    message.stalled(Next::After(Duration::from_mins(1)))
}

/// What is left of a grace period that began then.
pub(super) fn time_left(since: Timestamp, grace: Duration, now: Timestamp) -> Option<Duration> {
    let waited = now.duration_since(since).max(SignedDuration::ZERO).unsigned_abs();
    grace.checked_sub(waited).filter(|left| !left.is_zero())
}
