"""Holds every answer of Lightsail against botocore's model of the API, before botocore's own
lenient parser has seen it.

Names, JSON types, enumerations, patterns and required members of answers; declared types, members
and HTTP statuses of errors.
"""

import json
import re

from botocore.model import OperationModel, Shape

from checks import count

# Values for which the model's enumeration has no word. The AWS CLI's examples show CreateKeyPair
# and DeleteKeyPair; by analogy the others are named after their operations too.
UNLISTED = {
    "OperationType": {
        "CreateKeyPair",
        "DeleteKeyPair",
        "ImportKeyPair",
        "TagResource",
        "UntagResource",
    }
}
TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}
# Errors from the front of every AWS API ("Common Errors" in the API Reference): their bodies have a
# message alone.
COMMON = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
}
# Of the API Reference, and of the SDKs' models.
STATUSES = {
    "AccessDeniedException": {400, 403},
    "AccountSetupInProgressException": {400, 428},
    "InvalidInputException": {400},
    "NotFoundException": {400, 404},
    "OperationFailureException": {400},
    "RegionSetupInProgressException": {400, 428},
    "ServiceException": {500},
    "UnauthenticatedException": {400, 401},
}


class Violation(AssertionError):
    pass


def check_answer(operation: OperationModel, status: int, headers: dict, body: bytes) -> None:
    answer = json.loads(body)
    if status < 300:
        check_value(operation.output_shape, answer, operation.name)
    else:
        check_error(operation, status, headers, answer)
    count("answers")


def check_error(operation: OperationModel, status: int, headers: dict, answer: dict) -> None:
    answer = dict(answer)
    error_type = answer.pop("__type", None)
    header = headers.get("x-amzn-errortype")
    if header is not None and header != error_type:
        raise Violation(f"{operation.name}: the header says {header}, the body {error_type}")
    declared = {shape.name: shape for shape in operation.error_shapes}
    if set(answer) == {"message"} and error_type in COMMON:
        check_type(answer["message"], str, f"{operation.name} {error_type}")
    elif error_type in declared:
        check_value(declared[error_type], answer, f"{operation.name} {error_type}")
        if set(answer) != {"code", "docs", "message", "tip"}:
            raise Violation(f"{operation.name} {error_type}: its members are {sorted(answer)}")
    else:
        raise Violation(f"{operation.name}: {error_type} is no error of it")
    if status not in STATUSES.get(error_type, range(400, 500)):
        raise Violation(f"{operation.name} {error_type}: its HTTP status is {status}")


def check_value(shape: Shape, value: object, path: str) -> None:
    count("members")
    if shape.type_name == "structure":
        check_type(value, dict, path)
        unknown = set(value) - set(shape.members)
        if unknown:
            raise Violation(f"{path}: {sorted(unknown)} is not in the model")
        absent = set(shape.required_members) - set(value)
        if absent:
            raise Violation(f"{path}: {sorted(absent)} is required")
        for name, member in value.items():
            check_value(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        check_type(value, list, path)
        for member in value:
            check_value(shape.member, member, f"{path}[]")
    else:
        check_type(value, TYPES[shape.type_name], path)
        check_text(shape, value, path)


def check_type(value: object, wanted: object, path: str) -> None:
    # In Python a bool is an int, in JSON it is not.
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise Violation(f"{path}: {value!r} has the wrong type")


def check_text(shape: Shape, value: object, path: str) -> None:
    enumeration = getattr(shape, "enum", [])
    if enumeration and value not in enumeration and value not in UNLISTED.get(shape.name, ()):
        raise Violation(f"{path}: {value!r} is not in the enumeration {shape.name}")
    pattern = shape.metadata.get("pattern")
    # Names may have dots, against the model:
    # https://github.com/hashicorp/terraform-provider-aws/pull/8647.
    text = value.replace(".", "-") if shape.name == "ResourceName" else value
    if pattern and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text):
        raise Violation(f"{path}: {value!r} does not fit {pattern}")
