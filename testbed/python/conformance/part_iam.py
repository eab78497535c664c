"""IAM policies on an account: by action, region, resource and tags."""

import keys
from checks import expect, expect_in, missing, refused
from world import World, admin, make_client

OWNER = "lightsail.example/owner"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def denied(
    world: World, call: object, words: str = "no identity-based policy allows", **arguments: object
) -> None:
    error = refused("AccessDeniedException", None, call, words, **arguments)
    expect_in("who", f"User: arn:aws:iam::{world.account}:user/simulated", str(error))


def allow(action: object, resource: object = "*", **conditions: object) -> dict:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": conditions} if conditions else {})


def actions(world: World) -> None:
    key = {"publicKeyBase64": keys.ed25519()}
    world.policy(allow(["lightsail:Get*", "lightsail:ImportKeyPair"]))
    world.lightsail.import_key_pair(keyPairName="pair", **key)
    expect("reads", world.names(), ["pair"])
    denied(world, world.lightsail.delete_key_pair, "lightsail:DeleteKeyPair", keyPairName="pair")
    denied(world, world.lightsail.download_default_key_pair, "lightsail:DownloadDefaultKeyPair")
    expect(
        "identity needs no permission", world.sts.get_caller_identity()["Account"], world.account
    )
    world.policy(EVERYTHING, {"Effect": "Deny", "Action": "lightsail:Delete*", "Resource": "*"})
    denied(world, world.lightsail.delete_key_pair, "explicit deny", keyPairName="pair")
    denied(world, world.lightsail.delete_known_host_keys, "explicit deny", instanceName="web-1")
    expect("nothing was done", world.names(), ["pair"])
    admin("DELETE", f"/accounts/{world.account}/policy")
    world.lightsail.delete_key_pair(keyPairName="pair")
    for bad in (
        {},
        {"Statement": [allow("*", Sometimes={"a": "b"})]},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
    ):
        admin("PUT", f"/accounts/{world.account}/policy", bad, status=400)


def regions(world: World) -> None:
    world.policy(
        allow("lightsail:*", StringEquals={"aws:RequestedRegion": ["eu-west-1", "eu-west-2"]})
    )
    world.lightsail.get_key_pairs()
    make_client("lightsail", world.credentials, "eu-west-2").get_key_pairs()
    denied(world, make_client("lightsail", world.credentials, "us-east-1").get_key_pairs)


def resources(world: World) -> None:
    for name in ("mine", "yours"):
        world.lightsail.import_key_pair(keyPairName=name, publicKeyBase64=keys.ed25519())
    arn = world.lightsail.get_key_pair(keyPairName="mine")["keyPair"]["arn"]
    world.policy(
        allow(["lightsail:DeleteKeyPair", "lightsail:ImportKeyPair"], arn), allow("lightsail:Get*")
    )
    denied(world, world.lightsail.delete_key_pair, keyPairName="yours")
    # Its only resource is *, so an ARN allows nothing.
    denied(
        world, world.lightsail.import_key_pair, keyPairName="new", publicKeyBase64=keys.ed25519()
    )
    missing(world.lightsail.delete_key_pair, keyPairName="nobody")
    world.lightsail.delete_key_pair(keyPairName="mine")
    world.switch(notFoundBeforeDenied=False)
    denied(world, world.lightsail.delete_key_pair, keyPairName="nobody")


def tags(world: World) -> None:
    """Least privilege by an owner tag, with a guard rail."""
    for name in ("mine", "theirs", "free", "guarded"):
        world.lightsail.import_key_pair(keyPairName=name, publicKeyBase64=keys.ed25519())
    own, other = {"key": OWNER, "value": "cluster/a"}, {"key": OWNER, "value": "other/a"}
    call = world.lightsail
    call.tag_resource(resourceName="mine", tags=[own])
    call.tag_resource(resourceName="theirs", tags=[other])
    call.tag_resource(resourceName="guarded", tags=[own, {"key": "protected", "value": "true"}])
    pairs, tag = f"arn:aws:lightsail:*:{world.account}:KeyPair/*", f"aws:ResourceTag/{OWNER}"
    own_only = {"StringLike": {tag: "cluster/*"}}
    world.policy(
        allow(["lightsail:GetKeyPair", "lightsail:GetKeyPairs"]),
        allow("lightsail:CreateKeyPair", StringLike={f"aws:RequestTag/{OWNER}": "cluster/*"}),
        allow(
            "lightsail:TagResource",
            pairs,
            Null={tag: "true"},
            StringLike={f"aws:RequestTag/{OWNER}": "cluster/*"},
        ),
        allow(
            ["lightsail:DeleteKeyPair", "lightsail:TagResource", "lightsail:UntagResource"],
            pairs,
            **own_only,
        ),
        {
            "Effect": "Deny",
            "Action": [
                "lightsail:DeleteKeyPair",
                "lightsail:TagResource",
                "lightsail:UntagResource",
            ],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/protected": "true"}},
        },
    )
    denied(world, call.delete_key_pair, keyPairName="theirs")
    denied(world, call.delete_key_pair, keyPairName="free")
    denied(world, call.delete_key_pair, "explicit deny", keyPairName="guarded")
    denied(
        world, call.untag_resource, "explicit deny", resourceName="guarded", tagKeys=["protected"]
    )
    denied(world, call.tag_resource, resourceName="theirs", tags=[own])
    denied(world, call.tag_resource, resourceName="free", tags=[other])
    denied(world, call.tag_resource, resourceName="web-1", tags=[own])
    denied(world, call.create_key_pair, keyPairName="new")
    denied(world, call.create_key_pair, keyPairName="new", tags=[other])
    call.create_key_pair(keyPairName="new", tags=[own])
    call.tag_resource(resourceName="free", tags=[own])
    call.tag_resource(resourceName="mine", tags=[{"key": "team", "value": "a"}])
    call.untag_resource(resourceName="mine", tagKeys=["team"])
    for name in ("mine", "free", "new"):
        call.delete_key_pair(keyPairName=name)
    expect("what is left", world.names(), ["guarded", "theirs"])
    world.policy(
        allow("lightsail:TagResource", **{"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}})
    )
    call.tag_resource(resourceName="theirs", tags=[{"key": "team"}])
    denied(world, call.tag_resource, resourceName="theirs", tags=[{"key": "team"}, {"key": "more"}])


def host_keys(world: World) -> None:
    world.admin("PUT", "/tags/web-1", {"env": "prod"})
    world.admin("POST", "/instances", {"name": "web-2"})
    world.policy(
        allow(
            "lightsail:DeleteKnownHostKeys",
            f"arn:aws:lightsail:*:{world.account}:Instance/*",
            StringEquals={"aws:ResourceTag/env": "prod"},
        )
    )
    world.lightsail.delete_known_host_keys(instanceName="web-1")
    denied(world, world.lightsail.delete_known_host_keys, instanceName="web-2")
    world.switch(resetIsResourceLevel=False)
    denied(world, world.lightsail.delete_known_host_keys, instanceName="web-1")
    denied(world, world.lightsail.get_instance_access_details, instanceName="web-1")


PARTS = (actions, regions, resources, tags, host_keys)
