//! The states of the model: Lightsail, Kubernetes and the operator's processes in a few dozen
//! bytes.

/// A key. `A` and `B` are users' keys; the others are made by the operator or by Lightsail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key { A, B, C, D, E }

impl Key {
    pub(super) const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::E];
}

/// The value of the owner tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    Absent,
    /// That of the object of this place.
    Of(u8),
    /// That of another cluster.
    Elsewhere,
}

/// Who made a pair: the truth, which no plan sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    Others,
    /// An import of the object with this uid.
    Object(u8),
}

/// The pair of the name in Lightsail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    /// Stands for the ARN and for the time of creation.
    pub(super) id: u8,
    pub(super) key: Key,
    /// Whether Lightsail lists a fingerprint of a known form.
    pub(super) listed: bool,
    pub(super) tag: Tag,
    pub(super) maker: Maker,
    /// Whether it was created in the window of the intent on record, by uid.
    pub(super) within: [bool; UIDS],
    /// It is so new that a server may not know it yet.
    pub(super) recent: bool,
    /// Somebody else has set the tag of an object.
    pub(super) tagged_by_others: bool,
}

/// A pair as a read shows it to the object of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) id: u8,
    pub(super) key: Key,
    pub(super) listed: bool,
    pub(super) tag: Tag,
    pub(super) within: bool,
}

/// How an object came to its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How { Imported, Generated, Adopted, Default }

/// What a status records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) account: bool,
    pub(super) id: Option<u8>,
    pub(super) fingerprint: Option<Key>,
    pub(super) sha256: Option<Key>,
    pub(super) how: Option<How>,
    pub(super) intent: Option<Key>,
    /// Its import was refused: no pair is in its window.
    pub(super) undated: bool,
    /// The pair that was recorded before the intent.
    pub(super) replaced: Option<u8>,
    pub(super) replaced_how: Option<How>,
    /// The object deleted a pair lately.
    pub(super) deleted: bool,
}

/// An object, one of two that want the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) uid: u8,
    /// Which of the scenario's specs.
    pub(super) spec: u8,
    pub(super) deleting: bool,
    pub(super) finalizer: bool,
    pub(super) record: Record,
    /// Whether the window of the intent on record is still open.
    pub(super) intent_open: bool,
}

/// Whose owner annotation a Secret has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Annotation { Nobody, Own, Another }

/// The Secret that keeps a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Secret {
    pub(super) key: Option<Key>,
    pub(super) annotation: Annotation,
    /// The operator created it.
    pub(super) created: bool,
    /// It goes with the object of this uid.
    pub(super) owner: Option<u8>,
    pub(super) terminating: bool,
    /// It holds something that is no key that can be read.
    pub(super) unreadable: bool,
}

/// What a run has read of something that may not be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Found<T> {
    #[default]
    Unread,
    Absent,
    There(T),
}

/// An import that was sent, as a process knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    /// Nothing is known: what a process before this one sent counts.
    #[default]
    Unknown,
    /// None, or it was refused.
    No,
    /// It may still take effect.
    Open { accepted: bool },
    /// It cannot take effect any more.
    Over { accepted: bool },
}

impl Sent {
    /// Nothing was accepted under the intent that is written now.
    pub(super) fn forget_answer(&mut self) {
        match self {
            Self::Open { accepted } | Self::Over { accepted } => *accepted = false,
            Self::Unknown | Self::No => {}
        }
    }
}

/// Since when something is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Missing { #[default] No, Recent, Long }

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Follows,
    /// Leads, and an earlier leader's effects may still appear.
    LeadsNewly,
    Leads,
    /// Another process leads; what this one has begun may go on until its Lease has run out.
    Deposed,
}

impl Role {
    pub(super) fn leads(self) -> bool {
        matches!(self, Self::LeadsNewly | Self::Leads)
    }
}

/// How many uids there are at the same time, at most: the objects, those that vanished, those of
/// runs.
pub(super) const UIDS: usize = 4;
const UIDS_ALL: [u8; UIDS] = [0, 1, 2, 3];

