//! Between the model and the plan: the `Desired` and `Observed` that a run of the model stands for,
//! and what the step of the plan does to the status.

use super::super::*;
use super::world::{self, By, Ended, Marked, Progress, Run, Searching, Second, Status};
use crate::api::conditions::{COMPLETE, FAILED};
use crate::api::{HostKeyReset, Reason};
use crate::engine::tests::search::{ByHash, hash_of};
use crate::host_key_reset::{record, status};

/// A step of the plan, as far as the model tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Identify,
    FindInstance,
    ListOperations,
    PollOperations,
    TakeTurn,
    WriteIntent,
    WriteMark(Marked),
    Call,
    TakeBack,
    NoteSearch(Searching),
    End,
    /// Publishes that it is under way, or what it waits for.
    Publish,
    Keep,
}

/// What the plan says to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) act: Act,
    /// The status after the step, if that writes it.
    pub(super) status: Status,
}

/// What the plan said before.
pub(super) struct Plans {
    object: HostKeyReset,
    decisions: ByHash<Decision>,
}

fn at(second: Second) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::from(second)).unwrap()
}

fn second(time: Timestamp) -> Second {
    Second::try_from(time.as_second() - 1_800_000_000).unwrap()
}

fn id(operation: u8) -> String {
    format!("operation-{operation}")
}

fn number(id: &str) -> Option<u8> {
    id.strip_prefix("operation-")?.parse().ok()
}

fn progress_of(operation: &Operation) -> Progress {
    match operation.status.as_deref() {
        Some("Succeeded") => Progress::Succeeded,
        Some("Failed") => Progress::Failed,
        _ => Progress::Started,
    }
}

fn shown(number: u8, progress: Progress, created: Second) -> Operation {
    operation(&id(number), &format!("{progress:?}"), &at(created).to_string())
}

fn state_of(mark: Marked) -> MarkState {
    match mark {
        Marked::Started => MarkState::Started,
        Marked::Ended { succeeded, operation } => {
            let id = operation.map(id).unwrap_or_default();
            if succeeded { MarkState::Succeeded(id) } else { MarkState::Failed(id) }
        }
    }
}

fn marked(state: &MarkState) -> Marked {
    match state {
        MarkState::Started => Marked::Started,
        MarkState::Succeeded(id) => Marked::Ended { succeeded: true, operation: number(id) },
        MarkState::Failed(id) => Marked::Ended { succeeded: false, operation: number(id) },
    }
}

fn status_of(status: &Status) -> HostKeyResetStatus {
    let conditions = Conditions::new(&[], 1, at(0));
    let conditions = match status.end {
        None => conditions,
        Some(end) => {
            let type_ = if end.succeeded { COMPLETE } else { FAILED };
            conditions.with(type_, "True", end.reason, "").with(READY, "True", end.reason, "")
        }
    };
    let of_end = status.end.and_then(|end| end.operation).map(|it| (it, Progress::Succeeded));
    HostKeyResetStatus {
        observed_generation: if status.observed { 1 } else { -1 },
        attempts: i32::from(status.attempts),
        start_time: status.start.map(|start| Time(at(start))),
        account_id: status.account.then(|| "123456789012".to_owned()),
        last_operation_before: status.before.map(id),
        lightsail_date: status.date.map(|date| at(date).to_string()),
        operations: status.operation.or(of_end).into_iter()
            .map(|(number, progress)| shown(number, progress, 0)).collect(),
        conditions: conditions.into_list(),
        ..HostKeyResetStatus::default()
    }
}

fn compact(status: &HostKeyResetStatus) -> Status {
    use crate::api::conditions::{find, is_true};
    let succeeded = is_true(&status.conditions, COMPLETE);
    let has_ended = succeeded || is_true(&status.conditions, FAILED);
    let operation = status.operations.first();
    let number = operation.and_then(|operation| number(operation.id.as_deref()?));
    let reason = find(&status.conditions, READY).and_then(|ready| Reason::parse(&ready.reason));
    let end = reason.filter(|_| has_ended)
        .map(|reason| Ended { succeeded, reason, operation: number });
    Status {
        observed: status.observed_generation >= 0,
        attempts: status.attempts > 0,
        start: status.start_time.as_ref().map(|start| second(start.0)),
        account: status.account_id.is_some(),
        before: status.last_operation_before.as_deref().and_then(self::number),
        date: status.lightsail_date.as_ref().map(|date| second(date.parse().unwrap())),
        operation: number.zip(operation.map(progress_of)).filter(|_| end.is_none()),
        end,
    }
}

