//! What the log says of something that fails again and again: one line when that begins, and one
//! when it is over.

use std::time::{Duration, Instant};

/// The log speaks of something that fails and works by turns this often.
pub(crate) const QUIET: Duration = Duration::from_mins(5);

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    at: Option<Instant>,
    /// It has not been said yet that it is over.
    is_open: bool,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Begins,
    IsOver,
}

impl Spoken {
    /// It fails, or works. Returns what is to be said.
    pub(crate) fn note(&mut self, fails: bool, now: Instant) -> Option<News> {
        if !fails {
            return std::mem::take(&mut self.is_open).then_some(News::IsOver);
        }
        let is_quiet = self.at.is_some_and(|at| now.saturating_duration_since(at) < QUIET);
        if self.is_open || is_quiet {
            return None;
        }
        (self.at, self.is_open) = (Some(now), true);
        Some(News::Begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_reported_once_and_once_when_it_is_over() {
        let (mut spoken, start) = (Spoken::default(), Instant::now());
        let (second, later) = (Duration::from_secs(1), QUIET + Duration::from_secs(1));
        for (fails, after, expected) in [
            (false, Duration::ZERO, None),
            (true, second, Some(News::Begins)),
            (true, later * 2, None),
            (false, later * 2, Some(News::IsOver)),
            (false, later * 2, None),
            (true, later * 2 + second, Some(News::Begins)),
            (false, later * 2 + second, Some(News::IsOver)),
            (true, later * 2 + second * 2, None),
            (false, later * 2 + second * 2, None),
            (true, later * 4, Some(News::Begins)),
        ] {
            assert_eq!(spoken.note(fails, start + after), expected, "{fails} {after:?}");
        }
    }
}