/// A process of the operator, with its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) role: Role,
    /// By uid.
    pub(super) sent: [Sent; UIDS],
    /// By uid: the pair was tagged by its name, and no read has shown it since.
    pub(super) named: [bool; UIDS],
    /// By uid.
    pub(super) missing: [Missing; UIDS],
    /// By place.
    pub(super) vanished: [Option<Object>; 2],
    /// A deletion was not answered, and may still take effect.
    pub(super) deletion_open: bool,
    /// So may a download.
    pub(super) download_open: bool,
}

impl Process {
    pub(super) fn new(role: Role) -> Self {
        let (sent, missing) = ([Sent::Unknown; UIDS], [Missing::No; UIDS]);
        Self { role, sent, named: [false; UIDS], missing, vanished: [None; 2], deletion_open: false,
            download_open: false }
    }
}

/// What was read of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    pub(super) live: bool,
    /// The process slept since.
    pub(super) old: bool,
    /// It was begun before what was sent could not take effect any more.
    pub(super) early: bool,
    /// The pair on record was so new then that a server may not have known it.
    pub(super) settling: bool,
    pub(super) pair: Option<Seen>,
}

/// The answer to an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer { Accepted, NameTaken }

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Failure { NoAnswer, Throttled, Denied }

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Copied { Not, Yes, NameTaken }

/// Another object that wants the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RivalSeen {
    pub(super) uid: u8,
    pub(super) id: Option<u8>,
    /// It has no pair and cannot act: it counts only where the pair has its tag.
    pub(super) idle: bool,
    pub(super) deleting: bool,
}

/// A reconciliation under way: what stands in `Observed`, and the object as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) object: Object,
    /// It follows up an object that vanished.
    pub(super) follow_up: bool,
    pub(super) predecessor: bool,
    /// It added the finalizer.
    pub(super) finalizer_new: bool,
    pub(super) pair: Option<Read>,
    pub(super) source: Found<Key>,
    pub(super) secret: Found<Secret>,
    pub(super) copy: Found<Option<Key>>,
    pub(super) missing: Missing,
    pub(super) windows_read: bool,
    pub(super) namespace_read: bool,
    pub(super) rival: Option<RivalSeen>,
    pub(super) sent: Sent,
    /// As the process remembers it.
    pub(super) deletion_open: bool,
    pub(super) download_open: bool,
    /// What a process sent before this one led may still take effect.
    pub(super) predecessors: bool,
    pub(super) failure: Option<Failure>,
    pub(super) import: Option<Answer>,
    pub(super) import_refused: bool,
    /// A deletion found none.
    pub(super) found_none: bool,
    /// It tried to set tags by the name of the pair.
    pub(super) tagged_by_name: bool,
    /// That was done, here or in an earlier run, and no read has shown the pair since.
    pub(super) named: bool,
    /// It wrote the intent a moment ago.
    pub(super) intent_written: bool,
    pub(super) deleted: bool,
    pub(super) generated: Option<Key>,
    /// The key, and the id of its pair.
    pub(super) download: Option<(Key, u8)>,
    pub(super) read_since_download: bool,
    pub(super) copied: Copied,
    pub(super) release_read: Option<Result<Option<Seen>, ()>>,
    pub(super) tag_released: Option<Result<(), ()>>,
    /// The object, or the Secret, was changed since it was read: a write under the version that
    /// was read fails.
    pub(super) outdated: bool,
    pub(super) secret_outdated: bool,
}

/// A request that was sent and has not taken effect yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Delayed {
    /// For the object of this uid.
    Import { key: Key, uid: u8 },
    /// For the object of this uid, by name; this id was meant.
    Delete { uid: u8, id: u8, expected: Option<Key> },
    /// For the object of this uid. `gone`: the operator has deleted the pair since.
    Download { uid: u8, gone: bool },
}

