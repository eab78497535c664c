//! How the pair that an import made is found: its ARN, fingerprint and time are needed, and the
//! answer to the import has none of them.
//!
//! Alone, an object reads its own pair. In a crowd of new objects one shared list costs fewer calls
//! than a read of each, so they wait for each other. Lightsail's rate is what limits them, so this
//! makes a crowd as a whole faster; an object that comes first may be Ready later.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use super::ownership::all_tags;
use super::step::Step;
use crate::key_pair::crowd::{Crowd, RECENT};
use crate::key_pair::message::Message;
use crate::key_pair::world::{Desired, Observed};
use crate::lightsail::{Imported, planned_within};

/// The tags of a pair that was imported are set by its name alone if that is the very next call,
/// sent within ten seconds of the answer: nobody else can do much in between. Later the pair is
/// read first, and tagged by its ARN.
const NAMED_WITHIN: SignedDuration = planned_within(Duration::from_secs(10));

/// An object whose namespace creates no more than this many at the same time reads its own pair,
/// whatever other namespaces do.
const FEW: usize = 5;
/// A crowd of which nobody is left to come is over when nobody came for this long: those who create
/// objects one after another make shorter pauses.
const QUIET: Duration = Duration::from_millis(300);
/// That of a namespace, while other namespaces go on.
const OWN_QUIET: Duration = Duration::from_secs(5);
/// After this long, those who are still to come do not come, and the others make no progress:
/// something blocks the remaining objects.
const STUCK: Duration = Duration::from_secs(30);
/// Whoever waits is woken by the list; this is for when nobody reads one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Of many who wait for the end of a crowd, one checks each time this long has passed.
const TURN: Duration = Duration::from_millis(5);

/// How an object finds the pair that it imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It reads its own.
    Own,
    /// It reads a list, with all others that wait.
    Shared,
    /// It waits for a list, at most this long before it asks again.
    Later(Duration),
}

/// How an object finds its pair among so many others that do the same.
#[must_use]
pub fn confirmation(crowd: &Crowd) -> Confirmation {
    if crowd.is_listed {
        return Confirmation::Shared;
    }
    if !is_crowd(crowd) || is_alone(crowd) {
        return Confirmation::Own;
    }
    // The last of them come soon, and then one list shows all. If they were the last, they could
    // not have earned more than a list in the meantime: then new ones come all the time.
    let are_many_to_come =
        crowd.all.coming > crowd.pages || crowd.credit > crowd.pages + crowd.pages.div_ceil(10);
    if crowd.credit >= crowd.pages && are_many_to_come {
        return Confirmation::Shared;
    }
    let is_quiet = |quiet_for: Option<Duration>, long| quiet_for.is_none_or(|it| it >= long);
    let (all, own) = (&crowd.all, &crowd.own);
    let is_over = all.coming == 0 && is_quiet(all.quiet_for, QUIET)
        || own.coming == 0 && is_quiet(own.quiet_for, OWN_QUIET)
        || is_quiet(own.still_for, STUCK);
    if is_over && all.waiting > crowd.pages {
        Confirmation::Shared
    } else if is_over {
        Confirmation::Own
    } else if all.coming == 0 {
        let left = QUIET.saturating_sub(all.quiet_for.unwrap_or_default());
        // One of them looks often enough, and wakes the others.
        let waiting = u32::try_from(all.waiting).unwrap_or(u32::MAX);
        let own_share = (TURN * waiting).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        Confirmation::Later(left.max(own_share))
    } else {
        Confirmation::Later(LONGEST_PAUSE)
    }
}

/// Whether so many are being created, or were a moment ago, that a list costs less than a read of
/// each.
pub(super) fn is_crowd(crowd: &Crowd) -> bool {
    has_many_of_own(crowd) && crowd.all.size() > crowd.pages
}

/// Whether those who wait are so few that a list costs more, and nobody joins them soon: others
/// come, but one after another, and seldom. Those of a crowd that has only begun may come sooner
/// than it seems.
fn is_alone(crowd: &Crowd) -> bool {
    let all = &crowd.all;
    let expected = u32::try_from(all.recent).unwrap_or(u32::MAX);
    let expected = (QUIET * 2).saturating_mul(expected);
    all.coming == 0 && all.waiting <= crowd.pages && expected < RECENT
}

/// Whether the object's own namespace is creating many.
pub(super) fn has_many_of_own(crowd: &Crowd) -> bool {
    crowd.own.size() > FEW
}

/// The step that reads the pair, or comes before that.
pub(super) fn next_read(desired: &Desired, observed: &Observed) -> Step {
    if let Some(step) = tag_by_name(desired, observed) {
        return step;
    }
    if observed.crowd.is_named && !observed.reads_live() {
        return match confirmation(&observed.crowd) {
            Confirmation::Own => Step::ReadPair { live: true },
            Confirmation::Shared => Step::ReadPair { live: false },
            Confirmation::Later(pause) => Message::Importing.pause(pause),
        };
    }
    // What a list said before an import counts no more.
    let live = observed.reads_live() || observed.done.import.is_some();
    Step::ReadPair { live }
}

