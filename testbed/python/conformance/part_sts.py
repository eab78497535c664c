"""Roles: with an external id, with session tags and policies, and with a web identity token as
Kubernetes mounts it.
"""

import base64
import datetime
import json
import time

from checks import expect, expect_in, refused
from roles import document, keys_of, role
from world import World, admin, make_client

SUBJECT = "system:serviceaccount:lightsail:operator"
TRUST = {"issuer": "https://issuer.example", "subject": SUBJECT, "audience": "sts.amazonaws.com"}


def identity(world: World) -> None:
    caller = world.sts.get_caller_identity()
    expect("the account", caller["Account"], world.account)
    expect("the user", caller["Arn"], f"arn:aws:iam::{world.account}:user/simulated")


def assume(world: World) -> None:
    arn = role(world, "keys", externalId="secret-42")
    ask = {"RoleArn": arn, "RoleSessionName": "test-1"}
    answer = world.sts.assume_role(**ask, ExternalId="secret-42")
    session = f"arn:aws:sts::{world.account}:assumed-role/keys/test-1"
    expect("the user", answer["AssumedRoleUser"]["Arn"], session)
    left = (
        answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    ).total_seconds()
    expect("an hour", 3590 <= left <= 3600, True)
    credentials = keys_of(answer)
    caller = make_client("sts", credentials).get_caller_identity()
    expect(
        "the session",
        (caller["Arn"], caller["UserId"]),
        (session, answer["AssumedRoleUser"]["AssumedRoleId"]),
    )
    make_client("lightsail", credentials).get_key_pairs()
    unknown = "UnrecognizedClientException"
    for token in (None, "wrong"):
        client = make_client("lightsail", credentials | {"sessionToken": token})
        refused(unknown, None, client.get_key_pairs)

    for wrong in ({}, {"ExternalId": "secret-43"}):
        refused(
            "AccessDenied",
            None,
            world.sts.assume_role,
            f"not authorized to perform: sts:AssumeRole on resource: {arn}",
            **ask,
            **wrong,
        )
    nobody = f"arn:aws:iam::{world.account}:role/nobody"
    refused("AccessDenied", None, world.sts.assume_role, RoleArn=nobody, RoleSessionName="test-1")
    for bad in (
        {"RoleArn": "nonsense"},
        {"RoleSessionName": "a b"},
        {"RoleSessionName": "a"},
        {"ExternalId": "a b"},
        {"ExternalId": "a"},
        {"ExternalId": "a" * 1225},
        {"DurationSeconds": 899},
        {"DurationSeconds": 43201},
    ):
        refused(
            "ValidationError",
            None,
            world.sts.assume_role,
            **(ask | {"ExternalId": "secret-42"} | bad),
        )
    refused(
        "MalformedPolicyDocument",
        None,
        world.sts.assume_role,
        **ask,
        ExternalId="secret-42",
        Policy="{}",
    )


def across_accounts(world: World) -> None:
    other = World(world.error_type_header)
    arn = role(other, "visitor")
    credentials = keys_of(world.sts.assume_role(RoleArn=arn, RoleSessionName="visit"))
    visitor = make_client("lightsail", credentials)
    visitor.create_key_pair(keyPairName="there")
    expect("in the role's account", (world.names(), other.names()), ([], ["there"]))


