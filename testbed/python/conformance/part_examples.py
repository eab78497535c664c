"""The AWS CLI's published examples as fixtures: answers have the members that they show, of the
same types.

examples.json has the members of each example's output and their JSON types, and no text of it.
"""

import json
import pathlib

import keys
from checks import expect
from world import World

# What the simulator leaves out, and documents.
LEFT_OUT = {
    "GetInstance": {"instance.hardware", "instance.networking"},
    "GetInstances": {"instances[].hardware", "instances[].networking"},
    "GetInstanceAccessDetails": {"accessDetails.certKey"},
    # Of load balancers.
    "GetOperations": {"operations[].operationDetails"},
    "GetOperationsForResource": {"operations[].operationDetails"},
}


def examples(world: World) -> None:
    wanted = json.loads((pathlib.Path(__file__).parent / "examples.json").read_text())
    raw: dict[str, dict] = {}

    def keep(operation_model: object, response_dict: dict, **_: object) -> None:
        raw[operation_model.name] = json.loads(response_dict["body"])

    world.lightsail.meta.events.register("before-parse.lightsail", keep)
    call = world.lightsail
    call.import_key_pair(keyPairName="MyKey1", publicKeyBase64=keys.rsa())
    call.create_key_pair(keyPairName="MyPersonalKeyPair")
    call.get_key_pair(keyPairName="MyKey1")
    call.get_key_pairs()
    call.delete_key_pair(keyPairName="MyPersonalKeyPair")
    call.get_instance(instanceName="web-1")
    call.get_instances()
    call.get_instance_access_details(instanceName="web-1")
    [operation] = call.delete_known_host_keys(instanceName="web-1")["operations"]
    call.get_operation(operationId=operation["id"])
    call.get_operations()
    call.get_operations_for_resource(resourceName="web-1")
    call.get_regions()
    expect("every example has its call", set(wanted) - set(raw), set())
    for operation_name, members in wanted.items():
        seen = shape_of(raw[operation_name])
        left_out = LEFT_OUT.get(operation_name, set())
        for path, json_type in members.items():
            if any(
                path == whole or path.startswith((whole + ".", whole + "[")) for whole in left_out
            ):
                continue
            expect(f"{operation_name} {path}", seen.get(path), json_type)


def shape_of(value: object, path: str = "") -> dict:
    """The path of each member in it, and its JSON type."""
    if isinstance(value, dict):
        shape = {path: "object"} if path else {}
        for name, member in value.items():
            shape |= shape_of(member, f"{path}.{name}" if path else name)
        return shape
    if isinstance(value, list):
        shape = {path: "array"}
        for member in value:
            shape |= shape_of(member, f"{path}[]")
        return shape
    is_bool = isinstance(value, bool)
    is_number = isinstance(value, (int, float))
    return {path: "boolean" if is_bool else "number" if is_number else "string"}


PARTS = (examples,)
