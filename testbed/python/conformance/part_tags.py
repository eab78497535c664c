"""Tags of key pairs and instances, and their limits."""

import keys
from checks import expect, invalid, missing
from world import World


def life(world: World) -> None:
    world.lightsail.import_key_pair(keyPairName="pair", publicKeyBase64=keys.ed25519())
    read = {
        "pair": lambda: world.lightsail.get_key_pair(keyPairName="pair")["keyPair"],
        "web-1": lambda: world.lightsail.get_instance(instanceName="web-1")["instance"],
    }
    tag = {"key": "team", "value": "a"}
    for name, resource_type in (("pair", "KeyPair"), ("web-1", "Instance")):
        [done] = world.lightsail.tag_resource(resourceName=name, tags=[tag, {"key": "alone"}])[
            "operations"
        ]
        expect(
            "its operation",
            (done["operationType"], done["resourceType"]),
            ("TagResource", resource_type),
        )
        expect("tags", read[name]()["tags"], [{"key": "alone"}, tag])
        arn = read[name]()["arn"]
        changed = {"key": "team", "value": "b"}
        world.lightsail.tag_resource(resourceName=name, resourceArn=arn, tags=[changed])
        expect("replaced", read[name]()["tags"], [{"key": "alone"}, changed])
        [done] = world.lightsail.untag_resource(
            resourceName=name, resourceArn=arn, tagKeys=["alone", "never"]
        )["operations"]
        expect(
            "its operation",
            (done["operationType"], done["resourceType"]),
            ("UntagResource", resource_type),
        )
        expect("taken off", read[name]()["tags"], [changed])
        other = read["web-1" if name == "pair" else "pair"]()["arn"]
        missing(world.lightsail.tag_resource, resourceName=name, resourceArn=other, tags=[tag])
        missing(
            world.lightsail.untag_resource, resourceName=name, resourceArn=other, tagKeys=["team"]
        )
        expect("left alone", read[name]()["tags"], [changed])
    missing(world.lightsail.tag_resource, resourceName="nobody", tags=[tag])
    missing(world.lightsail.untag_resource, resourceName="nobody", tagKeys=["team"])


def limits(world: World) -> None:
    world.lightsail.import_key_pair(keyPairName="pair", publicKeyBase64=keys.ed25519())
    tag, create = world.lightsail.tag_resource, world.lightsail.create_key_pair
    for good in (
        {"key": "k" * 128, "value": "v" * 256},
        {"key": "Ä ö+-=._:/@1", "value": ""},
        {"key": "awsome"},
    ):
        tag(resourceName="pair", tags=[good])
    for bad in (
        {"key": ""},
        {"key": "k" * 129},
        {"key": "k", "value": "v" * 257},
        {"key": "aws:x"},
        {"key": "AWS:x"},
        {"key": "a!"},
        {"key": "a", "value": "b?"},
        {"value": "no key"},
    ):
        invalid(tag, resourceName="pair", tags=[bad])
        invalid(create, keyPairName="new", tags=[bad])
    expect("nothing was made", world.names(), ["pair"])
    many = [{"key": f"key-{number}"} for number in range(51)]
    invalid(create, "at most 50", keyPairName="new", tags=many)
    world.lightsail.untag_resource(
        resourceName="pair", tagKeys=["k" * 128, "Ä ö+-=._:/@1", "awsome"]
    )
    tag(resourceName="pair", tags=many[:50])
    tag(resourceName="pair", tags=[{"key": "key-0", "value": "changed"}])
    invalid(tag, "at most 50", resourceName="pair", tags=many[50:])
    expect("50 tags", len(world.lightsail.get_key_pair(keyPairName="pair")["keyPair"]["tags"]), 50)


PARTS = (life, limits)
