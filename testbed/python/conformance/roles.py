"""Roles and their sessions, as the parts about STS set them up."""

from world import World, admin, make_client


def role(world: World, name: str, **settings: object) -> str:
    """A role in the world's account, and its ARN."""
    return admin("PUT", f"/accounts/{world.account}/roles/{name}", settings)["arn"]


def keys_of(answer: dict) -> dict:
    """What STS has answered, as clients are made with it."""
    given = answer["Credentials"]
    return {
        "accessKeyId": given["AccessKeyId"],
        "secretAccessKey": given["SecretAccessKey"],
        "sessionToken": given["SessionToken"],
    }


def sts_of(answer: dict) -> object:
    return make_client("sts", keys_of(answer))


def document(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: object, resource: object = "*", **conditions: object) -> dict:
    """A statement of a permission policy."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": conditions} if conditions else {})


def trust(principal: object, action: object = "sts:AssumeRole", **conditions: object) -> dict:
    """A statement of a trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return statement | ({"Condition": conditions} if conditions else {})


def root(world: World) -> dict:
    """The account of a world as a principal."""
    return {"AWS": f"arn:aws:iam::{world.account}:root"}


def tags(**pairs: str) -> list:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]
