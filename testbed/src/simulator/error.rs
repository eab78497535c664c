//! The errors of Lightsail and those that come from the front of every AWS API.
//!
//! Lightsail's own errors carry a second, EC2-like `code` beside their type (<https://github.com/aws/aws-sdk/issues/665>).
//! Types and statuses are those of the API Reference's "Common Errors" and error sections. Sub-codes other than `DoesNotExist`,
//! `NameExists` and `InvalidKey.Format` are unverified. This file decides nothing about when an error happens.

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    /// The exception: `__type` in the body.
    pub(super) error_type: String,
    /// Lightsail's own sub-code: `code` in the body.
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) status: u16,
}

pub(super) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    fn common(error_type: &str, status: u16, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), code: None, message: message.into(), status }
    }

    fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self { code: Some(code.to_owned()), ..Self::common("InvalidInputException", 400, message) }
    }

    /// The input breaks a rule. The sub-code is unverified.
    pub(super) fn invalid_input(message: impl Into<String>) -> Self {
        Self::invalid("InvalidInput", message)
    }

    /// Something in the region has the name; Lightsail does not say what.
    pub(super) fn name_exists(name: &str) -> Self {
        Self::invalid("NameExists", format!("Some names are already in use: {name}"))
    }

    /// The words of <https://github.com/aws/aws-cli/issues/6020>. The key is not repeated.
    pub(super) fn invalid_key() -> Self {
        Self::invalid("InvalidKey.Format", "The format of this public key is not valid")
    }

    /// The wording after the type is approximate.
    pub(super) fn does_not_exist(what: &str, name: &str) -> Self {
        Self {
            code: Some("DoesNotExist".to_owned()),
            ..Self::common("NotFoundException", 400, format!("The {what} does not exist: {name}"))
        }
    }

    /// Lightsail itself failed.
    pub(super) fn service(message: impl Into<String>) -> Self {
        Self { code: Some("InternalError".to_owned()), ..Self::common("ServiceException", 500, message) }
    }

    /// The body is not JSON, or a member has another type.
    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::common("SerializationException", 400, message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::common("UnknownOperationException", 404, "The action or operation requested is not valid.")
    }

    pub(super) fn missing_token() -> Self {
        Self::common("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    }

    pub(super) fn incomplete_signature() -> Self {
        Self::common("IncompleteSignature", 403, "The request signature does not conform to AWS standards.")
    }

    pub(super) fn wrong_service(service: &str) -> Self {
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        Self::common("InvalidSignatureException", 403, message)
    }

    pub(super) fn unrecognized_client() -> Self {
        Self::common("UnrecognizedClientException", 403, "The security token included in the request is invalid.")
    }

    /// What STS calls an unknown access key: its query protocol has other names for the common errors.
    pub(super) fn invalid_client_token() -> Self {
        Self::common("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
    }

    /// What the request log says: the sub-code if there is one, as it is the more telling one.
    pub(super) fn outcome(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.error_type)
    }
}
