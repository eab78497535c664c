"""Operations: done at once or later, listed with pages and a lag, forgotten after a while."""

from datetime import timedelta

import keys
from checks import expect, invalid, missing, refused
from world import World


def _of(world: World, name: str) -> list:
    operations, token, tokens = [], None, set()
    while token not in tokens:
        tokens.add(token)
        more = {"pageToken": token} if token else {}
        page = world.lightsail.get_operations_for_resource(resourceName=name, **more)
        operations += page["operations"]
        token = page.get("nextPageToken")
        if not token:
            return operations
    raise AssertionError(f"the token {token} comes again")


def progress(world: World) -> None:
    get = world.lightsail.get_operation
    for polls, status in ((0, "Succeeded"), (1, "Completed"), (3, "Succeeded"), (2, "Failed")):
        world.switch(operationPolls=polls, operationStatus=status)
        [operation] = world.lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
        expect(
            "at first",
            (operation["status"], operation["isTerminal"]),
            ("Started", False) if polls else (status, True),
        )
        seen = [get(operationId=operation["id"])["operation"]["status"] for _ in range(polls + 1)]
        wanted = ["Started"] * (polls - 1) + [status] * (2 if polls else 1)
        expect("then", seen, wanted)
    world.switch(operationPolls=1, operationTime=3600, operationStatus="Succeeded")
    [operation] = world.lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
    seen = [get(operationId=operation["id"])["operation"]["status"] for _ in range(3)]
    expect("for an hour", [operation["status"], *seen], ["Started"] * 4)
    world.switch(operationTime=0.2)
    [operation] = world.lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
    expect("for a moment", operation["isTerminal"], False)
    while not (operation := get(operationId=operation["id"])["operation"])["isTerminal"]:
        pass
    took = operation["statusChangedAt"] - operation["createdAt"]
    expect("that long", (operation["status"], took), ("Succeeded", timedelta(seconds=0.2)))
    missing(get, operationId="nothing")
    invalid(get, operationId="")
    invalid(get, operationId="  ")


def of_key_pairs(world: World) -> None:
    key = keys.ed25519()
    world.switch(keyPairOperationPolls=2, keyPairOperationStatus="Completed")
    operation = world.lightsail.import_key_pair(keyPairName="pair", publicKeyBase64=key)[
        "operation"
    ]
    expect("under way", (operation["status"], operation["isTerminal"]), ("Started", False))
    expect("with its effect", world.names(), ["pair"])
    statuses = [
        world.lightsail.get_operation(operationId=operation["id"])["operation"]["status"]
        for _ in range(2)
    ]
    expect("then over", statuses, ["Started", "Completed"])
    world.switch(keyPairOperationStatus="Failed")
    for call, arguments in (
        (world.lightsail.import_key_pair, {"keyPairName": "other", "publicKeyBase64": key}),
        (world.lightsail.delete_key_pair, {"keyPairName": "pair"}),
    ):
        expect("failed", call(**arguments)["operation"]["status"], "Failed")
    [operation] = world.lightsail.tag_resource(resourceName="pair", tags=[{"key": "a"}])[
        "operations"
    ]
    expect("failed", operation["status"], "Failed")
    world.switch()
    expect(
        "nothing was done",
        [(pair["name"], pair["tags"]) for pair in world.key_pairs()],
        [("pair", [])],
    )
    for value, wanted in (
        ("ImportKeyPair", "ImportKeyPair"),
        ("CreateKeyPair", "CreateKeyPair"),
        ("Absent", None),
    ):
        world.switch(importOperationType=value)
        operation = world.lightsail.import_key_pair(keyPairName=f"a-{value}", publicKeyBase64=key)[
            "operation"
        ]
        expect("its type", operation.get("operationType"), wanted)


def lists(world: World) -> None:
    key = keys.ed25519()
    ids = []
    for number in range(45):
        name = "even" if number % 2 == 0 else "odd"
        ids.append(
            world.lightsail.import_key_pair(keyPairName=name, publicKeyBase64=key)["operation"][
                "id"
            ]
        )
        ids.append(world.lightsail.delete_key_pair(keyPairName=name)["operation"]["id"])
    even = [id for number, id in enumerate(ids) if number // 2 % 2 == 0]
    for newest_first in (True, False):
        order = -1 if newest_first else 1
        for size in (1, 7, 1000):
            world.switch(newestOperationsFirst=newest_first, pageSize=size)
            expect("of one that is gone", [it["id"] for it in _of(world, "even")], even[::order])
        pages = list(world.lightsail.get_paginator("get_operations").paginate())
        expect("all on one page", [it["id"] for it in pages[0]["operations"]], ids[::order])
    world.switch(newestOperationsFirst=False, pageSize=1000)
    # A page of GetOperations has 200 at most, whatever the page size is.
    for _ in range(60):
        world.lightsail.import_key_pair(keyPairName="more", publicKeyBase64=key)
        world.lightsail.delete_key_pair(keyPairName="more")
    pages = list(world.lightsail.get_paginator("get_operations").paginate())
    expect("at most 200", [len(page["operations"]) for page in pages], [200, 10])
    missing(world.lightsail.get_operations_for_resource, resourceName="never")
    expect("none yet", _of(world, "web-1"), [])
    invalid(
        world.lightsail.get_operations_for_resource, "token", resourceName="even", pageToken="x"
    )
    world.switch(operationsOfKeyPairs=False)
    missing(world.lightsail.get_operations_for_resource, resourceName="even")
    expect("of an instance", _of(world, "web-1"), [])


def time(world: World) -> None:
    from world import admin

    world.switch(operationListLag=3600, operationRetention=7200)
    [operation] = world.lightsail.delete_known_host_keys(instanceName="web-1")["operations"]
    expect("not listed yet", _of(world, "web-1"), [])
    expect("not listed yet", world.lightsail.get_operations()["operations"], [])
    world.lightsail.get_operation(operationId=operation["id"])
    admin("POST", "/clock/advance", {"seconds": 3700})
    # botocore signs with this machine's clock, so it has to be told of the other one first, as any
    # client has.
    refused("InvalidSignatureException", None, world.lightsail.get_operations, "Signature expired")
    admin("PUT", "/clock", {"offsetMillis": 0})
    world.switch(operationListLag=0, operationRetention=7200)
    expect("listed without a lag", [it["id"] for it in _of(world, "web-1")], [operation["id"]])


PARTS = (progress, of_key_pairs, lists)
CLOCK_PARTS = (time,)
