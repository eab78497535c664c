//! The errors of Lightsail and those that come from the front of every AWS API.
//!
//! Lightsail's own errors carry a second, EC2-like `code` beside their type
//! (<https://github.com/aws/aws-sdk/issues/665>). Types and statuses are those of the API
//! Reference's "Common Errors" and error sections. Sub-codes other than `DoesNotExist`,
//! `NameExists` and `InvalidKey.Format` are unverified. This file decides nothing about when an
//! error happens.

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
        Self {
            code: Some("InternalError".to_owned()),
            ..Self::common("ServiceException", 500, message)
        }
    }

    /// The body is not JSON, or a member has another type.
    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::common("SerializationException", 400, message)
    }

    /// The operation itself could not be done. The sub-code is unverified.
    pub(super) fn operation_failure(message: impl Into<String>) -> Self {
        Self {
            code: Some("OperationFailure".to_owned()),
            ..Self::common("OperationFailureException", 400, message)
        }
    }

    /// The account is new to Lightsail. The sub-code and the words are unverified.
    pub(super) fn account_setup() -> Self {
        Self {
            code: Some("AccountSetupInProgress".to_owned()),
            ..Self::common(
                "AccountSetupInProgressException",
                400,
                "Your account is being set up for Lightsail.",
            )
        }
    }

    /// An opt-in region was enabled a moment ago. The sub-code and the words are unverified.
    pub(super) fn region_setup() -> Self {
        Self {
            code: Some("RegionSetupInProgress".to_owned()),
            ..Self::common(
                "RegionSetupInProgressException",
                400,
                "The region is being set up for your account.",
            )
        }
    }

    /// IAM's refusal, in the words of the IAM User Guide.
    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::common("AccessDeniedException", 400, message)
    }

    /// HTTP 400, not 429. The words are those of other AWS APIs.
    pub(super) fn throttled() -> Self {
        Self::common("ThrottlingException", 400, "Rate exceeded")
    }

    /// An error of STS, by its code in the STS API Reference.
    pub(super) fn sts(code: &str, status: u16, message: impl Into<String>) -> Self {
        Self::common(code, status, message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::common(
            "UnknownOperationException",
            404,
            "The action or operation requested is not valid.",
        )
    }

    pub(super) fn missing_token() -> Self {
        Self::common("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    }

    pub(super) fn incomplete_signature() -> Self {
        Self::common(
            "IncompleteSignature",
            403,
            "The request signature does not conform to AWS standards.",
        )
    }

    pub(super) fn wrong_service(service: &str) -> Self {
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        Self::common("InvalidSignatureException", 403, message)
    }

    pub(super) fn no_date() -> Self {
        let message =
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        Self::common("IncompleteSignature", 403, message)
    }

    pub(super) fn wrong_region(region: &str) -> Self {
        let message = format!("Credential should be scoped to a valid region, not '{region}'.");
        Self::common("InvalidSignatureException", 403, message)
    }

    pub(super) fn wrong_scope_date(date: &str, signed: &str) -> Self {
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
                HTTP: '{date}' != \
             '{signed}'."
        );
        Self::common("InvalidSignatureException", 403, message)
    }

    /// `detail` says by how much the time is off.
    pub(super) fn wrong_time(detail: &str) -> Self {
        Self::common("InvalidSignatureException", 403, detail)
    }

    pub(super) fn wrong_signature() -> Self {
        let message = "The request signature we calculated does not match the signature you \
            provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation \
                       for details.";
        Self::common("InvalidSignatureException", 403, message)
    }

    pub(super) fn expired_token() -> Self {
        Self::common(
            "ExpiredTokenException",
            403,
            "The security token included in the request is expired",
        )
    }

    pub(super) fn unrecognized_client() -> Self {
        Self::common(
            "UnrecognizedClientException",
            403,
            "The security token included in the request is invalid.",
        )
    }

    /// The same error as STS names it: its query protocol has other names for the common errors.
    pub(super) fn in_sts_words(self) -> Self {
        let (name, status) = match self.error_type.as_str() {
            "UnrecognizedClientException" => ("InvalidClientTokenId", 403),
            "InvalidSignatureException" => ("SignatureDoesNotMatch", 403),
            "ExpiredTokenException" => ("ExpiredToken", 403),
            "MissingAuthenticationTokenException" => ("MissingAuthenticationToken", 403),
            "AccessDeniedException" => ("AccessDenied", 403),
            "ThrottlingException" => ("Throttling", 400),
            "UnknownOperationException" => ("InvalidAction", 400),
            "InvalidInputException" => ("ValidationError", 400),
            _ => return self,
        };
        Self { error_type: name.to_owned(), code: None, message: self.message, status }
    }

    /// The status that the SDKs' models give this error, if it is another than that of the API
    /// Reference.
    pub(super) fn model_status(&self) -> u16 {
        match self.error_type.as_str() {
            "UnauthenticatedException" => 401,
            "AccessDeniedException" => 403,
            "NotFoundException" => 404,
            "AccountSetupInProgressException" | "RegionSetupInProgressException" => 428,
            _ => self.status,
        }
    }

    /// What the request log says: the sub-code if there is one, as it is the more telling one.
    pub(super) fn outcome(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.error_type)
    }
}
