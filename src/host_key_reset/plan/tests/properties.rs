//! What holds whatever happens: a reset in a world where processes die, sleep and come in pairs,
//! answers are lost, writes conflict, and people suspend it, touch it and take its mark off. The
//! plan and the statuses are those that are shipped; the rest of the world is here.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use super::*;
use crate::api::conditions::{COMPLETE, FAILED, find};
use crate::api::{EXECUTED_ANNOTATION, HostKeyReset};
use crate::host_key_reset::{record, status};

/// A case is some forty events of a dozen kinds. The variable `PROPTEST_CASES` may ask for more.
const CASES: u32 = 20_000;
const EVENTS: usize = 60;
/// Enough for any reset to end when nothing goes wrong any more: an hour, in looks each half a
/// minute, and then some.
const QUIET_RUNS: usize = 150;
const CALL_TIMEOUT: i64 = 20;
const SETTLE_TIME: i64 = 60;
const LEASE: i64 = 15;

/// The API server, Lightsail, and the clock.
struct World {
    now: i64,
    object: HostKeyReset,
    version: u64,
    operations: Vec<(i64, Operation)>,
    /// Effects of calls that were given up by then.
    late: Vec<i64>,
    effects: usize,
    /// How long an operation is not listed yet.
    lag: i64,
    /// How `GetOperation` answers until this time.
    ends_at: i64,
    end: Option<(String, String)>,
    /// The process that took the Lease last, and when.
    leader: (u32, i64),
    /// What happened, for whoever reads a failure.
    story: Vec<String>,
}

/// What becomes of a write or a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Fine,
    LostBefore,
    LostAfter,
    Late,
    Refused,
}

struct Run {
    object: HostKeyReset,
    version: u64,
    desired: Desired,
    observed: Observed,
}

#[derive(Default)]
struct Process {
    /// How many took the Lease until it did, itself included; 0 if it has not.
    term: u32,
    run: Option<Run>,
    search: Search,
    call: Option<Call>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

impl World {
    fn new(lag: i64, ends_at: i64) -> Self {
        let object = json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
            "metadata": { "name": "r", "namespace": "n", "uid": "u", "generation": 1,
                "creationTimestamp": at(0) },
            "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why",
                "notAfter": at(3_600) },
        });
        let object = serde_json::from_value(object).unwrap();
        let (operations, late) = (Vec::new(), Vec::new());
        Self { now: 1, object, version: 1, operations, late, effects: 0, lag, ends_at, end: None,
            leader: (0, 0), story: Vec::new() }
    }

    fn desired(&self) -> Desired {
        let spec = &self.object.spec;
        let not_after = spec.not_after.as_ref().unwrap().0;
        Desired { not_after, suspend: spec.suspend, ..desired() }
    }

    fn land(&mut self) {
        let now = self.now;
        let landed: Vec<_> = self.late.extract_if(.., |due| *due <= now).collect();
        for due in landed { self.take_effect(due); }
    }

    fn take_effect(&mut self, second: i64) {
        self.effects += 1;
        let id = format!("operation-{}", self.effects);
        self.operations.push((second, operation(&id, "Started", &at(second).to_string())));
    }

    fn shown(&self, operation: &Operation) -> Operation {
        let status = if self.now >= self.ends_at { "Succeeded" } else { "Started" };
        Operation { status: Some(status.to_owned()), ..operation.clone() }
    }

    fn listed(&self) -> Vec<Operation> {
        let visible = self.operations.iter().filter(|(since, _)| since + self.lag <= self.now);
        visible.map(|(_, operation)| self.shown(operation)).collect()
    }

    /// A write under a version. `Err` ends the run.
    fn write(&mut self, run: &mut Run, fate: Fate,
        change: impl FnOnce(&mut HostKeyReset)) -> Result<(), ()> {
        if fate == Fate::LostBefore || run.version != self.version {
            return Err(());
        }
        change(&mut self.object);
        self.version += 1;
        (run.object, run.version) = (self.object.clone(), self.version);
        if fate == Fate::LostAfter { Err(()) } else { Ok(()) }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        prop_assert!(self.effects <= 1, "it was done {} times", self.effects);
        let conditions = self.object.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let end = [COMPLETE, FAILED].iter().find_map(|type_| find(conditions, type_));
        let end = end.map(|end| (end.type_.clone(), end.reason.clone()));
        if self.end.is_some() {
            prop_assert_eq!(&end, &self.end, "an end is left");
        } else if let Some((type_, reason)) = &end {
            if type_ == COMPLETE {
                prop_assert_eq!(self.effects, 1, "it says Complete");
            }
            if reason == "OutcomeUnknown" {
                prop_assert!(self.effects == 0 || self.lag >= SETTLE_TIME, "it can be known");
            }
            if ["Expired", "DeadlineExceeded"].contains(&reason.as_str()) && self.object.status
                .as_ref().unwrap().attempts == 0 {
                prop_assert_eq!(self.effects + self.late.len(), 0, "it was not called");
            }
        }
        self.end = end;
        Ok(())
    }
}

