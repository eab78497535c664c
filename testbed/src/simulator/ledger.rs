//! The operations that requests have started in a region, found by id, by resource, or in the order
//! of their start.
//!
//! It decides when an operation is over and when it is forgotten; what an operation does is none of
//! its business.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::clock::epoch_seconds;
use super::switches::{OperationStatus, Switches};

/// This many operations of a region are kept at most, so that a simulator that runs for days stays
/// within some 50 MB.
const CAPACITY: usize = 100_000;

/// Something that was asked of Lightsail, with its progress.
#[derive(Clone, Debug)]
pub struct Operation {
    /// A UUID.
    pub id: String,
    /// The name of the resource.
    pub resource_name: String,
    /// `KeyPair` or `Instance`.
    pub resource_type: &'static str,
    /// For example `ImportKeyPair`; not always one of the API model's enumeration. Empty if the
    /// member is left out.
    pub operation_type: &'static str,
    /// `Started`, or how it ended.
    pub status: &'static str,
    /// Whether the status is final.
    pub is_terminal: bool,
    /// To the millisecond.
    pub created_at: SystemTime,
    /// When the status was last set.
    pub status_changed_at: SystemTime,
    /// The availability zone of an instance; `all` for key pairs.
    pub availability_zone: String,
    /// The region.
    pub region: String,
    pub(super) course: Course,
}

/// How an operation comes to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// How it ends.
    pub(super) ends_as: OperationStatus,
    /// How long after its start, whoever asks for it; zero is a matter of `polls`.
    pub(super) time: Duration,
    /// How many calls of `GetOperation` bring it to its end; with 0 it ends immediately.
    pub(super) polls: u32,
}

impl Course {
    /// That of an operation of `DeleteKnownHostKeys`.
    pub(super) fn of_reset(switches: &Switches) -> Self {
        let (ends_as, time) = (switches.operation_status, switches.operation_time);
        Self { ends_as, time, polls: switches.operation_polls }
    }

    /// That of an operation on a key pair or on tags.
    pub(super) fn of_key_pair(switches: &Switches) -> Self {
        let (ends_as, time) = (switches.key_pair_operation_status, Duration::ZERO);
        Self { ends_as, time, polls: switches.key_pair_operation_polls }
    }
}

impl Operation {
    /// When it ends by itself.
    fn ends_at(&self) -> Option<SystemTime> {
        let time = Some(self.course.time).filter(|time| !time.is_zero())?;
        self.created_at.checked_add(time)
    }

    /// It has begun.
    pub(super) fn begin(&mut self) {
        if self.ends_at().is_none() && self.course.polls == 0 {
            self.end(self.created_at);
        }
    }

    /// Another `GetOperation` has asked for it.
    pub(super) fn poll(&mut self, now: SystemTime) {
        self.course.polls = self.course.polls.saturating_sub(1);
        if self.ends_at().is_none() && self.course.polls == 0 && !self.is_terminal {
            self.end(now);
        }
    }

    fn end(&mut self, now: SystemTime) {
        self.status = self.course.ends_as.name();
        self.is_terminal = true;
        self.status_changed_at = now;
    }

    pub(super) fn to_json(&self) -> Value {
        let mut operation = json!({
            "id": self.id,
            "resourceName": self.resource_name,
            "resourceType": self.resource_type,
            "createdAt": epoch_seconds(self.created_at),
            "location": {"availabilityZone": self.availability_zone, "regionName": self.region},
            "isTerminal": self.is_terminal,
            "status": self.status,
            "statusChangedAt": epoch_seconds(self.status_changed_at),
        });
        if !self.operation_type.is_empty() {
            operation["operationType"] = json!(self.operation_type);
        }
        if self.status == OperationStatus::Failed.name() {
            operation["errorCode"] = json!("InternalError");
            operation["errorDetails"] = json!("The operation failed.");
        }
        operation
    }
}

/// All operations of a region. Each has a number; a later one has a greater number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    by_number: BTreeMap<u64, Operation>,
    by_id: HashMap<String, u64>,
    by_resource: HashMap<String, BTreeSet<u64>>,
    /// Those that end by themselves, and have not.
    under_way: Vec<u64>,
    next: u64,
}

impl Ledger {
    pub(super) fn add(&mut self, operation: Operation) {
        let number = self.next;
        self.next += 1;
        self.by_id.insert(operation.id.clone(), number);
        self.by_resource.entry(operation.resource_name.clone()).or_default().insert(number);
        if operation.ends_at().is_some() {
            self.under_way.push(number);
        }
        self.by_number.insert(number, operation);
        while self.by_number.len() > CAPACITY {
            self.forget_oldest();
        }
    }

