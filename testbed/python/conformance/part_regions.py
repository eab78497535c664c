"""The list of regions: where botocore knows an endpoint, and the same wherever it is asked for."""

import botocore.session

from checks import expect, refused
from world import World, make_client


def everywhere(world: World) -> None:
    known = set(botocore.session.Session().get_available_regions("lightsail"))
    for region in ("eu-west-1", "us-east-1"):
        client = make_client("lightsail", world.credentials, region)
        regions = client.get_regions()["regions"]
        expect("the regions", {region["name"] for region in regions}, known)
        expect("each once", len(regions), len(known))
        kinds = ("availabilityZones", "relationalDatabaseAvailabilityZones")
        expect("no zones", [it[kind] for it in regions for kind in kinds if it[kind]], [])


def zones(world: World) -> None:
    get = world.lightsail.get_regions
    for member, kind, other in (
        (
            "includeAvailabilityZones",
            "availabilityZones",
            "relationalDatabaseAvailabilityZones",
        ),
        (
            "includeRelationalDatabaseAvailabilityZones",
            "relationalDatabaseAvailabilityZones",
            "availabilityZones",
        ),
    ):
        for region in get(**{member: True})["regions"]:
            expect("zones", {it["zoneName"][:-1] for it in region[kind]}, {region["name"]})
            expect("no others", region[other], [])


def denied(world: World) -> None:
    world.policy({"Effect": "Allow", "Action": "lightsail:GetKeyPairs", "Resource": "*"})
    refused("AccessDeniedException", None, world.lightsail.get_regions, "lightsail:GetRegions")
    world.policy({"Effect": "Allow", "Action": "lightsail:GetRegions", "Resource": "*"})
    expect("allowed", len(world.lightsail.get_regions()["regions"]) > 0, True)


PARTS = (everywhere, zones, denied)