fn set_status(object: &mut HostKeyReset, status: HostKeyResetStatus) {
    object.status = Some(status);
}

fn set_mark(object: &mut HostKeyReset, mark: Option<&MarkState>) {
    let annotations = object.metadata.annotations.get_or_insert_default();
    match mark {
        Some(state) => annotations.insert(EXECUTED_ANNOTATION.to_owned(), mark_text(state)),
        None => annotations.remove(EXECUTED_ANNOTATION),
    };
}

fn mark_text(state: &MarkState) -> String {
    mark("own", state.clone()).to_string()
}

impl Process {
    /// One step of a run, or the beginning of one.
    fn go(&mut self, world: &mut World, fate: Fate) -> Result<(), TestCaseError> {
        self.lead(world);
        let Some(mut run) = self.run.take() else {
            self.begin(world);
            return Ok(());
        };
        run.observed.now = at(world.now);
        let step = plan(&run.desired, &run.observed);
        world.story.push(format!("{:>5} s, version {} of {}: {}, {fate:?}", world.now,
            run.version, world.version, word(&step)));
        if self.act(&mut run, world, fate, step)? {
            run.observed.status = run.object.status.clone().unwrap_or_else(record::unobserved);
            run.observed.end = record::end(&run.observed.status);
            let mark = run.object.metadata.annotations.as_ref().and_then(|all| all
                .get(EXECUTED_ANNOTATION));
            run.observed.mark = mark.map(|text| Mark::parse(text));
            self.run = Some(run);
        }
        world.check()
    }

    /// Takes the Lease, if it has none. An old leader acts no longer than its Lease lasts, and then
    /// ends.
    fn lead(&mut self, world: &mut World) {
        let (newest, since) = world.leader;
        if self.term < newest && world.now > since + LEASE {
            *self = Self::default();
        }
        if self.term == 0 {
            self.term = newest + 1;
            world.leader = (self.term, world.now);
        }
    }

    fn begin(&mut self, world: &World) {
        let object = world.object.clone();
        let status = object.status.clone().unwrap_or_else(record::unobserved);
        let mark = object.metadata.annotations.as_ref().and_then(|all| all
            .get(EXECUTED_ANNOTATION));
        let observed = Observed {
            now: at(world.now),
            end: record::end(&status),
            status,
            mark: mark.map(|text| Mark::parse(text)),
            account: None,
            call: self.call.clone(),
            search: self.search,
            lease_duration: SignedDuration::from_secs(LEASE),
            ..observed()
        };
        self.run = Some(Run { object, version: world.version, desired: world.desired(),
            observed });
    }