impl Plans {
    pub(super) fn new() -> Self {
        let object = serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
            "metadata": { "name": "r", "namespace": "n", "generation": 1,
                "creationTimestamp": at(0) },
            "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why" },
        });
        let object = serde_json::from_value(object).unwrap();
        Self { object, decisions: ByHash::default() }
    }

    fn desired(run: &Run) -> Desired {
        let seconds = |seconds: Second| SignedDuration::from_secs(i64::from(seconds));
        Desired { not_after: at(world::NOT_AFTER), deadline: seconds(world::DEADLINE),
            suspend: run.object.suspend, ..desired() }
    }

    fn observed(run: &Run, now: Second) -> Observed {
        let seconds = |seconds: Second| SignedDuration::from_secs(i64::from(seconds));
        let status = status_of(&run.object.status);
        let operations = |shown_: &world::Shown| (0..).zip(shown_).filter_map(|(number, it)| {
            it.map(|it| shown(number, it.progress, it.created))
        }).collect::<Vec<_>>();
        let polled = run.polled.map(|(polled, read)| {
            let number = run.object.status.operation.map_or(0, |(number, _)| number);
            (vec![polled.map(|progress| shown(number, progress, 0))], at(read))
        });
        Observed {
            now: at(now),
            end: record::end(&status),
            status,
            mark: run.object.mark.map(|it| mark("own", state_of(it))),
            intent_written: run.intent_written,
            marked_at: run.marked.map(at),
            account: run.identified.then(|| "123456789012".into()),
            instance: run.instance.map(|read| InstanceRead { instance: web(&[]),
                at: at(read), shared: false }),
            turn: if run.has_turn { Turn::Taken } else { Turn::NotAsked },
            operations: run.listed.map(|it| (operations(&it.shown), at(it.at))),
            listed_by: run.listed.map(|it| at(it.at)),
            lightsail_date: run.listed.map(|it| it.at).max(run.instance).map(at),
            operations_of_others: run.listed.iter().flat_map(|it| {
                    (0..).zip(it.shown.iter().zip(&it.unlisted))
                })
                .filter_map(|(number, (shown, unlisted))| Some((number, shown.or(*unlisted)?)))
                .filter(|(_, it)| it.by == By::AnotherReset)
                .map(|(number, it)| KnownOperation { id: id(number),
                    created: Some(at(it.created)) })
                .collect(),
            call: run.memory.call.map(|call| match call {
                world::Call::Accepted(it) => Ok(Acknowledged {
                    operations: it.into_iter().map(|(number, it)| shown(number, it, 0)).collect(),
                    request_id: "request".to_owned() }),
                world::Call::Nameless => Ok(Acknowledged {
                    operations: vec![nameless("Started")], request_id: "request".to_owned() }),
                world::Call::NoAnswer => Err(failure(ErrorKind::Transient)),
                world::Call::Throttled => Err(failure(ErrorKind::Throttled)),
                world::Call::Invalid => Err(failure(ErrorKind::Invalid)),
            }),
            polled,
            failure: run.failed.then(|| failure(ErrorKind::Transient)),
            search: Search { intent: run.memory.search.intent.map(at),
                since: run.memory.search.since.map(at),
                first_list: run.memory.search.first_list.map(at) },
            lease_duration: seconds(world::LEASE),
            call_timeout: seconds(world::CALL_TIMEOUT),
            settle_time: seconds(world::SETTLE_TIME),
            ..observed()
        }
    }

    /// What the plan that ships says to this run. It is asked once for each that differs in what it
    /// sees.
    pub(super) fn decide(&mut self, run: &Run, now: Second) -> Decision {
        let run = &Run { outdated: false, ..*run };
        let hash = hash_of(&(run, now));
        if let Some(decision) = self.decisions.get(&hash) {
            return *decision;
        }
        let (desired, mut observed) = (Self::desired(run), Self::observed(run, now));
        let object = HostKeyReset { status: Some(observed.status.clone()), ..self.object.clone() };
        let (act, status) = match plan(&desired, &observed) {
            Step::ReadNamespace | Step::Read(ReadStep::FindSharedInstance { .. }) => {
                unreachable!("there is no account")
            }
            Step::Read(ReadStep::Identify) => (Act::Identify, None),
            Step::Read(ReadStep::FindInstance) => (Act::FindInstance, None),
            Step::Read(ReadStep::ListOperations) => (Act::ListOperations, None),
            Step::Read(ReadStep::PollOperations { .. }) => (Act::PollOperations, None),
            Step::TakeTurn => (Act::TakeTurn, None),
            Step::WriteIntent { last_operation_before, instance_arn, .. } => {
                let status = status::intent(&object, &observed, last_operation_before,
                    &instance_arn, None);
                (Act::WriteIntent, Some(status))
            }
            Step::WriteMark(state) => (Act::WriteMark(marked(&state)), None),
            Step::Call => (Act::Call, None),
            Step::TakeBack { verdict, was_throttled, .. } => {
                record::take_back(&mut observed.status, was_throttled);
                (Act::TakeBack, Some(status::waiting(&object, &observed, &verdict)))
            }
            Step::NoteSearch(search) => {
                let search = Searching { intent: search.intent.map(second),
                    since: search.since.map(second),
                    first_list: search.first_list.map(second) };
                (Act::NoteSearch(search), None)
            }
            Step::End(end) => (Act::End, Some(status::ended(&object, &observed, &end))),
            Step::Progress { operations, verdict } => {
                observed.status.operations = operations;
                (Act::Publish, Some(status::waiting(&object, &observed, &verdict)))
            }
            Step::Wait(verdict) => {
                (Act::Publish, Some(status::waiting(&object, &observed, &verdict)))
            }
            Step::Keep { .. } => (Act::Keep, None),
            Step::ReportForeignMark
            | Step::Hinder(_)
            | Step::AwaitLease
            | Step::StartOver
            | Step::Delete
            | Step::Leave => unreachable!(
                "no foreign mark, time to live, deletion, account or hindrance; the Lease is young"
            ),
        };
        let status = status.map_or(run.object.status, |status| compact(&status));
        let decision = Decision { act, status };
        self.decisions.insert(hash, decision);
        decision
    }

    /// The last question to the plan as a row of its table, with what it answered.
    pub(super) fn row(run: &Run, now: Second) -> String {
        let (desired, observed) = (Self::desired(run), Self::observed(run, now));
        let answer = word(&plan(&desired, &observed));
        format!("(\"…\", |d, o| {{\n    *d = {desired:#?};\n    *o = {observed:#?};\n}}, \
                 \"{answer}\"),")
    }
}
