//! The two protocols on the listener: awsJson 1.1 for Lightsail, and the query protocol with XML answers for STS.
//!
//! It turns HTTP into an operation's name and input, and an outcome into HTTP. It knows no operation.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::Input;
use super::operations::{Perform, lightsail_operation, sts_operation};

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
    pub(super) authorization: Option<String>,
}

impl Ask {
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let authorization = header(headers, "authorization").map(str::to_owned);
        let (protocol, operation, perform, input) = if let Some(target) = header(headers, "x-amz-target") {
            let name = target.strip_prefix(TARGET_PREFIX);
            let operation = name.unwrap_or(target).to_owned();
            (Protocol::Json, operation, name.and_then(lightsail_operation), Input::parse(body))
        } else {
            let action = form_value(body, "Action").unwrap_or_default();
            (Protocol::Query, action.to_owned(), sts_operation(action), Ok(Input::default()))
        };
        let perform = perform.ok_or_else(ApiError::unknown_operation);
        Self { protocol, operation, perform, input, authorization }
    }

    /// The name of the resource in the input.
    pub(super) fn resource(&self) -> Option<&str> {
        self.input.as_ref().ok().and_then(Input::resource)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A field of a form. The only one that is read is the action's name, which needs no decoding.
fn form_value<'a>(body: &'a [u8], field: &str) -> Option<&'a str> {
    let pairs = std::str::from_utf8(body).ok()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == field).map(|(_, value)| value)
}

/// The answer to a request.
pub(super) fn answer(
    protocol: Protocol,
    outcome: &Result<Value>,
    request_id: &str,
    error_type_header: bool,
) -> Response {
    let status = outcome.as_ref().map_or_else(|error| error.status, |_| 200);
    let (body, content_type) = match protocol {
        Protocol::Json => (json_body(outcome), "application/x-amz-json-1.1"),
        Protocol::Query => (xml_body(outcome, request_id), "text/xml"),
    };
    let mut response = plain(status, body);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let (Protocol::Json, Err(error), true) = (protocol, outcome, error_type_header)
        && let Ok(error_type) = HeaderValue::from_str(&error.error_type)
    {
        headers.insert("x-amzn-errortype", error_type);
    }
    response
}

/// A response with nothing but a status and a body.
pub(super) fn plain(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn json_body(outcome: &Result<Value>) -> String {
    match outcome {
        Ok(answer) => answer.to_string(),
        Err(error) => error_json(error).to_string(),
    }
}

/// Lightsail's own errors have the members of its model; those from the front of the API only have a message.
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

fn xml_body(outcome: &Result<Value>, request_id: &str) -> String {
    const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
    match outcome {
        Ok(answer) => {
            let member = |name: &str| format!("<{name}>{}</{name}>", escape(answer[name].as_str().unwrap_or_default()));
            let members = [member("Arn"), member("UserId"), member("Account")].concat();
            format!(
                "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>{members}\
                 </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
                 </GetCallerIdentityResponse>"
            )
        }
        Err(error) => {
            let side = if error.status < 500 { "Sender" } else { "Receiver" };
            let (code, message) = (escape(&error.error_type), escape(&error.message));
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{code}</Code>\
                 <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