/// The tags are set by the name of the pair that was imported just now, before it is read: what a
/// read shows has its tags then, and nothing more is to be done.
fn tag_by_name(desired: &Desired, observed: &Observed) -> Option<Step> {
    let Some(Imported::Accepted(operation)) = &observed.done.import else { return None };
    let answered = observed.done.import_answered?;
    let is_just_now = observed.now.duration_since(answered) <= NAMED_WITHIN;
    let is_to_be_tagged = !operation.failed() && !observed.done.tagged_by_name && is_just_now;
    is_to_be_tagged.then(|| Step::TagByName { tags: all_tags(desired) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_pair::crowd::CrowdCounts;

    fn counts(coming: usize, waiting: usize, recent: usize, quiet: f64) -> CrowdCounts {
        let quiet_for = Some(Duration::from_secs_f64(quiet));
        CrowdCounts { coming, waiting, recent, quiet_for, still_for: quiet_for }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn a_list_is_read_when_it_costs_less_than_a_read_of_each() {
        use Confirmation::{Later, Own, Shared};
        let few = counts(0, 1, 1, 0.0);
        let rows: [(&str, usize, usize, CrowdCounts, CrowdCounts, Confirmation); 20] = [
            ("alone", 1, 0, few, few, Own),
            ("a handful", 1, 0, counts(2, 2, 2, 0.1), counts(2, 2, 2, 0.1), Own),
            ("few in a namespace, beside a crowd", 1, 0, counts(900, 90, 90, 0.0), few, Own),
            ("one each second", 1, 0, counts(0, 1, 6, 0.0), counts(0, 1, 6, 0.0), Own),
            (
                "twenty each second",
                1,
                0,
                counts(0, 1, 100, 0.0),
                counts(0, 1, 100, 0.0),
                Later(QUIET),
            ),
            (
                "many, where a list has more pages",
                40,
                0,
                counts(20, 10, 10, 0.0),
                counts(20, 10, 10, 0.0),
                Own,
            ),
            (
                "many who are still to come",
                10,
                0,
                counts(300, 1, 1, 0.0),
                counts(300, 1, 1, 0.0),
                Later(LONGEST_PAUSE),
            ),
            (
                "many who came one after another",
                10,
                0,
                counts(0, 40, 40, 0.1),
                counts(0, 40, 40, 0.1),
                Later(Duration::from_millis(200)),
            ),
            (
                "they have earned a list",
                10,
                10,
                counts(300, 150, 40, 0.0),
                counts(300, 150, 40, 0.0),
                Shared,
            ),
            (
                "they have, and are nearly all there",
                10,
                10,
                counts(10, 150, 40, 0.0),
                counts(10, 150, 40, 0.0),
                Later(LONGEST_PAUSE),
            ),
            (
                "new ones come all the time",
                10,
                12,
                counts(1, 150, 40, 0.0),
                counts(1, 150, 40, 0.0),
                Shared,
            ),
            (
                "very many look for the end, one after another",
                10,
                0,
                counts(0, 600, 40, 0.1),
                counts(0, 600, 40, 0.1),
                Later(Duration::from_secs(3)),
            ),
            (
                "the last of them came",
                10,
                0,
                counts(0, 40, 40, 0.3),
                counts(0, 40, 40, 0.3),
                Shared,
            ),
            (
                "most were found by an earlier list",
                10,
                0,
                counts(0, 4, 40, 0.3),
                counts(0, 4, 40, 0.3),
                Own,
            ),
            (
                "other namespaces go on",
                10,
                0,
                counts(500, 40, 40, 0.0),
                counts(0, 20, 20, 1.0),
                Later(LONGEST_PAUSE),
            ),
            ("and on", 10, 0, counts(500, 40, 40, 0.0), counts(0, 20, 20, 5.0), Shared),
            (
                "those who are to come do not",
                10,
                0,
                counts(500, 40, 0, 1.0),
                counts(9, 20, 0, 29.0),
                Later(LONGEST_PAUSE),
            ),
            ("for long", 10, 0, counts(500, 40, 0, 1.0), counts(9, 20, 0, 30.0), Shared),
            (
                "but not while those who waited before them are being recorded",
                10,
                0,
                counts(500, 40, 0, 1.0),
                CrowdCounts { still_for: Some(Duration::ZERO), ..counts(9, 20, 0, 30.0) },
                Later(LONGEST_PAUSE),
            ),
            ("nobody came at all", 1, 0, CrowdCounts::default(), CrowdCounts::default(), Own),
        ];
        for (name, pages, credit, all, own, expected) in rows {
            let (is_named, is_listed) = (true, false);
            let crowd = Crowd { pages, all, own, credit, is_named, is_listed };
            assert_eq!(confirmation(&crowd), expected, "{name}");
            let listed = Crowd { is_listed: true, ..crowd };
            assert_eq!(confirmation(&listed), Shared, "{name}: there is a list");
        }
    }
}
