//! What admin requests are answered, and how their bodies are read.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::error::ApiError;

/// What an admin request comes to.
pub(super) struct Reply(pub(super) Result<Value, Refusal>);

/// Why it is refused.
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: reason.into() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, reason: format!("there is no {what}") }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::bad(error.message)
    }
}

/// The answer of requests that have nothing to say.
pub(super) fn done() -> Value {
    json!({})
}

/// The body of a request.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body is not as it should be: {error}")))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let (status, body) = match self.0 {
            Ok(body) => (StatusCode::OK, body),
            Err(Refusal { status, reason }) => (status, json!({"error": reason})),
        };
        let mut response = Response::new(Body::from(format!("{body}\n")));
        *response.status_mut() = status;
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        response
    }
}