def permissions(world: World) -> None:
    allow = lambda action, **more: {"Effect": "Allow", "Action": action, "Resource": "*"} | more
    world.policy(allow("lightsail:GetKeyPairs"))
    arn = role(
        world, "writer", policy=document(allow("lightsail:Import*"), allow("lightsail:Get*"))
    )
    ask = {"RoleArn": arn, "RoleSessionName": "test-1"}
    writer = make_client("lightsail", keys_of(world.sts.assume_role(**ask)))
    writer.get_operations()
    error = refused("AccessDeniedException", None, writer.download_default_key_pair)
    expect_in("who", f"arn:aws:sts::{world.account}:assumed-role/writer/test-1", str(error))
    narrow = json.dumps(document(allow("lightsail:GetKeyPairs"), allow("lightsail:Download*")))
    narrowed = make_client("lightsail", keys_of(world.sts.assume_role(**ask, Policy=narrow)))
    narrowed.get_key_pairs()
    for call in (narrowed.get_operations, narrowed.download_default_key_pair):
        refused("AccessDeniedException", None, call)

    refused(
        "AccessDenied",
        None,
        world.sts.assume_role,
        "sts:TagSession",
        **ask,
        Tags=[{"Key": "team", "Value": "a"}],
    )
    by_tag = allow(
        "*", Condition={"StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}}
    )
    arn = role(world, "tagged", sessionTags=True, policy=document(by_tag))
    answer = world.sts.assume_role(
        RoleArn=arn, RoleSessionName="test-1", Tags=[{"Key": "team", "Value": "a + b"}]
    )
    tagged = make_client("lightsail", keys_of(answer))
    refused(
        "AccessDeniedException",
        None,
        tagged.create_key_pair,
        keyPairName="no",
        tags=[{"key": "team", "value": "b"}],
    )
    answer = world.sts.assume_role(
        RoleArn=arn, RoleSessionName="test-1", Tags=[{"Key": "team", "Value": "a"}]
    )
    make_client("lightsail", keys_of(answer)).create_key_pair(
        keyPairName="yes", tags=[{"key": "team", "value": "a"}]
    )


def _token(**claims: object) -> str:
    good = {
        "iss": TRUST["issuer"],
        "sub": SUBJECT,
        "aud": ["sts.amazonaws.com"],
        "exp": time.time() + 600,
    }
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'alg': 'RS256'})}.{part(good | claims)}.c2lnbmF0dXJl"


def web_identity(world: World) -> None:
    arn = role(world, "irsa", webIdentity=TRUST)
    nobody = make_client("sts", {"accessKeyId": "none", "secretAccessKey": "none"})
    assume = nobody.assume_role_with_web_identity
    ask = {"RoleArn": arn, "RoleSessionName": "pod-1"}
    answer = assume(**ask, WebIdentityToken=_token())
    expect("whose", answer["SubjectFromWebIdentityToken"], SUBJECT)
    expect(
        "for whom", (answer["Audience"], answer["Provider"]), ("sts.amazonaws.com", TRUST["issuer"])
    )
    caller = make_client("sts", keys_of(answer)).get_caller_identity()
    expect("the session", caller["Arn"], f"arn:aws:sts::{world.account}:assumed-role/irsa/pod-1")
    make_client("lightsail", keys_of(answer)).get_key_pairs()
    assume(**ask, WebIdentityToken=_token(aud="sts.amazonaws.com"))
    for wrong in (
        {"iss": "https://other.example"},
        {"sub": "system:serviceaccount:other:operator"},
        {"aud": ["other"]},
    ):
        refused(
            "AccessDenied",
            None,
            assume,
            "sts:AssumeRoleWithWebIdentity",
            **ask,
            WebIdentityToken=_token(**wrong),
        )
    refused(
        "ExpiredTokenException", None, assume, **ask, WebIdentityToken=_token(exp=time.time() - 1)
    )
    refused("InvalidIdentityToken", None, assume, **ask, WebIdentityToken="nonsense")
    refused("ValidationError", None, assume, **ask)
    plain = role(world, "plain")
    refused(
        "AccessDenied",
        None,
        assume,
        RoleArn=plain,
        RoleSessionName="pod-1",
        WebIdentityToken=_token(),
    )


def expiry(world: World) -> None:
    arn = role(world, "short")
    credentials = keys_of(
        world.sts.assume_role(RoleArn=arn, RoleSessionName="test-1", DurationSeconds=900)
    )
    lightsail, sts = make_client("lightsail", credentials), make_client("sts", credentials)
    admin("POST", "/clock/advance", {"seconds": 200})
    lightsail.get_key_pairs()
    admin("POST", "/clock/advance", {"seconds": 701})
    refused("ExpiredTokenException", None, lightsail.get_key_pairs, "expired")
    refused("ExpiredToken", None, sts.get_caller_identity, "expired")
    admin("PUT", "/clock", {"offsetMillis": 0})
    lightsail.get_key_pairs()


PARTS = (identity, assume, across_accounts, permissions, web_identity)
CLOCK_PARTS = (expiry,)