    /// What time has done: ends what ends by itself, and forgets what is older than `retention`;
    /// zero is forever.
    pub(super) fn settle(&mut self, now: SystemTime, retention: Duration) {
        let Self { by_number, under_way, .. } = self;
        under_way.retain(|number| {
            let Some(operation) = by_number.get_mut(number) else { return false };
            let over = operation.ends_at().filter(|end| *end <= now);
            if let Some(end) = over {
                operation.end(end);
            }
            over.is_none()
        });
        if retention.is_zero() {
            return;
        }
        while self
            .by_number
            .values()
            .next()
            .is_some_and(|oldest| oldest.created_at + retention < now)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((number, operation)) = self.by_number.pop_first() else { return };
        self.by_id.remove(&operation.id);
        if let Some(numbers) = self.by_resource.get_mut(&operation.resource_name) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_resource.remove(&operation.resource_name);
            }
        }
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Operation> {
        self.by_number.get_mut(self.by_id.get(id)?)
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = (u64, &Operation)> {
        self.by_number.iter().map(|(number, operation)| (*number, operation))
    }

    /// Those on a resource of this name, the oldest first.
    pub(super) fn of_resource(
        &self,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = (u64, &Operation)> {
        let numbers = self.by_resource.get(name).into_iter().flatten();
        numbers
            .filter_map(|number| self.by_number.get(number).map(|operation| (*number, operation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn operation(id: &str, resource: &str, second: u64) -> Operation {
        Operation {
            id: id.to_owned(),
            resource_name: resource.to_owned(),
            resource_type: "KeyPair",
            operation_type: "ImportKeyPair",
            status: "Started",
            is_terminal: false,
            created_at: at(second),
            status_changed_at: at(second),
            availability_zone: "all".to_owned(),
            region: "eu-west-1".to_owned(),
            course: Course { ends_as: OperationStatus::Completed, time: Duration::ZERO, polls: 2 },
        }
    }

    fn ids<'a>(operations: impl Iterator<Item = (u64, &'a Operation)>) -> Vec<&'a str> {
        operations.map(|(_, operation)| operation.id.as_str()).collect()
    }

    #[test]
    fn operations_are_found_until_they_are_too_old() {
        let mut ledger = Ledger::default();
        for (id, resource, second) in [("1", "a", 10), ("2", "b", 20), ("3", "a", 30)] {
            ledger.add(operation(id, resource, second));
        }
        assert_eq!(ids(ledger.all()), ["1", "2", "3"]);
        assert_eq!(ids(ledger.of_resource("a")), ["1", "3"]);
        ledger.settle(at(1000), Duration::ZERO);
        assert_eq!(ids(ledger.all()), ["1", "2", "3"], "zero keeps them forever");
        ledger.settle(at(40), Duration::from_secs(20));
        assert_eq!(ids(ledger.all()), ["2", "3"]);
        assert_eq!(ids(ledger.of_resource("a")), ["3"]);
        assert!(ledger.find_mut("1").is_none());
        assert!(ledger.find_mut("2").is_some());
    }

    #[test]
    fn an_operation_ends_with_its_last_poll_and_stays_as_it_ended() {
        let mut operation = operation("1", "a", 10);
        operation.poll(at(11));
        assert_eq!((operation.status, operation.is_terminal), ("Started", false));
        operation.poll(at(12));
        assert_eq!((operation.status, operation.is_terminal), ("Completed", true));
        operation.poll(at(13));
        assert_eq!(operation.status_changed_at, at(12));
    }

    #[test]
    fn an_operation_with_a_time_ends_then_whoever_asks() {
        let (mut ledger, mut operation) = (Ledger::default(), operation("1", "a", 10));
        operation.course.time = Duration::from_secs(5);
        operation.begin();
        ledger.add(operation);
        let status = |ledger: &mut Ledger, second| {
            ledger.settle(at(second), Duration::ZERO);
            let operation = ledger.find_mut("1").unwrap();
            operation.poll(at(second));
            (operation.status, operation.status_changed_at)
        };
        for second in [10, 11, 12, 14] {
            assert_eq!(status(&mut ledger, second), ("Started", at(10)));
        }
        for second in [16, 17] {
            assert_eq!(status(&mut ledger, second), ("Completed", at(15)));
        }
    }
}
