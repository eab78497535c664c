//! What users, others and the machines do.

use std::fmt;

use super::effects::Fate;
use super::scenario::{May, Scenario, Type};
use super::view::Act;
use super::world::{Annotation, Delayed, Key, Maker, Object, Process, Record, Role, Run, Secret,
    State, Tag};

/// A transition.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A process begins a reconciliation, of what is there or of what vanished.
    Begin { process: usize, place: usize, follow_up: bool },
    Step { process: usize, place: usize, act: Act, fate: Fate },
    Crash { process: usize },
    Deposed { process: usize },
    TimePasses,
    Lands,
    Expires,
    SecretGoes,
    Delete { place: usize },
    Recreate { place: usize },
    Edit { place: usize, spec: usize },
    Strip { place: usize },
    Restore { place: usize },
    Vanish { place: usize },
    Import { key: Key },
    DeletePair,
    Retag { tag: Tag },
    Secret(Option<Secret>),
    CopyTaken,
    Source(Option<Key>),
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { process, place, follow_up: false } => {
                write!(out, "process {process} begins to reconcile object {place}")
            }
            Self::Begin { process, place, follow_up: true } => {
                write!(out, "process {process} follows up object {place}, which vanished")
            }
            Self::Step { process, place, act, fate } => {
                write!(out, "process {process}, object {place}: {act:?}, {fate:?}")
            }
            Self::Crash { process } => write!(out, "process {process} crashes, and another leads"),
            Self::Deposed { process } => {
                write!(out, "process {process} loses its Lease and acts until that has run out")
            }
            Self::TimePasses => out.write_str("all windows and patience run out"),
            Self::Lands => out.write_str("a request that was sent takes effect"),
            Self::Expires => out.write_str("a request that was sent will not take effect"),
            Self::SecretGoes => out.write_str("the Secret that was to be deleted is gone"),
            Self::Delete { place } => write!(out, "a user deletes object {place}"),
            Self::Recreate { place } => write!(out, "a user creates object {place}"),
            Self::Edit { place, spec } => write!(out, "a user gives object {place} spec {spec}"),
            Self::Strip { place } => {
                write!(out, "somebody removes the finalizer of object {place} by force")
            }
            Self::Restore { place } => {
                write!(out, "object {place} is replaced by a copy of itself without status")
            }
            Self::Vanish { place } => write!(out, "object {place} vanishes despite its finalizer"),
            Self::Import { key } => write!(out, "somebody else imports key {key:?}"),
            Self::DeletePair => out.write_str("somebody else deletes the pair"),
            Self::Retag { tag } => write!(out, "somebody else sets the owner tag {tag:?}"),
            Self::Secret(secret) => write!(out, "somebody makes the Secret {secret:?}"),
            Self::CopyTaken => out.write_str("somebody else takes the name of the Secret's copy"),
            Self::Source(source) => write!(out, "somebody makes the key's source {source:?}"),
        }
    }
}

/// The process and the place of a run, by its slot.
pub(super) fn at(scenario: &Scenario, slot: usize) -> (usize, usize) {
    if scenario.two_processes { (slot, 0) } else { (0, slot) }
}

/// What happens on its own: nobody disturbs anything.
pub(super) fn natural(state: &State, to: &mut dyn FnMut(Event, State)) {
    if state.delayed.is_some() {
        let mut next = *state;
        next.land();
        to(Event::Lands, next);
        to(Event::Expires, State { delayed: None, ..*state });
    }
    if state.secret_goes() {
        let mut next = *state;
        next.set_secret(None);
        to(Event::SecretGoes, next);
    }
    if let Some(next) = later(state) {
        to(Event::TimePasses, next);
    }
}

/// Later, when all windows are over; `None` before what was sent has taken effect or will not. A
/// run under way has slept then, which is a fault.
pub(super) fn later(state: &State) -> Option<State> {
    let mut next = *state;
    if state.delayed.is_some() {
        return None;
    }
    for (process, memory) in next.processes.iter_mut().enumerate() {
        if memory.role == Role::Deposed {
            *memory = Process::new(Role::Follows);
            next.runs[process] = None;
        }
    }
    if next.runs.iter().any(Option::is_some) {
        next.budget.faults = next.budget.faults.checked_sub(1)?;
    }
    next.let_time_pass();
    (next != *state).then_some(next)
}

