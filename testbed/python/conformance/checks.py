"""What all parts share: counting checks, expecting values and refusals.

A check that fails raises at once; what is counted is what has held.
"""

import threading

from botocore.exceptions import ClientError

counts = {"statements": 0, "answers": 0, "members": 0}
_lock = threading.Lock()


def count(kind: str) -> None:
    with _lock:
        counts[kind] += 1


def expect(statement: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise AssertionError(f"{statement}: seen is {seen!r}, wanted is {wanted!r}")
    count("statements")


def expect_in(statement: str, part: str, whole: str) -> None:
    if part not in whole:
        raise AssertionError(f"{statement}: {part!r} is not in {whole!r}")
    count("statements")


def refused(
    error_type: str, code: str | None, call: object, message: str = "", **arguments: object
) -> ClientError:
    """The call must fail with this type, this sub-code, and these words in its message."""
    try:
        call(**arguments)
    except ClientError as error:
        expect(f"the type of the error ({error})", error.response["Error"]["Code"], error_type)
        expect(f"the sub-code of the error ({error})", error.response.get("code"), code)
        expect_in("the message", message, error.response["Error"].get("Message", ""))
        return error
    raise AssertionError(f"{call} did not fail with {error_type}")


def invalid(call: object, message: str = "", **arguments: object) -> ClientError:
    return refused("InvalidInputException", "InvalidInput", call, message, **arguments)


def missing(call: object, message: str = "", **arguments: object) -> ClientError:
    return refused("NotFoundException", "DoesNotExist", call, message, **arguments)
