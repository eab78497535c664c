//! What is recorded before a call is taken back, because the call was surely not made.

use super::deadline::{in_time, last_start};
use super::step::Step;
use crate::engine::Verdict;
use crate::host_key_reset::world::{Desired, Observed};

/// Takes back the mark and the intent, and says why. The mark of another object or spec stays.
pub(super) fn take_back(desired: &Desired, observed: &Observed, verdict: Verdict) -> Step {
    let verdict = in_time(observed, last_start(desired, observed), verdict);
    Step::TakeBack { verdict, remove_mark: observed.own_mark(desired).is_some() }
}