/// What goes wrong with the processes.
pub(super) fn failures(scenario: &Scenario, state: &State, to: &mut dyn FnMut(Event, State)) {
    let Some(crashes) = state.budget.crashes.checked_sub(1) else { return };
    for process in 0..2 {
        let role = state.processes[process].role;
        if role == Role::Follows {
            continue;
        }
        let mut next = *state;
        next.budget.crashes = crashes;
        for slot in 0..2 {
            if at(scenario, slot).0 == process {
                next.runs[slot] = None;
            }
        }
        let other = &mut next.processes[1 - process];
        let is_replaced = scenario.two_processes && other.role == Role::Follows;
        if role.leads() && is_replaced {
            other.role = Role::LeadsNewly;
        }
        let leads_again = role.leads() && !is_replaced;
        let role_now = if leads_again { Role::LeadsNewly } else { Role::Follows };
        next.processes[process] = Process::new(role_now);
        to(Event::Crash { process }, next);
        if role.leads() && is_replaced && state.runs[process].is_some() {
            let mut next = *state;
            next.budget.crashes = crashes;
            next.processes[process].role = Role::Deposed;
            next.processes[1 - process].role = Role::LeadsNewly;
            to(Event::Deposed { process }, next);
        }
    }
}

/// What users and others do.
pub(super) fn acts(scenario: &Scenario, state: &State, to: &mut dyn FnMut(Event, State)) {
    let Some(acts) = state.budget.acts.checked_sub(1) else { return };
    let mut begun = *state;
    begun.budget.acts = acts;
    for place in 0..2 {
        let Some(object) = state.objects[place] else {
            let was_there = scenario.objects[place].filter(|_| scenario.may(May::DeleteObject));
            if let Some((spec, uid)) = was_there.zip(begun.new_uid()) {
                let mut next = begun;
                next.forget_window(uid);
                next.objects[place] = Some(Object { uid, spec, deleting: false, finalizer: false,
                    record: Record::default(), intent_open: false });
                to(Event::Recreate { place }, next);
            }
            continue;
        };
        of_object(scenario, &begun, place, &object, to);
    }
    of_pair(scenario, &begun, to);
    if scenario.may(May::EditSecret) {
        of_secret(scenario, &begun, to);
    }
    if scenario.may(May::EditSource) {
        let sources = [None, Some(Key::A), Some(Key::B)];
        for source in sources.into_iter().filter(|source| *source != state.source) {
            to(Event::Source(source), State { source, ..begun });
        }
    }
}

fn of_object(scenario: &Scenario, begun: &State, place: usize, object: &Object,
    to: &mut dyn FnMut(Event, State)) {
    let edited = |change: &dyn Fn(&mut Object)| {
        let mut next = *begun;
        next.outdate(place);
        if let Some(object) = &mut next.objects[place] {
            change(object);
        }
        next
    };
    if scenario.may(May::DeleteObject) && !object.deleting {
        let mut next = edited(&|object| object.deleting = true);
        if !object.finalizer {
            next.object_is_gone(place, false);
        }
        to(Event::Delete { place }, next);
    }
    if scenario.may(May::Edit) {
        for spec in (0..scenario.specs.len()).filter(|spec| *spec != usize::from(object.spec)) {
            let number = u8::try_from(spec).expect("there are few");
            to(Event::Edit { place, spec }, edited(&|object| object.spec = number));
        }
    }
    if scenario.may(May::StripFinalizer) && object.finalizer {
        let mut next = edited(&|object| object.finalizer = false);
        if object.deleting {
            next.object_is_gone(place, false);
        }
        to(Event::Strip { place }, next);
    }
    if scenario.may(May::Vanish) && object.finalizer && !object.deleting {
        let mut next = *begun;
        next.object_is_gone(place, true);
        to(Event::Vanish { place }, next);
    }
    if let Some(uid) = begun.new_uid().filter(|_| scenario.may(May::Restore)) {
        let mut next = *begun;
        next.object_is_gone(place, false);
        next.forget_window(uid);
        next.objects[place] = Some(Object { uid, deleting: false, record: Record::default(),
            intent_open: false, ..*object });
        to(Event::Restore { place }, next);
    }
}

