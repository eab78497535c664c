"""What goes wrong when it is told to, as a client sees it; limits and latency."""

import json
import time

import raw
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from http.client import IncompleteRead
from urllib3.exceptions import ProtocolError

import keys
from checks import expect, refused
from world import World, admin, make_client

KEY = {"publicKeyBase64": keys.ed25519()}


def _fails(call: object, *errors: type, **arguments: object) -> None:
    try:
        call(**arguments)
    except errors as error:
        expect("an error of the connection or the parser", isinstance(error, errors), True)
    else:
        raise AssertionError(f"{arguments} did not fail")


def effects(world: World) -> None:
    """Each fault on an import: how the client sees it, and whether the pair is there afterwards."""
    unchecked = make_client("lightsail", world.credentials, unchecked=True)
    closed = (ConnectionClosedError, ResponseStreamingError, ProtocolError, IncompleteRead)
    error = {
        "errorType": "ServiceException",
        "code": "InternalError",
        "message": "no",
        "status": 500,
    }
    for number, (effect, errors, done, outcome) in enumerate(
        (
            ({"error": error}, ClientError, False, "InternalError"),
            ("cutBefore", closed, False, "cut"),
            ("cutAfter", closed, True, "ok"),
            (
                {"body": {"status": 503, "body": "<html><h1>503</h1></html>"}},
                (ClientError, ResponseParserError),
                False,
                "body",
            ),
        )
    ):
        name = f"pair-{number}"
        fault = world.fault("ImportKeyPair", effect, times=1)
        errors = errors if isinstance(errors, tuple) else (errors,)
        _fails(unchecked.import_key_pair, *errors, keyPairName=name, **KEY)
        expect(f"{effect}: done", name in world.names(), done)
        last = [it for it in world.requests() if it["resource"] == name][-1]
        expect(
            f"{effect}: the log",
            (last["outcome"], last["answered"]),
            (outcome, isinstance(effect, dict)),
        )
        [struck] = [it for it in admin("GET", "/faults") if it["id"] == fault["id"]]
        expect("it struck once", struck["hits"], 1)
        if not done:
            world.lightsail.import_key_pair(keyPairName=name, **KEY)
        admin("DELETE", f"/faults/{fault['id']}")


def throttled_after(world: World) -> None:
    world.fault("ImportKeyPair", "throttledAfter", times=1)
    call = world.lightsail.import_key_pair
    refused("ThrottlingException", None, call, "Rate exceeded", keyPairName="pair", **KEY)
    expect("but done", world.names(), ["pair"])


def garbage(world: World) -> None:
    """botocore takes a body that is no JSON for a message, so this one is looked at as it is."""
    world.fault("ImportKeyPair", "garbage", times=1)
    status, _, body = raw.send(
        raw.signed(world.credentials, "ImportKeyPair", {"keyPairName": "pair"} | KEY)
    )
    expect("well answered", status, 200)
    try:
        json.loads(body)
    except ValueError:
        expect("but done", world.names(), ["pair"])
    else:
        raise AssertionError(f"{body} is JSON")