    /// Whether the run goes on.
    fn act(&mut self, run: &mut Run, world: &mut World, fate: Fate, step: Step) -> Result<bool,
        TestCaseError> {
        let fails = fate == Fate::LostBefore || fate == Fate::Refused;
        let went_well = match step {
            Step::Read(_) if fails => {
                run.observed.failure = Some(failure(ErrorKind::Transient));
                true
            }
            Step::Read(ReadStep::Namespace | ReadStep::FindSharedInstance { .. }) => {
                unreachable!("there is no account")
            }
            Step::Read(ReadStep::Identify) => {
                run.observed.account = Some("123456789012".into()); true }
            Step::Read(ReadStep::FindInstance) => {
                let at = at(world.now);
                run.observed.instance = looked(web(&[]), at);
                run.observed.lightsail_date = Some(at);
                true
            }
            Step::ReportForeignMark => { run.observed.foreign_mark_reported = true; true }
            Step::TakeTurn => { run.observed.turn = Turn::Taken; true }
            Step::Read(ReadStep::ListOperations) => {
                run.observed.operations = Some((world.listed(), at(world.now)));
                run.observed.listed_by = Some(at(world.now));
                run.observed.lightsail_date = Some(at(world.now));
                true
            }
            Step::Read(ReadStep::PollOperations { ids }) => {
                let shown = |id: &String| world.operations.iter().find(|(_,
                    it)| it.id.as_ref() == Some(id)).map(|(_, it)| world.shown(it));
                let polled = ids.iter().map(shown).collect();
                run.observed.polled = Some((polled, at(world.now)));
                true
            }
            Step::WriteIntent { last_operation_before, instance_arn, .. } => {
                prop_assert!(!run.desired.suspend || run.observed.status.attempts > 0,
                    "it begins while it is suspended");
                let status = status::intent(&run.object, &run.observed, last_operation_before,
                    &instance_arn, None);
                let done = world.write(run, fate, |object| set_status(object, status));
                run.observed.intent_written = done.is_ok();
                if done.is_ok() { self.search = Search::default(); }
                done.is_ok()
            }
            Step::WriteMark(state) => {
                run.observed.marked_at = (state == MarkState::Started).then(|| at(world.now));
                let done = world.write(run, fate, |object| set_mark(object, Some(&state)));
                run.observed.mark_accepted = done.is_ok().then_some(state);
                done.is_ok()
            }
            Step::Call => {
                let deadline = super::super::deadline::deadline(&run.desired,
                    &run.observed).unwrap();
                prop_assert!(run.observed.now <= run.desired.not_after
                    && run.observed.now <= deadline, "it comes too late");
                run.observed.call = Some(self.call(world, fate));
                (run.observed.marked_at, run.observed.operations) = (None, None);
                true
            }
            Step::NoteSearch(search) => {
                self.search = search;
                run.observed.search = search;
                true
            }
            Step::End(end) => {
                let status = status::ended(&run.object, &run.observed, &end);
                let done = world.write(run, fate, |object| set_status(object, status)).is_ok();
                if done { self.forget(); }
                done
            }
            Step::TakeBack { verdict, remove_mark } => {
                let take_off = |object: &mut HostKeyReset| set_mark(object, None);
                if !remove_mark || world.write(run, fate, take_off).is_ok() {
                    run.observed.status.attempts = 0;
                    self.wait(run, world, Fate::Fine, &verdict);
                }
                false
            }
            Step::Progress { operations, verdict } => {
                run.observed.status.operations = operations;
                self.wait(run, world, fate, &verdict);
                false
            }
            Step::Wait(verdict) => { self.wait(run, world, fate, &verdict); false }
            Step::Keep { tracked_by, .. } => {
                let status = status::kept(&run.object, &run.observed, tracked_by);
                let _ = world.write(run, fate, |object| set_status(object, status));
                self.forget();
                false
            }
            Step::AwaitLease | Step::StartOver | Step::Delete | Step::Leave => false,
            Step::Hinder(_) => unreachable!("only what could not be finished is hindered"),
        };
        Ok(went_well)
    }