fn of_pair(scenario: &Scenario, begun: &State, to: &mut dyn FnMut(Event, State)) {
    let Some(pair) = begun.pair else {
        if scenario.may(May::Import) {
            for key in [Key::A, Key::B] {
                let mut next = *begun;
                next.create(key, begun.listed, Maker::Others);
                to(Event::Import { key }, next);
            }
        }
        return;
    };
    if scenario.may(May::DeletePair) {
        let mut next = *begun;
        next.set_pair(None);
        next.delayed = next.delayed.filter(|it| !matches!(it, Delayed::Delete { .. }));
        to(Event::DeletePair, next);
    }
    if scenario.may(May::Retag) {
        let of_second = begun.objects[1].map(|_| Tag::Of(1));
        let tags = [Some(Tag::Absent), Some(Tag::Of(0)), of_second, Some(Tag::Elsewhere)];
        for tag in tags.into_iter().flatten().filter(|tag| *tag != pair.tag) {
            let mut next = *begun;
            next.set_tag(tag, true);
            to(Event::Retag { tag }, next);
        }
    }
}

fn of_secret(scenario: &Scenario, begun: &State, to: &mut dyn FnMut(Event, State)) {
    let of_others = Secret { key: Some(Key::A), annotation: Annotation::Nobody, created: false,
        owner: None, terminating: false, unreadable: false };
    let secrets = match begun.secret {
        None => {
            vec![Some(of_others), Some(Secret { annotation: Annotation::Another, ..of_others })]
        }
        Some(there) => vec![
            None,
            Some(Secret { key: Some(Key::B), unreadable: false, ..there }),
            Some(Secret { key: None, unreadable: false, ..there }),
            Some(Secret { key: None, unreadable: true, ..there }),
            Some(Secret { terminating: true, ..there }),
            Some(Secret { annotation: Annotation::Nobody, ..there }),
        ],
    };
    for secret in secrets.into_iter().filter(|secret| *secret != begun.secret) {
        let mut next = *begun;
        next.set_secret(secret);
        to(Event::Secret(secret), next);
    }
    if scenario.type_ == Type::Default && !begun.copy_taken {
        to(Event::CopyTaken, State { copy_taken: true, ..*begun });
    }
}

/// What a process can begin.
pub(super) fn begins(scenario: &Scenario, state: &State, slot: usize,
    to: &mut dyn FnMut(Event, State)) {
    let (process, place) = at(scenario, slot);
    let memory = &state.processes[process];
    if !memory.role.leads() || state.runs[slot].is_some() {
        return;
    }
    let mut next = *state;
    let (object, mut vanished) = (state.objects[place], memory.vanished[place]);
    let uid = |object: Option<Object>| object.map(|object| object.uid);
    if vanished.is_some() && uid(object) == uid(vanished) {
        next.processes[process].vanished[place] = None;
        vanished = None;
    }
    if let Some(vanished) = vanished {
        let mut next = next;
        let run = Run { follow_up: true, ..begin(scenario, state, process, place, vanished) };
        next.runs[slot] = Some(run);
        to(Event::Begin { process, place, follow_up: true }, next);
    }
    if let Some(object) = object {
        let run = begin(scenario, state, process, place, object);
        next.runs[slot] = Some(Run { predecessor: vanished.is_some(), ..run });
        to(Event::Begin { process, place, follow_up: false }, next);
    }
}

/// A run, with what its process knows by now of calls that were not answered.
pub(super) fn informed(state: &State, slot: usize, process: usize) -> Option<Run> {
    let memory = &state.processes[process];
    let (deletion_open, download_open) = (memory.deletion_open, memory.download_open);
    state.runs[slot].map(|run| Run { deletion_open, download_open, ..run })
}

/// What is known before anything is read, as `observe` has it.
fn begin(scenario: &Scenario, state: &State, process: usize, place: usize, object: Object) -> Run {
    use super::world::{RivalSeen, Sent};
    let memory = &state.processes[process];
    let sent = match memory.sent[usize::from(object.uid)] {
        Sent::Unknown if memory.role == Role::LeadsNewly => Sent::Open { accepted: false },
        Sent::Unknown => Sent::Over { accepted: false },
        known => known,
    };
    let suspends = |rival: Object| scenario.specs[usize::from(rival.spec)].suspend;
    let rival = state.objects[1 - place].map(|rival| RivalSeen { uid: rival.uid,
        id: rival.record.id, idle: rival.record.id.is_none() && suspends(rival),
        deleting: rival.deleting });
    let named = memory.named[usize::from(object.uid)];
    let (deletion_open, download_open) = (memory.deletion_open, memory.download_open);
    let predecessors = memory.role == Role::LeadsNewly;
    Run { deletion_open, download_open, predecessors, named, ..Run::new(object, sent, rival) }
}