def half(world: World) -> None:
    """Half an answer is exactly that: the bytes that came are the beginning of what was promised.
    botocore takes it for whole.
    """
    world.lightsail.import_key_pair(keyPairName="pair", **KEY)
    world.fault("GetKeyPair", "halfAnswer", times=1)
    request = raw.signed(world.credentials, "GetKeyPair", {"keyPairName": "pair"})
    try:
        raw.send(request)
    except IncompleteRead as error:
        whole = raw.send(request)[2]
        expect("half", error.partial, whole[: len(whole) // 2])
        expect("the rest was promised", error.expected, len(whole) - len(error.partial))
    else:
        raise AssertionError("the answer was whole")
    world.fault("DeleteKeyPair", "halfAnswer", times=1)
    make_client("lightsail", world.credentials, unchecked=True).delete_key_pair(keyPairName="pair")
    expect("done all the same", world.names(), [])
    last = [it for it in world.requests() if it["operation"] == "DeleteKeyPair"][-1]
    expect("the log", (last["outcome"], last["answered"]), ("ok", False))


def impatient(world: World) -> None:
    """A client that gives up after a second: whether its request takes effect after that is what
    tells the faults apart.
    """
    hasty = make_client("lightsail", world.credentials, unchecked=True, read_timeout=1)

    def outcome(name: str) -> str | None:
        return next((it["outcome"] for it in world.requests() if it["resource"] == name), None)

    for name, effect, wanted in (
        ("hung", "hang", "abandoned"),
        ("delayed", {"delay": 600}, "abandoned"),
        ("held", "holdBefore", "abandoned"),
        ("held-after", "holdAfter", "ok"),
        ("late", {"late": 1.5}, "ok"),
    ):
        fault = world.fault("ImportKeyPair", effect, times=1)
        _fails(hasty.import_key_pair, ReadTimeoutError, keyPairName=name, **KEY)
        # The simulator notices in its own time that nobody is there any more.
        deadline = time.monotonic() + 60
        while outcome(name) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        expect(f"{effect}: the log", outcome(name), wanted)
        admin("POST", f"/faults/{fault['id']}/release")
    expect("what took effect", world.names(), ["held-after", "late"])


def aim(world: World) -> None:
    """Which requests a fault strikes."""
    get, call = world.lightsail.get_key_pair, world.lightsail
    for name in ("aa", "bb"):
        call.import_key_pair(keyPairName=name, **KEY)
    throttled = {
        "error": {"errorType": "ThrottlingException", "message": "Rate exceeded", "status": 400}
    }

    def strikes(**more: object) -> str:
        fault = world.fault("GetKeyPair", throttled, **more)
        seen = ""
        for name in ("aa", "bb") * 10:
            try:
                get(keyPairName=name)
                seen += "."
            except ClientError:
                seen += "x"
        admin("DELETE", f"/faults/{fault['id']}")
        return seen

    expect("all", strikes(), "x" * 20)
    expect("three", strikes(times=3), "xxx" + "." * 17)
    expect("one resource", strikes(resource="bb"), ".x" * 10)
    expect("later", strikes(after=15, times=2), "." * 15 + "xx" + "...")
    half = strikes(probability=0.5, seed=7)
    expect("some", 0 < half.count("x") < 20, True)
    expect("the same again", strikes(probability=0.5, seed=7), half)
    expect("another seed", strikes(probability=0.5, seed=8) == half, False)
    other = World(world.error_type_header)
    fault = world.fault("*", throttled)
    refused("ThrottlingException", None, call.get_key_pairs, "Rate exceeded")
    refused("ThrottlingException", None, call.get_operations, "Rate exceeded")
    other.lightsail.get_key_pairs()
    admin("DELETE", f"/faults/{fault['id']}")
    admin("DELETE", f"/faults/{fault['id']}", status=404)
    admin("POST", "/faults", {"operation": "*", "effect": "explode"}, status=400)


def tokens(world: World) -> None:
    for number in range(6):
        world.admin("POST", "/key-pairs", {"name": f"pair-{number}", "publicKey": keys.ed25519()})
    world.switch(pageSize=2)
    fault = world.fault("GetKeyPairs", "repeatPageToken")
    first = world.lightsail.get_key_pairs()
    second = world.lightsail.get_key_pairs(pageToken=first["nextPageToken"])
    expect("the token again", second["nextPageToken"], first["nextPageToken"])
    admin("DELETE", f"/faults/{fault['id']}")


def limits(world: World) -> None:
    world.switch(requestsPerSecond=0.001, burst=3)
    for _ in range(3):
        world.lightsail.get_key_pairs()
    error = refused("ThrottlingException", None, world.lightsail.get_key_pairs, "Rate exceeded")
    expect("HTTP 400", error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
    refused("ThrottlingException", None, world.lightsail.get_operations)
    expect("STS has its own", world.sts.get_caller_identity()["Account"], world.account)
    make_client("lightsail", world.credentials, "eu-west-2").get_key_pairs()
    World(world.error_type_header).lightsail.get_key_pairs()
    world.switch(latency=0.3)
    start = time.monotonic()
    world.lightsail.get_key_pairs()
    expect("it takes a while", time.monotonic() - start >= 0.3, True)


def setup(world: World) -> None:
    for value, error in (
        ("AccountInProgress", "AccountSetupInProgress"),
        ("RegionInProgress", "RegionSetupInProgress"),
    ):
        for model_statuses, status in ((False, 400), (True, 428)):
            world.switch(setup=value, modelHttpStatuses=model_statuses)
            refusal = refused(f"{error}Exception", error, world.lightsail.get_key_pairs)
            seen = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
            expect("its status", seen, status)
    world.switch(modelHttpStatuses=True)
    refusal = refused(
        "NotFoundException", "DoesNotExist", world.lightsail.get_key_pair, keyPairName="nobody"
    )
    expect("its status", refusal.response["ResponseMetadata"]["HTTPStatusCode"], 404)


PARTS = (effects, throttled_after, garbage, half, impatient, aim, tokens, limits, setup)
