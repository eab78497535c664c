//! Samples of the messages about resets.

use super::Row;
use crate::api::{Operation, Reason};
use crate::host_key_reset::message::{Last, Message, Nothing};
use crate::ids::Arn;
use crate::lightsail::{Acknowledged, Error, ErrorKind};

const ID: &str = "6d3dd59e-9a3b-4cd5-8dd9-ff02ff4ba8d2";

pub(super) fn with_samples<T>(read: impl FnOnce(&[Message<'_>]) -> T) -> T {
    let time = "2026-12-01T00:00:00Z".parse().unwrap();
    let arn =
        |id: &str| Arn::from(format!("arn:aws:lightsail:eu-west-1:123456789012:Instance/{id}"));
    let (arn, expected) = (arn("05859e3d"), arn("1d2c3b4a"));
    let error = Error {
        kind: ErrorKind::Invalid,
        code: "InvalidInputException".to_owned(),
        message: "AWS's own words".to_owned(),
        operation: Some("DeleteKnownHostKeys"),
    };
    let operation = Operation {
        error_code: Some("InternalError".to_owned()),
        error_details: Some("Lightsail's own words".to_owned()),
        ..Operation::default()
    };
    let answer = Acknowledged { operations: Vec::new(), request_id: String::new() };
    let last = Last { reason: "WaitingForTurn", message: "another reset of this instance …" };
    let (instance, nothing) = ("web-1", Nothing::WasReset);
    let tags = std::collections::BTreeMap::from([("team".to_owned(), "team-a".to_owned())]);
    let last_seen = "Lightsail has not finished the operation";
    read(&[
        Message::Succeeded { instance },
        Message::DoneBefore { id: ID },
        Message::Suspended { until: time },
        Message::WaitingForTurn,
        Message::InstanceNotTagged { instance, tags: &tags },
        Message::Begun,
        Message::UnderWay,
        Message::NotKnownYet { id: ID },
        Message::AboutAnother { id: ID },
        Message::Searching,
        Message::MakingSure,
        Message::NotYet {
            reason: Reason::AccessDenied,
            why: "AccessDeniedException: AWS's own words",
            until: time,
        },
        Message::InstanceNotFound { instance, nothing },
        Message::InstanceNotFound { instance, nothing: Nothing::WasFound },
        Message::NothingToReset { instance, error: &error },
        Message::OtherInstance { instance, arn: &arn, expected: &expected, nothing },
        Message::Expired { not_after: time, last: None, nothing },
        Message::Expired { not_after: time, last: Some(last), nothing },
        Message::Expired { not_after: time, last: None, nothing: Nothing::WasFound },
        Message::NotInTime { deadline: time, last: Some(last), nothing },
        Message::NotInTime { deadline: time, last: None, nothing: Nothing::WasFound },
        Message::Refused { error: &error },
        Message::OperationFailed { operation: &operation },
        Message::FailedBefore { id: ID },
        Message::NotSeenToEnd { last: last_seen, nameless: None },
        Message::NotSeenToEnd { last: last_seen, nameless: Some(instance) },
        Message::OperationLost { id: ID },
        Message::EndUnknown { status: Some("Started") },
        Message::EndUnknown { status: None },
        Message::Unknown { instance, call: None },
        Message::Unknown { instance, call: Some(&Ok(answer)) },
        Message::Unknown { instance, call: Some(&Err(error.clone())) },
        Message::UnknownInTime { instance, last: "Timeout: no response in time" },
        Message::DoneThoughThrottled { instance, id: Some(ID) },
        Message::DoneThoughThrottled { instance, id: None },
        Message::RecordLost,
        Message::Resumed,
        Message::MarkIgnored,
        Message::Kept {
            message: "Lightsail has forgotten …",
            tracked_by: "the annotation argocd.argoproj.io/tracking-id",
        },
        Message::Hindered {
            message: "Lightsail has forgotten …",
            why: "the Kubernetes API server refuses a request from the operator: …",
        },
    ])
}

pub(super) fn rows() -> Vec<Row> {
    with_samples(|samples| {
        let row = |message: &Message<'_>| (message.reason().to_string(), message.to_string());
        samples.iter().map(row).collect()
    })
}
