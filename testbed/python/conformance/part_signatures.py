"""Who signed a request, and what every kind of wrong signature is answered with; malformed
requests.
"""

import json

from botocore import xform_name

import keys
import raw
from checks import expect, expect_in, refused
from world import REGION, World, admin, make_client


def wrong_signatures(world: World) -> None:
    own = world.credentials
    other = admin("POST", f"/accounts/{world.account}/credentials")
    unknown = "UnrecognizedClientException"
    mismatch, words = "InvalidSignatureException", "does not match the signature you provided"
    for error, message, credentials in (
        (
            unknown,
            "security token included in the request is invalid",
            own | {"accessKeyId": "AKIAUNKNOWN"},
        ),
        (mismatch, words, own | {"secretAccessKey": "wrong"}),
        (mismatch, words, own | {"secretAccessKey": other["secretAccessKey"]}),
        (unknown, "", own | {"sessionToken": "none-of-ours"}),
    ):
        client = make_client("lightsail", credentials)
        refused(error, None, client.get_key_pairs, message)
        if not world.error_type_header:
            of_sts = {unknown: "InvalidClientTokenId", mismatch: "SignatureDoesNotMatch"}[error]
            refused(of_sts, None, make_client("sts", credentials).get_caller_identity)
    make_client("lightsail", other).get_key_pairs()
    for region in ("us-west-1", "eu-nowhere-1"):
        client = make_client("lightsail", own, region)
        refused(mismatch, None, client.get_key_pairs, f"valid region, not '{region}'")
    make_client("lightsail", own, "ap-southeast-5").get_key_pairs()
    world.switch("eu-nowhere-1", knownRegionsOnly=False)
    make_client("lightsail", own, "eu-nowhere-1").get_key_pairs()


def times(world: World) -> None:
    for seconds, words in ((-301, "Signature expired: "), (302, "Signature not yet current: ")):
        with raw.clock(seconds):
            refused("InvalidSignatureException", None, world.lightsail.get_key_pairs, words)
    for seconds in (-290, 290):
        with raw.clock(seconds):
            expect("within five minutes", world.names(), [])


def requests(world: World) -> None:
    """What is signed, and how it has to look."""
    own = world.credentials

    def answer(request: object) -> tuple:
        status, headers, body = raw.send(request)
        parsed = json.loads(body)
        if status != 200:
            header = headers.get("x-amzn-errortype")
            expect("the header says the same", header in (None, parsed["__type"]), True)
        return status, parsed.get("__type"), parsed.get("message", "")

    expect("a good one", answer(raw.signed(own, "GetKeyPairs", {}))[0], 200)
    request = raw.signed(own, "GetKeyPairs", {})
    request.data = '{"includeDefaultKeyPair": true}'
    expect("a changed body", answer(request)[:2], (403, "InvalidSignatureException"))
    request = raw.signed(own, "GetKeyPairs", {})
    request.headers.replace_header("X-Amz-Target", "Lightsail_20161128.DeleteKeyPair")
    expect("a changed target", answer(request)[:2], (403, "InvalidSignatureException"))
    request = raw.signed(own, "GetKeyPairs", {})
    del request.headers["Authorization"]
    expect("unsigned", answer(request)[:2], (403, "MissingAuthenticationTokenException"))
    request = raw.signed(own, "GetKeyPairs", {})
    request.headers.replace_header("Authorization", "AWS4-HMAC-SHA256 Credential=nothing")
    expect("incomplete", answer(request)[:2], (403, "IncompleteSignature"))
    request = raw.signed(own, "GetKeyPairs", {})
    del request.headers["X-Amz-Date"]
    expect("no date", answer(request)[:2], (403, "IncompleteSignature"))
    request = raw.signed(own, "GetKeyPairs", {})
    authorization = request.headers["Authorization"]
    date = authorization.split("/")[1]
    request.headers.replace_header(
        "Authorization", authorization.replace(f"/{date}/", "/20200101/")
    )
    expect("another day", answer(request)[:2], (403, "InvalidSignatureException"))
    status, error, message = answer(raw.signed(own, "GetKeyPairs", {}, service="ec2"))
    expect("another service", (status, error), (403, "InvalidSignatureException"))
    expect_in("another service", "correct service: 'lightsail'", message)
    host = f"lightsail.{REGION}.localhost"
    expect("the region's host", answer(raw.signed(own, "GetKeyPairs", {}, host=host))[0], 200)
    status, error, message = answer(
        raw.signed(own, "GetKeyPairs", {}, host="lightsail.us-east-1.localhost")
    )
    expect("another region's host", (status, error), (403, "InvalidSignatureException"))
    extra = raw.signed(own, "GetKeyPairs", {}, **{"X-Extra": "a  b"})
    expect("any header may be signed", answer(extra)[0], 200)
    for header, expected in (("X-Extra", 200), ("X-Amz-Extra", 403)):
        request = raw.signed(own, "GetKeyPairs", {})
        request.headers[header] = "a"
        expect(f"{header} is not signed", answer(request)[0], expected)


