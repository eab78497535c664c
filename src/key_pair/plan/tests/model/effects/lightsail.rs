//! What a step does to the pair, and what a read of it shows.

use super::*;

impl At<'_> {
    pub(super) fn read_pair(&mut self, live: bool, fate: Fate) -> Option<Then> {
        let uid = self.uid();
        let state = &*self.state;
        let seen = |pair: Option<Pair>| pair.map(|pair| pair.seen(uid));
        let pair = match fate {
            Fate::Fine => state.seen(uid),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::Stale if live => {
                state.pair.filter(|pair| pair.recent)?;
                None
            }
            Fate::Stale => seen(state.earlier.filter(|earlier| *earlier != state.pair)?),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied => {
                return None;
            }
        };
        let recent = state.pair.filter(|pair| pair.recent).map(|pair| pair.id);
        let run = self.run();
        let settling = recent.is_some() && recent == run.object.record.id;
        run.pair = Some(Read { settling, ..Read::now(live, pair) });
        run.read_since_download |= live && run.download.is_some();
        Some(Then::GoOn)
    }

    pub(super) fn import(&mut self, key: Key, fate: Fate) -> Option<Then> {
        let (is_free, uid) = (self.state.pair.is_none(), self.run().object.uid);
        let (listed, delayed) = (self.state.listed, self.state.delayed);
        let unanswered = Sent::Open { accepted: false };
        let takes_effect = matches!(fate, Fate::Fine | Fate::LostAfter);
        let is_answered = matches!(fate, Fate::Fine | Fate::Slow);
        match fate {
            Fate::Stale => return None,
            Fate::LostAfter if !is_free => return None,
            Fate::Late | Fate::Slow if !is_free || delayed.is_some() => return None,
            Fate::Late | Fate::Slow => {
                self.state.delayed = Some(Delayed::Import { key, uid });
            }
            Fate::Throttled | Fate::Denied => {
                self.note_sent(Sent::No);
                self.run().import_refused = true;
                let is_denied = fate == Fate::Denied;
                return self.fail(if is_denied { Failure::Denied } else { Failure::Throttled });
            }
            Fate::Fine | Fate::LostBefore | Fate::LostAfter => {}
        }
        if takes_effect && is_free {
            self.state.create(key, listed, Maker::Object(uid));
        }
        self.note_sent(match (is_answered, is_free) {
            (true, true) => Sent::Open { accepted: true },
            (true, false) => Sent::No,
            (false, _) => unanswered,
        });
        if !is_answered {
            return self.fail(Failure::NoAnswer);
        }
        let run = self.run();
        run.import_refused = !is_free;
        run.import = Some(if is_free { Answer::Accepted } else { Answer::NameTaken });
        run.pair = None;
        Some(Then::GoOn)
    }

    /// Whatever has the name gets the tag.
    pub(super) fn tag_by_name(&mut self, fate: Fate) -> Option<Then> {
        let place = u8::try_from(self.place).expect("there are two");
        match fate {
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if self.state.pair.is_none() => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        self.run().tagged_by_name = true;
        if self.state.pair.is_none() {
            return Some(Then::GoOn);
        }
        self.state.set_tag(Tag::Of(place), false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let (uid, process) = (self.uid(), self.process);
        self.state.processes[process].named[uid] = true;
        self.run().named = true;
        Some(Then::GoOn)
    }

    pub(super) fn remove_tags(&mut self, fate: Fate) -> Option<Then> {
        let seen = self.run().pair.and_then(|read| read.pair)?;
        let is_there = self.state.pair.is_some_and(|pair| pair.id == seen.id);
        match fate {
            Fate::Fine if !is_there => return self.fail(Failure::Throttled),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if !is_there => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        self.state.set_tag(Tag::Absent, false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let pair = Some(Seen { tag: Tag::Absent, ..seen });
        self.run().pair = Some(Read::now(true, pair));
        Some(Then::GoOn)
    }

    pub(super) fn tag(&mut self, fate: Fate) -> Option<Then> {
        let place = u8::try_from(self.place).expect("there are two");
        let id = self.run().pair.and_then(|read| read.pair)?.id;
        let is_there = self.state.pair.is_some_and(|pair| pair.id == id);
        match fate {
            Fate::Fine if !is_there => return self.fail(Failure::Throttled),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if !is_there => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let tag = |seen: Seen| Seen { tag: Tag::Of(place), ..seen };
        self.state.set_tag(Tag::Of(place), false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let pair = self.run().pair.and_then(|read| read.pair).map(tag);
        self.run().pair = Some(Read::now(true, pair));
        Some(Then::GoOn)
    }

    pub(super) fn download(&mut self, fate: Fate) -> Option<Then> {
        if matches!(fate, Fate::LostBefore | Fate::LostAfter | Fate::Late) {
            self.state.processes[self.process].download_open = true;
        }
        match fate {
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::Late if self.state.delayed.is_some() => return None,
            Fate::Late => {
                let uid = self.run().object.uid;
                self.state.delayed = Some(Delayed::Download { uid, gone: false });
                return self.fail(Failure::NoAnswer);
            }
            Fate::Fine | Fate::LostAfter => {}
            Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        if self.state.pair.is_none() {
            let (key, uid) = (self.state.new_key()?, self.run().object.uid);
            self.state.create(key, self.state.listed, Maker::Object(uid));
        }
        let pair = self.state.pair?;
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        self.run().download = Some((pair.key, pair.id));
        Some(Then::GoOn)
    }

    pub(super) fn delete(&mut self, expected: Option<Key>, fate: Fate) -> Option<Then> {
        let pair = self.state.pair.filter(|pair| !pair.refuses(expected));
        self.state.processes[self.process].deletion_open = fate != Fate::Fine;
        match (fate, pair) {
            (Fate::LostBefore, _) => return self.fail(Failure::NoAnswer),
            (Fate::Fine, None) if self.state.pair.is_some() => return self.fail(Failure::Denied),
            (Fate::Fine, _) | (Fate::LostAfter, Some(_)) => {}
            (Fate::Late, Some(Pair { id, .. })) if self.state.delayed.is_none() => {
                let uid = self.run().object.uid;
                self.state.delayed = Some(Delayed::Delete { uid, id, expected });
                return self.fail(Failure::NoAnswer);
            }
            (Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale, _) => return None,
        }
        if pair.is_some() {
            self.state.set_pair(None);
        }
        let leads = self.state.processes[self.process].role.leads();
        if let Some(Delayed::Download { gone, .. }) = &mut self.state.delayed {
            *gone |= leads;
        }
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let run = self.run();
        (run.deleted, run.found_none) = (pair.is_some(), pair.is_none());
        run.pair = pair.map(|_| Read::now(true, None));
        Some(Then::GoOn)
    }

    pub(super) fn read_for_release(&mut self, fate: Fate) -> Option<Then> {
        let uid = self.uid();
        let seen = match fate {
            Fate::Fine => Ok(self.state.seen(uid)),
            Fate::LostBefore => Err(()),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale => return None,
        };
        self.run().release_read = Some(seen);
        Some(Then::GoOn)
    }

    pub(super) fn release_tag(&mut self, id: u8, fate: Fate) -> Option<Then> {
        let is_there = self.state.pair.is_some_and(|pair| pair.id == id);
        let answer = match fate {
            Fate::Fine => Ok(()),
            Fate::LostBefore => Err(()),
            Fate::LostAfter if is_there => Err(()),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale => return None,
        };
        if is_there && fate != Fate::LostBefore {
            self.state.set_tag(Tag::Absent, false);
        }
        self.run().tag_released = Some(answer);
        Some(Then::GoOn)
    }
}
