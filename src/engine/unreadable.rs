//! The objects that this version cannot read, and which key pairs they record.

use std::collections::HashMap;

use super::object_ref::ObjectRef;
use super::served::SeenUnreadable;
use super::tables::shrink;
use crate::digest::Digest;
use crate::ids::Arn;

/// The objects that this version cannot read.
#[derive(Debug, Default)]
pub(super) struct Unreadables {
    all: HashMap<ObjectRef, SeenUnreadable>,
    /// By the key pair on record: nearly always one. Users cannot write the status.
    recording: HashMap<Digest<Arn>, Vec<ObjectRef>>,
}

impl Unreadables {
    /// Records how an object was seen. Returns how it was seen before.
    pub(super) fn insert(&mut self, at: ObjectRef, seen: SeenUnreadable) -> Option<SeenUnreadable> {
        let before = self.remove(&at);
        if let Some(arn) = seen.arn {
            self.recording.entry(arn).or_default().push(at.clone());
        }
        self.all.insert(at, seen);
        before
    }

    /// The object can be read now, or is gone.
    pub(super) fn remove(&mut self, at: &ObjectRef) -> Option<SeenUnreadable> {
        let seen = self.all.remove(at)?;
        shrink(&mut self.all);
        if let Some(arn) = seen.arn
            && let Some(there) = self.recording.get_mut(&arn)
        {
            there.retain(|other| other != at);
            if there.is_empty() {
                self.recording.remove(&arn);
                shrink(&mut self.recording);
            }
        }
        Some(seen)
    }

    pub(super) fn get(&self, at: &ObjectRef) -> Option<&SeenUnreadable> {
        self.all.get(at)
    }

    /// The first object that records this key pair.
    pub(super) fn recording(&self, arn: Digest<Arn>) -> Option<&SeenUnreadable> {
        self.all.get(self.recording.get(&arn)?.first()?)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectRef> {
        self.all.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_that_records_a_key_pair_is_known_until_it_goes() {
        let (at, arn) = (|name| ObjectRef::new("n", name), |arn: &str| Digest::of(arn));
        let seen = |uid: &str, arn| SeenUnreadable { uid: uid.to_owned(), arn, ..<_>::default() };
        let mut all = Unreadables::default();
        all.insert(at("never"), seen("n", None));
        all.insert(at("a"), seen("a", Some(arn("first"))));
        all.insert(at("a"), seen("a", Some(arn("second"))));
        let uid = |all: &Unreadables, of| all.recording(arn(of)).map(|seen| seen.uid.clone());
        assert_eq!(uid(&all, "first"), None);
        assert_eq!(uid(&all, "second").as_deref(), Some("a"));
        // A restored backup may have the same status under another name.
        all.insert(at("b"), seen("b", Some(arn("second"))));
        all.remove(&at("b"));
        assert_eq!(uid(&all, "second").as_deref(), Some("a"));
        all.insert(at("b"), seen("b", Some(arn("second"))));
        all.remove(&at("a"));
        assert_eq!(uid(&all, "second").as_deref(), Some("b"));
        all.remove(&at("b"));
        assert_eq!(uid(&all, "second"), None);
        assert_eq!((all.len(), all.recording.len()), (1, 0));
    }
}