def malformed(world: World) -> None:
    own = world.credentials

    def outcome(operation: str, body: object) -> tuple:
        status, _, answer = raw.send(raw.signed(own, operation, body))
        return status, json.loads(answer)["__type"]

    for body in ("", "no JSON", "[]", '{"keyPairName": "a'):
        expect(f"the body {body!r}", outcome("GetKeyPair", body), (400, "SerializationException"))
    for operation, body in (
        ("GetKeyPair", {"keyPairName": 1}),
        ("GetKeyPairs", {"includeDefaultKeyPair": "true"}),
        ("GetKeyPairs", {"pageToken": 1}),
        ("TagResource", {"resourceName": "web-1", "tags": {"a": "b"}}),
        ("TagResource", {"resourceName": "web-1", "tags": [{"key": 1}]}),
        ("UntagResource", {"resourceName": "web-1", "tagKeys": [1]}),
    ):
        expect(f"{operation} {body}", outcome(operation, body), (400, "SerializationException"))
    for operation, body in (
        ("GetKeyPair", {}),
        ("GetKeyPair", {"keyPairName": None}),
        ("ImportKeyPair", {"keyPairName": "ab"}),
        ("TagResource", {"resourceName": "web-1"}),
        ("UntagResource", {"resourceName": "web-1"}),
        ("TagResource", {"resourceName": "web-1", "resourceArn": "web-1", "tags": []}),
        ("GetOperation", {}),
        ("DeleteKnownHostKeys", {}),
        ("GetInstanceAccessDetails", {}),
        ("GetOperationsForResource", {}),
    ):
        expect(f"{operation} {body}", outcome(operation, body), (400, "InvalidInputException"))
    expect(
        "members that nobody knows are passed over",
        raw.send(raw.signed(own, "GetKeyPairs", {"more": 1}))[0],
        200,
    )


def unknown_operations(world: World) -> None:
    before = admin("GET", "/counts")
    client = make_client("lightsail", world.credentials, unchecked=True)
    # Both forms run at the same time, and the counts are of all accounts.
    once, twice = (
        ("GetDisks", "GetBundles") if world.error_type_header else ("GetDomains", "GetBlueprints")
    )
    for operation in (once, twice, twice):
        refused("UnknownOperationException", None, getattr(client, xform_name(operation)))
    after = admin("GET", "/counts")
    for operation, times in ((once, 1), (twice, 2)):
        count = lambda counts: counts.get(operation, {}).get("UnknownOperationException", 0)
        expect(f"{operation} is counted", count(after) - count(before), times)
    refused("InvalidAction", None, world.sts.get_session_token)


def log(world: World) -> None:
    world.lightsail.import_key_pair(keyPairName="pair", publicKeyBase64=keys.ed25519())
    refused("NotFoundException", "DoesNotExist", world.lightsail.get_key_pair, keyPairName="nobody")
    id = world.lightsail.get_key_pairs()["ResponseMetadata"]["RequestId"]
    seen = world.requests()
    what = [(it["operation"], it["resource"], it["outcome"], it["answered"]) for it in seen]
    wanted = [
        ("ImportKeyPair", "pair", "ok", True),
        ("GetKeyPair", "nobody", "DoesNotExist", True),
        ("GetKeyPairs", None, "ok", True),
    ]
    expect("what and its outcome", what, wanted)
    expect("which", seen[-1]["requestId"], id)
    expect(
        "who", {it["principal"] for it in seen}, {f"arn:aws:iam::{world.account}:user/simulated"}
    )
    expect("where", {it["region"] for it in seen}, {REGION})
    expect("no keys", "ssh-ed25519" in str(seen), False)


PARTS = (wrong_signatures, requests, malformed, unknown_operations, log)
# botocore's clock is one for all.
CLOCK_PARTS = (times,)
