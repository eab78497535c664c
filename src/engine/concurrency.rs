//! How many objects are reconciled at the same time, and why an object is in the queue.

/// Why an object is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person changed something, or waits for something that changed.
    Change,
    /// It is time to check it again.
    Resync,
    /// It is time to try again what failed or had to wait.
    Retry,
}

impl Class {
    /// All of them, in the order of their values.
    pub const ALL: [Self; 3] = [Self::Change, Self::Resync, Self::Retry];

    /// The word for it in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Resync => "resync",
            Self::Retry => "retry",
        }
    }
}

/// How many objects are reconciled at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimits {
    /// Of one namespace in one lane, which is an account and a region.
    pub namespace_in_lane: usize,
    /// In one lane. One namespace can take half of them.
    pub lane: usize,
    /// Of one namespace, in all lanes, because some of them may not answer.
    pub namespace: usize,
    /// In all. The last ones are for namespaces that have few.
    pub all: usize,
}

impl ConcurrencyLimits {
    /// `--concurrency` for one namespace in one lane, and the numbers that follow from it.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self {
            namespace_in_lane: concurrency,
            lane: concurrency * 2,
            namespace: concurrency * 2,
            all: concurrency * 10,
        }
    }
}
