//! The XML of STS's query protocol, from the same JSON values that other operations answer.

use serde_json::Value;

use super::error::ApiError;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The answer of an operation.
pub(super) fn answer(operation: &str, result: &Value, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>",
        element(result)
    )
}

/// An error.
pub(super) fn error(error: &ApiError, request_id: &str) -> String {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (escape(&error.error_type), escape(&error.message));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

/// What is inside an element: its children, or its text. There are no lists in these answers.
fn element(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let child =
                |(name, value): (&String, &Value)| format!("<{name}>{}</{name}>", element(value));
            members.iter().map(child).collect::<Vec<_>>().concat()
        }
        Value::String(text) => escape(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            escape(&value.to_string())
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
