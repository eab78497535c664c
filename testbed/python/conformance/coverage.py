"""That nothing was left out: every operation, every error and every switch was met by some part."""

from checks import expect
from world import World, admin

OPERATIONS = {
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "CreateKeyPair",
    "DeleteKeyPair",
    "DeleteKnownHostKeys",
    "DownloadDefaultKeyPair",
    "GetCallerIdentity",
    "GetInstance",
    "GetInstanceAccessDetails",
    "GetInstances",
    "GetKeyPair",
    "GetKeyPairs",
    "GetOperation",
    "GetOperations",
    "GetOperationsForResource",
    "GetRegions",
    "ImportKeyPair",
    "TagResource",
    "UntagResource",
}
# As the request log names them: the sub-code of Lightsail's own errors, and otherwise the type.
ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "AccountSetupInProgress",
    "DoesNotExist",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalError",
    "InvalidAction",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidInput",
    "InvalidKey.Format",
    "InvalidParameterValue",
    "InvalidSignatureException",
    "MalformedPolicyDocument",
    "MissingAuthenticationTokenException",
    "NameExists",
    "OperationFailure",
    "PackedPolicyTooLarge",
    "RegionSetupInProgress",
    "SerializationException",
    "SignatureDoesNotMatch",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationError",
}


def everything(_: World) -> None:
    counts = admin("GET", "/counts")
    expect(
        "operations that never succeeded",
        {name for name in OPERATIONS if "ok" not in counts.get(name, {})},
        set(),
    )
    outcomes = {outcome for of_operation in counts.values() for outcome in of_operation}
    expect("errors that never came", ERRORS - outcomes, set())
    defaults = admin("GET", "/switches")
    met = {name for name, value in World.switched if defaults[name] != value}
    expect("switches that never left their default", set(defaults) - met, set())
