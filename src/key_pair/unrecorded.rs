//! What the calls of objects have come to, until the status of each shows it.

use crate::api::Operation;
use crate::clock::Moment;
use crate::engine::tables::ByUid;

/// This many operations are kept. A crowd waits for a list before the status of each is written,
/// and an operation is large.
const MOST_BEGUN: usize = 4_096;

/// What the calls of an object have come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unrecorded {
    /// The import under its intent.
    pub(super) import: ImportCall,
    /// The operation that it has begun.
    pub(super) begun: Option<Box<Operation>>,
    /// The uid of the Secret that was created for it, until a read shows whose that is.
    pub(super) created_secret: Option<String>,
    /// Whether its last import or deletion failed.
    pub(super) has_failed: bool,
    /// Until when a list may not show the default pair that it has downloaded.
    pub(super) unlisted_until: Option<Moment>,
}

/// What is known of the import under an object's intent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ImportCall {
    /// Another process wrote the intent, and may have sent one.
    #[default]
    Unknown,
    /// None was sent, or it was refused.
    NotSent,
    /// It was sent, or may have been, and was not refused.
    Sent(Sent),
}

/// An import that was sent, and not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Until when it can still take effect.
    pub(super) until: Moment,
    /// Lightsail said that it does.
    pub(super) accepted: bool,
}

impl From<Option<Sent>> for ImportCall {
    fn from(sent: Option<Sent>) -> Self {
        sent.map_or(Self::NotSent, Self::Sent)
    }
}

/// What the calls of each object have come to.
#[derive(Debug, Default)]
pub(super) struct AllUnrecorded {
    by_uid: ByUid<Unrecorded>,
    /// How many have an operation.
    begun: usize,
}

impl AllUnrecorded {
    /// Of the object with this uid.
    pub(super) fn get(&self, uid: &str) -> Unrecorded {
        self.by_uid.get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is known of the object with this uid. An operation without an ID cannot be
    /// looked up, and is not kept.
    pub(super) fn edit(&mut self, uid: &str, change: impl FnOnce(&mut Unrecorded)) {
        let mut known = self.by_uid.remove(uid).unwrap_or_default();
        self.begun -= usize::from(known.begun.is_some());
        change(&mut known);
        let has_room = self.begun < MOST_BEGUN;
        known.begun = known.begun.filter(|operation| has_room && operation.id.is_some());
        self.begun += usize::from(known.begun.is_some());
        if known != Unrecorded::default() {
            self.by_uid.insert(uid, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: Option<usize>) -> Box<Operation> {
        Box::new(Operation { id: id.map(|id| id.to_string()), ..Operation::default() })
    }

    #[test]
    fn so_many_operations_are_kept_until_they_are_shown() {
        let mut all = AllUnrecorded::default();
        let mut begin = |uid: &str, id| all.edit(uid, |known| known.begun = Some(operation(id)));
        begin("without an id", None);
        for number in 0..=MOST_BEGUN {
            begin(&number.to_string(), Some(number));
        }
        begin("0", Some(1));
        let kept = |all: &AllUnrecorded, uid: &str| all.get(uid).begun;
        assert_eq!(kept(&all, "without an id"), None);
        assert_eq!(kept(&all, "0"), Some(operation(Some(1))), "it has begun another one");
        assert_eq!(kept(&all, &MOST_BEGUN.to_string()), None);
        all.edit("0", |known| known.begun = None);
        all.edit("1", |known| *known = Unrecorded::default());
        assert_eq!((kept(&all, "0"), kept(&all, "1")), (None, None));
        assert_eq!((all.begun, all.by_uid.count()), (MOST_BEGUN - 2, MOST_BEGUN - 2));
    }
}
