//! For whom AWS was called, as the simulator's log tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::cli::bench::process::Simulator;

/// The simulator keeps ten thousand requests, which no operator sends in that time.
const EVERY: Duration = Duration::from_secs(1);
/// How many kinds of calls are named.
const NAMED: usize = 5;

/// What the quiet namespace's key pairs begin with.
pub(super) const QUIET: &str = "quiet";

/// Whose a call is: that of the namespace whose resource it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Hostile,
    Quiet,
    /// Lists, and whose the credentials are.
    Shared,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Hostile => "hostile",
            Self::Quiet => "quiet",
            Self::Shared => "shared",
        }
    }
}

fn side(resource: Option<&str>) -> Side {
    match resource {
        Some(name) if name.starts_with(QUIET) => Side::Quiet,
        Some(_) => Side::Hostile,
        None => Side::Shared,
    }
}

/// Calls of each side, by operation.
#[derive(Debug, Default)]
pub(super) struct Calls {
    counts: BTreeMap<(Side, String), u64>,
    seen: u64,
}

impl Calls {
    /// Counts from here on.
    pub(super) async fn from_now(simulator: &Simulator) -> Result<Self> {
        Ok(Self { seen: simulator.total().await?, ..Self::default() })
    }

    /// Adds what came since.
    pub(super) async fn read(&mut self, simulator: &Simulator) -> Result<()> {
        for request in simulator.requests_after(self.seen).await? {
            self.seen += 1;
            let side = side(request.resource.as_deref());
            *self.counts.entry((side, request.operation)).or_default() += 1;
        }
        Ok(())
    }

    /// Reads until something else is done; only an error ends it sooner.
    pub(super) async fn follow(&mut self, simulator: &Simulator) -> Result<()> {
        loop {
            tokio::time::sleep(EVERY).await;
            self.read(simulator).await?;
        }
    }

    fn sum(&self, side: Side) -> u64 {
        self.counts.iter().filter(|((it, _), _)| *it == side).map(|(_, count)| count).sum()
    }

    /// Those of each side.
    pub(super) fn text(&self) -> String {
        let sums = [Side::Hostile, Side::Quiet, Side::Shared].map(|side| self.sum(side));
        format!("{} + {} + {}", sums[0], sums[1], sums[2])
    }

    /// The most frequent ones.
    pub(super) fn most(&self) -> String {
        let mut all: Vec<_> = self.counts.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let named = all.iter().take(NAMED);
        let named =
            named.map(|((side, operation), count)| format!("{} {operation} {count}", side.name()));
        named.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Side, side};

    #[test]
    fn a_call_is_of_the_namespace_whose_resource_it_names() {
        for (resource, wanted) in [
            (Some("quiet-beside-3"), Side::Quiet),
            (Some("web-1"), Side::Hostile),
            (None, Side::Shared),
        ] {
            assert_eq!(side(resource), wanted, "{resource:?}");
        }
    }
}
