//! The plan of a reset as a table: a row changes one thing in a world and says which step comes
//! next. The names are sentences.

#![expect(clippy::unnecessary_wraps, reason = "helpers have the shape of the fields of Observed")]

mod accounts;
mod aftermath;
mod call;
mod deadline;
mod finished;
mod follow;
mod lists;
mod model;
mod search;
mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::*;
use crate::access::Grant;
use crate::api::conditions::{Conditions, READY};
use crate::api::{HostKeyResetStatus, Operation, Reason};
use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::host_key_reset::mark::{Mark, MarkState};
use crate::host_key_reset::record;
use crate::host_key_reset::world::{InstanceRead, KnownOperation, Search, Turn, later};
use crate::lightsail::{Acknowledged, Error, Instance};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const NOW: &str = "2026-11-24T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn desired() -> Desired {
    Desired {
        instance: "web-1".to_owned(),
        instance_arn: None,
        not_after: time("2026-11-24T18:00:00Z"),
        deadline: SignedDuration::from_mins(10),
        suspend: false,
        ttl: None,
        tracked_by: None,
        deleting: false,
        hash: "own".to_owned(),
        pinned_account: None,
        namespace: "team-a".to_owned(),
        region: "eu-west-1".into(),
        instance_tags: BTreeMap::new(),
    }
}

/// A reset that was just applied; the account is known.
fn observed() -> Observed {
    Observed {
        now: time(NOW),
        grant: Grant::Operator,
        account_changed: false,
        namespace_labels: None,
        status: HostKeyResetStatus { observed_generation: -1, ..HostKeyResetStatus::default() },
        started: None,
        end: None,
        mark: None,
        foreign_mark_reported: true,
        intent_written: false,
        marked_at: None,
        mark_unwritten: None,
        mark_accepted: None,
        asked: false,
        account: Some("123456789012".into()),
        instance: None,
        lease_outlives_call: true,
        turn: Turn::NotAsked,
        operations: None,
        listed_by: None,
        lightsail_date: None,
        operations_of_others: Vec::new(),
        call: None,
        polled: None,
        failure: None,
        search: Search::default(),
        lease_duration: SignedDuration::ZERO,
        call_timeout: SignedDuration::from_secs(20),
        settle_time: SignedDuration::from_secs(60),
        search_interval: Duration::from_secs(15),
    }
}

/// The intent is written, and the mark.
fn begun(observed: &mut Observed) {
    observed.status.attempts = 1;
    observed.status.start_time = Some(Time(time(NOW)));
    observed.status.account_id = Some("123456789012".to_owned());
    observed.mark = Some(mark("own", MarkState::Started));
}

fn mark(hash: &str, state: MarkState) -> Mark {
    Mark { hash: hash.to_owned(), state }
}

fn known(id: &str, created: Option<&str>) -> KnownOperation {
    KnownOperation { id: id.to_owned(), created: created.map(time) }
}

fn operation(id: &str, status: &str, created_at: &str) -> Operation {
    Operation {
        id: Some(id.to_owned()),
        type_: Some("DeleteKnownHostKeys".to_owned()),
        status: Some(status.to_owned()),
        created_at: Some(created_at.to_owned()),
        ..Operation::default()
    }
}

/// It has no id, so it cannot be looked up.
fn nameless(status: &str) -> Operation {
    Operation { id: None, ..operation("", status, NOW) }
}

fn failure(kind: ErrorKind) -> Error {
    Error::of_kind(kind)
}

fn error(kind: ErrorKind) -> Option<Call> {
    Some(Err(failure(kind)))
}

fn answer(operations: Vec<Operation>) -> Option<Call> {
    Some(Ok(Acknowledged { operations, request_id: "request".to_owned() }))
}

/// The instance, with these tags.
fn web(tags: &[(&str, &str)]) -> Option<Instance> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Some(Instance { arn: "arn".into(), tags: tags.iter().map(own).collect() })
}

/// This was read of the instance then.
fn looked(instance: Option<Instance>, at: Timestamp) -> Option<InstanceRead> {
    Some(InstanceRead { instance, at, shared: false })
}

/// The instance is there, and it is this object's turn.
fn found(observed: &mut Observed) {
    observed.instance = looked(web(&[]), observed.now);
    observed.turn = Turn::Taken;
}

/// All was looked at, the intent is written, and the mark is next.
fn intended(observed: &mut Observed) {
    begun(observed);
    observed.mark = None;
    found(observed);
    observed.operations = Some((Vec::new(), observed.now));
    observed.intent_written = true;
}

/// An intent of an earlier reconciliation has no mark.
fn interrupted(observed: &mut Observed) {
    begun(observed);
    observed.mark = None;
}

/// And the search for a call under it has found none.
fn made_sure(observed: &mut Observed) {
    interrupted(observed);
    observed.search.since = Some(time("2026-11-24T11:58:00Z"));
    observed.search.first_list = Some(time("2026-11-24T11:59:00Z"));
    observed.operations = Some((Vec::new(), observed.now));
}

fn searching(observed: &mut Observed) {
    begun(observed);
    observed.search.since = Some(time(NOW));
    observed.operations = Some((Vec::new(), observed.now));
}

fn word(step: &Step) -> String {
    match step {
        Step::End(end) => format!("{} {}", if end.succeeded { "Complete" } else { "Failed" },
            end.reason),
        Step::Wait(verdict) => format!("Wait {}", verdict.reason),
        Step::WriteMark(state) => format!("Mark {state}"),
        Step::NoteSearch(Search { first_list: None, .. }) => "Begin search".to_owned(),
        Step::NoteSearch(_) => "First list".to_owned(),
        Step::Keep { tracked_by: Some(_), .. } => "Keep in spite of its time".to_owned(),
        Step::Keep { next: Next::After(_), .. } => "Keep for a while".to_owned(),
        Step::Progress { verdict, .. } => format!("Progress {}", verdict.reason),
        Step::Read(read) => first_word(&format!("{read:?}")),
        other @ (Step::ReadNamespace
        | Step::TakeTurn
        | Step::AwaitLease
        | Step::StartOver
        | Step::ReportForeignMark
        | Step::WriteIntent { .. }
        | Step::Call
        | Step::TakeBack { .. }
        | Step::Hinder(_)
        | Step::Keep { .. }
        | Step::Delete
        | Step::Leave) => first_word(&format!("{other:?}")),
    }
}

fn first_word(text: &str) -> String {
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

type Row = (&'static str, fn(&mut Desired, &mut Observed), &'static str);

fn check(rows: &[Row]) {
    for (name, change, expected) in rows {
        let (mut desired, mut observed) = (desired(), observed());
        change(&mut desired, &mut observed);
        let step = plan(&desired, &observed);
        assert_eq!(word(&step), *expected, "{name}: {step:?}");
    }
}