    fn call(&mut self, world: &mut World, fate: Fate) -> Call {
        let call = match fate {
            Fate::Fine => {
                world.take_effect(world.now);
                let (_, operation) = world.operations.last().unwrap();
                Ok(Acknowledged { operations: vec![world.shown(operation)],
                    request_id: String::new() })
            }
            Fate::LostBefore => Err(failure(ErrorKind::Transient)),
            Fate::LostAfter => { world.take_effect(world.now); Err(failure(ErrorKind::Transient)) }
            Fate::Late => { world.late.push(world.now + CALL_TIMEOUT + 5);
                Err(failure(ErrorKind::Transient)) }
            Fate::Refused => Err(failure(ErrorKind::Throttled)),
        };
        self.call = Some(call.clone());
        call
    }

    fn wait(&mut self, run: &mut Run, world: &mut World, fate: Fate, verdict: &Verdict) {
        let status = status::waiting(&run.object, &run.observed, verdict);
        let is_open = status.attempts > 0;
        if world.write(run, fate, |object| set_status(object, status)).is_ok() && !is_open {
            self.forget();
        }
    }

    fn forget(&mut self) {
        (self.search, self.call) = (Search::default(), None);
    }
}

fn live(lag: i64, ends_at: i64, events: &[u16]) -> Result<(), TestCaseError> {
    let mut world = World::new(lag, ends_at);
    live_in(&mut world, events).map_err(|error| match error {
        TestCaseError::Fail(why) => TestCaseError::fail(format!("{why}\n{}",
            world.story.join("\n"))),
        rejected @ TestCaseError::Reject(_) => rejected,
    })
}

fn live_in(world: &mut World, events: &[u16]) -> Result<(), TestCaseError> {
    let mut processes = [Process::default(), Process::default()];
    for event in events {
        let process = &mut processes[usize::from(event % 4 == 0)];
        match event / 4 % 32 {
            0..=17 => process.go(world, Fate::Fine)?,
            18 => process.go(world, Fate::LostBefore)?,
            19 => process.go(world, Fate::LostAfter)?,
            20 => process.go(world, Fate::Late)?,
            21 => process.go(world, Fate::Refused)?,
            22 | 23 => {
                world.story.push("a process dies".to_owned());
                *process = Process::default();
            }
            24 => world.now += 1,
            25 => world.now += 15,
            26 => world.now += 45,
            27 => world.now += 400,
            28 => {
                world.object.spec.suspend = !world.object.spec.suspend;
                world.version += 1;
            }
            29 => world.version += 1,
            // Somebody takes the mark off. What is not listed in time cannot be known by anybody.
            30 if world.lag < SETTLE_TIME => {
                world.story.push("the mark is taken off".to_owned());
                set_mark(&mut world.object, None);
                world.version += 1;
            }
            _ => process.run = None,
        }
        world.land();
        world.check()?;
    }
    // Now nothing goes wrong any more.
    world.object.spec.suspend = false;
    processes[1].run = None;
    let status = world.object.status.clone().unwrap_or_default();
    let deadline = status.start_time.filter(|_| !status.operations.is_empty())
        .map(|start| later(start.0, desired().deadline));
    let is_seen = world.end.is_none() && deadline.is_some_and(|deadline| at(world.now
        .max(world.ends_at) + 60) < deadline);
    for _ in 0..QUIET_RUNS {
        if world.end.is_some() {
            break;
        }
        processes[1].go(world, Fate::Fine)?;
        while processes[1].run.is_some() {
            processes[1].go(world, Fate::Fine)?;
        }
        world.now += 30;
        world.land();
    }
    prop_assert!(world.end.is_some(), "it does not end");
    let is_complete = world.end.as_ref().is_some_and(|(type_, _)| type_ == COMPLETE);
    prop_assert!(!is_seen || is_complete, "its operation ends in time, and that is not seen");
    Ok(())
}

#[test]
fn i6_whatever_happens_it_is_done_at_most_once_and_ends() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES).max(CASES);
    let config = Config { cases, max_shrink_iters: 100_000, ..Config::default() };
    let strategy = (prop_oneof![Just(0_i64), Just(5), Just(90)], 0..700_i64,
        prop::collection::vec(any::<u16>(), EVENTS));
    if let Err(error) = TestRunner::new(config).run(&strategy, |(lag, ends_at, events)| live(lag,
        ends_at, &events)) {
        panic!("{error}");
    }
}