impl Delayed {
    pub(super) fn uid(self) -> u8 {
        match self {
            Self::Import { uid, .. } | Self::Delete { uid, .. } | Self::Download { uid, .. } => uid,
        }
    }
}

/// How many disturbances are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Of users and of others.
    pub(super) acts: u8,
    /// Crashes and failovers.
    pub(super) crashes: u8,
    /// Answers that are lost, refusals, stale reads, pauses.
    pub(super) faults: u8,
}

/// All there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) pair: Option<Pair>,
    /// What the name had before: a shared list may still show it.
    pub(super) earlier: Option<Option<Pair>>,
    pub(super) delayed: Option<Delayed>,
    /// Whether Lightsail lists new pairs with a fingerprint of a known form.
    pub(super) listed: bool,
    pub(super) objects: [Option<Object>; 2],
    pub(super) secret: Option<Secret>,
    /// What a Secret or ConfigMap holds that an object refers to.
    pub(super) source: Option<Key>,
    /// The keys that copies of the Secret hold, by [`Key`].
    pub(super) kept: [bool; 5],
    /// Somebody else's Secret has the name of the next copy.
    pub(super) copy_taken: bool,
    pub(super) processes: [Process; 2],
    pub(super) runs: [Option<Run>; 2],
    pub(super) budget: Budget,
}

impl Read {
    /// What was read just now.
    pub(super) fn now(live: bool, pair: Option<Seen>) -> Self {
        Self { live, old: false, early: false, settling: false, pair }
    }
}

impl Run {
    /// A run of an object as it was read just now.
    pub(super) fn new(object: Object, sent: Sent, rival: Option<RivalSeen>) -> Self {
        Self {
            object,
            follow_up: false,
            predecessor: false,
            finalizer_new: false,
            pair: None,
            source: Found::Unread,
            secret: Found::Unread,
            copy: Found::Unread,
            missing: Missing::No,
            windows_read: false,
            namespace_read: false,
            rival,
            sent,
            deletion_open: false,
            download_open: false,
            predecessors: false,
            failure: None,
            import: None,
            import_refused: false,
            found_none: false,
            tagged_by_name: false,
            named: false,
            intent_written: false,
            deleted: false,
            generated: None,
            download: None,
            read_since_download: false,
            copied: Copied::Not,
            release_read: None,
            tag_released: None,
            outdated: false,
            secret_outdated: false,
        }
    }
}

impl State {
    fn ids(&self) -> impl Iterator<Item = u8> {
        let seen = |read: &Read| read.pair.map(|pair| pair.id);
        let of_runs = self.runs.iter().flatten().flat_map(move |run| {
            [
                run.object.record.id,
                run.object.record.replaced,
                run.pair.as_ref().and_then(seen),
                run.rival.and_then(|rival| rival.id),
                run.download.map(|(_, id)| id),
                run.release_read.and_then(Result::ok).flatten().map(|pair| pair.id),
            ]
        });
        let vanished = self.processes.iter().flat_map(|process| process.vanished);
        let of_objects = self.objects.into_iter().chain(vanished).flatten();
        let pairs = self.pair.into_iter().chain(self.earlier.flatten());
        let delayed = self.delayed.and_then(|delayed| match delayed {
            Delayed::Delete { id, .. } => Some(id),
            Delayed::Import { .. } | Delayed::Download { .. } => None,
        });
        let recorded = of_objects.flat_map(|object| [object.record.id, object.record.replaced]);
        pairs.map(|pair| Some(pair.id)).chain(recorded).chain(of_runs).chain([delayed])
            .flatten()
    }

    /// The smallest id that nothing has: states that differ in nothing but ids are one.
    pub(super) fn new_id(&self) -> u8 {
        (0..=u8::MAX).find(|id| self.ids().all(|other| other != *id)).expect("there are few pairs")
    }

