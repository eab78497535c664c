//! The two protocols on the listener: awsJson 1.1 for Lightsail, and the query protocol with XML
//! answers for STS.
//!
//! It turns HTTP into an operation's name and input, and an outcome into HTTP. It knows no
//! operation.

use std::io;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::clock::http_date;
use super::error::{ApiError, Result};
use super::input::Input;
use super::operations::{Perform, lightsail_operation, sts_operation};
use super::signature::Received;
use super::switches::Switches;
use super::xml;

const TARGET_PREFIX: &str = "Lightsail_20161128.";

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Lightsail: awsJson 1.1.
    Json,
    /// STS: forms in, XML out.
    Query,
}

impl Protocol {
    /// The service's name in the credential scope.
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Json => "lightsail",
            Self::Query => "sts",
        }
    }
}

/// What is asked, before anybody looked at who asks.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) protocol: Protocol,
    /// As it was asked, without the version; empty if the request names none.
    pub(super) operation: String,
    /// What does it, or the error if there is no such operation.
    pub(super) perform: Result<Perform>,
    pub(super) input: Result<Input>,
}

impl Ask {
    pub(super) fn read(request: &Received) -> Self {
        let (protocol, operation, perform, input) =
            if let Some(target) = request.header("x-amz-target") {
                let name = target.strip_prefix(TARGET_PREFIX);
                let operation = name.unwrap_or(target).to_owned();
                (
                    Protocol::Json,
                    operation,
                    name.and_then(lightsail_operation),
                    Input::parse(&request.body),
                )
            } else {
                let form = Input::parse_form(&request.body);
                let action = form.text("Action").ok().flatten().unwrap_or_default().to_owned();
                let perform = sts_operation(&action);
                (Protocol::Query, action, perform, Ok(form))
            };
        Self {
            protocol,
            operation,
            perform: perform.ok_or_else(ApiError::unknown_operation),
            input,
        }
    }

    /// The name of the resource in the input.
    pub(super) fn resource(&self) -> Option<&str> {
        self.input.as_ref().ok().and_then(Input::resource)
    }
}

/// An answer, until it is on its way.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    is_half: bool,
}

impl Answer {
    /// The answer of an operation with this outcome.
    pub(super) fn of(
        protocol: Protocol,
        operation: &str,
        outcome: &Result<Value>,
        request_id: &str,
        switches: &Switches,
    ) -> Self {
        let (content_type, body) = match (protocol, outcome) {
            (Protocol::Json, Ok(answer)) => ("application/x-amz-json-1.1", answer.to_string()),
            (Protocol::Json, Err(error)) => {
                ("application/x-amz-json-1.1", error_json(error).to_string())
            }
            (Protocol::Query, Ok(answer)) => {
                ("text/xml", xml::answer(operation, answer, request_id))
            }
            (Protocol::Query, Err(error)) => ("text/xml", xml::error(error, request_id)),
        };
        let mut headers = vec![
            ("content-type", content_type.to_owned()),
            ("x-amzn-requestid", request_id.to_owned()),
        ];
        let mut status = 200;
        if let Err(error) = outcome {
            status = error.status;
            if protocol == Protocol::Json && switches.model_http_statuses {
                status = error.model_status();
            }
            if protocol == Protocol::Json && switches.error_type_header {
                headers.push(("x-amzn-errortype", error.error_type.clone()));
            }
        }
        Self { status, headers, body, is_half: false }
    }

    /// Nothing but a status and a body.
    pub(super) fn plain(status: u16, body: String) -> Self {
        Self { status, headers: Vec::new(), body, is_half: false }
    }

    /// The same, but the connection breaks in the middle of the body.
    pub(super) fn half(self) -> Self {
        Self { is_half: true, ..self }
    }

    /// The same, but the body is no JSON and no XML.
    pub(super) fn garbled(self) -> Self {
        Self { body: "\u{1}\u{2}{]<\u{3}".to_owned(), ..self }
    }

    pub(super) fn into_response(self, now: SystemTime) -> Response {
        let length = self.body.len();
        let body = if self.is_half { broken(self.body.as_bytes()) } else { Body::from(self.body) };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = self.headers;
        headers.push(("date", http_date(now)));
        if self.is_half {
            headers.push(("content-length", length.to_string()));
        }
        for (name, value) in headers {
            // A fault's error type may be no header value; such an answer goes out without it.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The first half of these bytes, and then an error that closes the connection.
fn broken(whole: &[u8]) -> Body {
    let half = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            Some(_) => {
                // Lets the first half go out before the end comes.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
            None => None,
        }
    }))
}

/// Lightsail's own errors have the members of its model; those from the front of the API only have
/// a message.
fn error_json(error: &ApiError) -> Value {
    let (error_type, message) = (&error.error_type, &error.message);
    error.code.as_ref().map_or_else(
        || json!({"__type": error_type, "message": message}),
        |code| {
            json!({
                "__type": error_type,
                "code": code,
                "docs": "https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/",
                "message": message,
                "tip": "",
            })
        },
    )
}
