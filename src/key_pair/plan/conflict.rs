//! Something else has the name that an object wants, or another object comes first: what the object
//! says, and when it tries again.

use std::time::Duration;

use super::operations::{was_deleted_lately, was_imported_lately};
use super::refusals::{SOON, stalled};
use super::step::Step;
use crate::engine::action::Next;
use crate::key_pair::message::Message;
use crate::key_pair::world::{Desired, DesiredPair, Goal, Observed};

/// An object that makes way looks again after this time for each object that it makes way for, and
/// one that counts those of its namespace for each of them.
const FOR_EACH_OTHER: Duration = Duration::from_millis(100);

/// Something that is not this object's has the name. Nothing is reported about it (I11).
pub(super) fn name_conflict(desired: &Desired, observed: &Observed) -> Step {
    let (name, region) = (&desired.name, &desired.region);
    let message = match desired.goal {
        Goal::Present => Message::NameTaken { name, region },
        Goal::Absent | Goal::ObjectDeleted | Goal::ObjectVanished => {
            Message::PairOfOther { name, region }
        }
    };
    if let Some(pause) = until_import_is_over(observed) {
        return message.stalled(Next::After(pause));
    }
    // An import that was accepted found the name free: what has it since may be what it made.
    if observed.sent.is_some_and(|sent| sent.accepted) {
        return message.stalled(Next::BackoffWithin(desired.interval));
    }
    stalled(desired, &message)
}

/// How long an import of an intent on record may still take effect. Then it is settled whose the
/// pair is.
fn until_import_is_over(observed: &Observed) -> Option<Duration> {
    let is_open = observed.recorded.intent.is_some() && observed.recorded.arn.is_none();
    let until = observed.sent.filter(|_| is_open)?.until;
    (until > observed.now).then(|| until.duration_since(observed.now).unsigned_abs().max(SOON))
}

/// Another object comes before this one.
pub(super) fn yield_to_rival(desired: &Desired, observed: &Observed) -> Step {
    let (name, region) = (&desired.name, &desired.region);
    // It is called when that one goes. A crowd must not cost more than a few (I14).
    let pause = paced(desired.interval, observed.rivals.len());
    let is_one_of_few = pause == desired.interval;
    let pause = until_import_is_over(observed).map_or(pause, |until| until.min(pause));
    if observed.rivals.iter().any(|rival| rival.deleting) {
        let message = Message::RivalIsDeleted { name };
        return if is_one_of_few { message.wait_longer(pause) } else { message.wait(pause) };
    }
    let message = match &desired.pair {
        _ if desired.goal.ends() => Message::ClaimedByOtherInDeletion { name },
        DesiredPair::Default { .. } => Message::DefaultClaimedByOther { region },
        DesiredPair::Imported { .. } | DesiredPair::Generated { .. } => match desired.goal {
            Goal::Absent => Message::PairOfOther { name, region },
            Goal::Present | Goal::ObjectDeleted | Goal::ObjectVanished => {
                Message::ClaimedByOther { name, region }
            }
        },
    };
    message.stalled(Next::After(pause))
}

/// This pause, or a longer one where each reconciliation goes over this many other objects.
pub(super) fn paced(pause: Duration, others: usize) -> Duration {
    let others = u32::try_from(others).unwrap_or(u32::MAX);
    pause.max(FOR_EACH_OTHER.saturating_mul(others))
}

/// Lightsail says that the name is taken. Names are those of all types of resources, and one that
/// this object has just given up, or taken, may look like that for a moment.
pub(super) fn name_taken(desired: &Desired, observed: &Observed) -> Step {
    let name = &desired.name;
    if was_deleted_lately(observed) {
        return Message::NameNotFreeYet { name }.wait_longer(desired.interval);
    }
    if was_imported_lately(observed) {
        return Message::NameInUse { name }.wait_longer(desired.interval);
    }
    name_conflict(desired, observed)
}