    /// The smallest uid that nothing has; `None` if all are in use.
    pub(super) fn new_uid(&self) -> Option<u8> {
        let is_maker = |uid| [self.pair, self.earlier.flatten()].into_iter().flatten()
            .any(|pair| pair.maker == Maker::Object(uid));
        let is_known = |uid: u8| self.processes.iter().any(|process| {
            process.sent[usize::from(uid)] != Sent::Unknown
                || process.named[usize::from(uid)]
                || process.missing[usize::from(uid)] != Missing::No
                || process.vanished.iter().flatten().any(|object| object.uid == uid)
        });
        let is_run = |uid| self.runs.iter().flatten().any(|run| run.object.uid == uid
            || run.rival.is_some_and(|rival| rival.uid == uid));
        UIDS_ALL.into_iter().find(|uid| {
            let uid = *uid;
            !is_maker(uid) && !is_known(uid) && !is_run(uid)
                && self.objects.iter().flatten().all(|object| object.uid != uid)
                && self.delayed.is_none_or(|delayed| delayed.uid() != uid)
                && self.secret.is_none_or(|secret| secret.owner != Some(uid))
        })
    }

    /// A key that nothing has; `None` if all are in use.
    pub(super) fn new_key(&self) -> Option<Key> {
        let of_run = |run: &Run| [run.object.record.sha256, run.object.record.intent,
            run.generated, run.download.map(|(key, _)| key),
            run.pair.and_then(|read| read.pair).map(|pair| pair.key),
            match run.secret { Found::There(secret) => secret.key, _ => None }];
        let of_object = |object: &Object| [object.record.sha256, object.record.intent,
            object.record.fingerprint];
        let delayed = self.delayed.and_then(|delayed| match delayed {
            Delayed::Import { key, .. } => Some(key),
            Delayed::Delete { .. } | Delayed::Download { .. } => None,
        });
        [Key::C, Key::D, Key::E].into_iter().find(|key| {
            let is = |other: Option<Key>| other == Some(*key);
            !is(self.pair.map(|pair| pair.key))
                && !is(self.earlier.flatten().map(|pair| pair.key))
                && !is(delayed)
                && !is(self.secret.and_then(|secret| secret.key))
                && !self.kept[*key as usize]
                && !self.objects.iter().flatten().any(|it| of_object(it).into_iter().any(is))
                && !self.runs.iter().flatten().any(|it| of_run(it).into_iter().any(is))
        })
    }

    /// The objects, as they are and as runs and follow-ups know them.
    pub(super) fn known_objects(&self) -> impl Iterator<Item = Object> {
        let vanished = self.processes.iter().flat_map(|process| process.vanished);
        let runs = self.runs.iter().flatten().map(|run| Some(run.object));
        self.objects.into_iter().chain(vanished).chain(runs).flatten()
    }

    /// As the object of this uid sees the pair.
    pub(super) fn seen(&self, uid: usize) -> Option<Seen> {
        self.pair.map(|pair| pair.seen(uid))
    }

    /// The name has another pair now, or none.
    pub(super) fn set_pair(&mut self, pair: Option<Pair>) {
        self.earlier = Some(self.pair);
        self.pair = pair;
    }

    /// A pair comes into being. The windows that are open count for it.
    pub(super) fn create(&mut self, key: Key, listed: bool, maker: Maker) {
        let is_open = |object: &Object| object.record.intent.is_some() && object.intent_open;
        let within = UIDS_ALL.map(|uid| {
            self.known_objects().any(|object| object.uid == uid && is_open(&object))
        });
        let pair = Pair { id: self.new_id(), key, listed, tag: Tag::Absent, maker, within,
            recent: true, tagged_by_others: false };
        self.set_pair(Some(pair));
    }
}

impl Pair {
    /// Whether it is not deleted by this fingerprint.
    pub(super) fn refuses(self, expected: Option<Key>) -> bool {
        expected.is_some_and(|key| !self.listed || self.key != key)
    }

    pub(super) fn seen(self, uid: usize) -> Seen {
        Seen { id: self.id, key: self.key, listed: self.listed, tag: self.tag,
            within: self.within[uid] }
    }
}
