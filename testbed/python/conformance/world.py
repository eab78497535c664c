"""The simulator as a part sees it: clients of an account of its own, and the admin API.

Endpoint and credentials come from the AWS_* variables that `testbed simulator` prints.
"""

import http.client
import itertools
import json
import os
from urllib.parse import quote, urlsplit

import botocore.session
from botocore.config import Config

import model

REGION = "eu-west-1"
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
# Each call once: what fails must be seen, not tried again. What botocore itself would refuse must
# reach the simulator.
CONFIG = Config(
    retries={"total_max_attempts": 1},
    parameter_validation=False,
    connect_timeout=5,
    max_pool_connections=1,
)
_accounts = itertools.count(100_000_000_000)
_session = botocore.session.Session()


def admin(method: str, path: str, body: object = None, status: int = 200) -> object:
    """One request to the admin API. What it answers must have this status."""
    connection = http.client.HTTPConnection(urlsplit(ENDPOINT).netloc, timeout=20)
    try:
        connection.request(method, f"/_simulator{path}", None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status != status:
        raise AssertionError(f"{method} {path}: {response.status} {answer}")
    return answer


def make_client(service: str, credentials: dict, region: str = REGION, **changes: object) -> object:
    client = _session.create_client(
        service,
        region_name=region,
        endpoint_url=changes.get("endpoint", ENDPOINT),
        config=CONFIG.merge(Config(read_timeout=changes.get("read_timeout", 20))),
        aws_access_key_id=credentials.get("accessKeyId"),
        aws_secret_access_key=credentials.get("secretAccessKey"),
        aws_session_token=credentials.get("sessionToken"),
    )
    if service == "lightsail" and not changes.get("unchecked"):
        client.meta.events.register("before-parse.lightsail", _check)
    return client


def _check(operation_model: object, response_dict: dict, **_: object) -> None:
    model.check_answer(
        operation_model,
        response_dict["status_code"],
        response_dict["headers"],
        response_dict["body"],
    )


class World:
    """An account with access keys, the instance web-1, and switches of its own."""

    # Every value that any switch was given.
    switched: set = set()

    def __init__(self, error_type_header: bool) -> None:
        self.account = str(next(_accounts))
        self.credentials = admin("POST", f"/accounts/{self.account}/credentials")
        # How many requests there were of others, so that they need not be read again and again.
        self.before = sum(sum(outcomes.values()) for outcomes in admin("GET", "/counts").values())
        self.place = f"/regions/{self.account}/{REGION}"
        self.error_type_header = error_type_header
        self.switch()
        admin("POST", f"{self.place}/instances", {"name": "web-1"})
        self.lightsail = make_client("lightsail", self.credentials)
        self.sts = make_client("sts", self.credentials)

    def switch(self, region: str = REGION, **changes: object) -> None:
        """The switches of one region of this account: the defaults but for these."""
        World.switched.update(changes.items() | {("errorTypeHeader", self.error_type_header)})
        path = f"/regions/{self.account}/{region}/switches"
        admin("DELETE", path)
        admin("PATCH", path, {"errorTypeHeader": self.error_type_header, **changes})

    def fault(self, operation: str, effect: object, **more: object) -> dict:
        place = {"account": self.account, "region": REGION}
        return admin("POST", "/faults", {"operation": operation, "effect": effect, **place, **more})

    def admin(self, method: str, path: str, body: object = None) -> object:
        """The admin API at this account's region."""
        return admin(method, self.place + path, body)

    def policy(self, *statements: dict) -> None:
        admin(
            "PUT",
            f"/accounts/{self.account}/policy",
            {"Version": "2012-10-17", "Statement": list(statements)},
        )

    def key_pairs(self, **arguments: object) -> list:
        pages = self.lightsail.get_paginator("get_key_pairs").paginate(**arguments)
        return [pair for page in pages for pair in page["keyPairs"]]

    def names(self, **arguments: object) -> list:
        return [pair["name"] for pair in self.key_pairs(**arguments)]

    def requests(self) -> list:
        """What the request log has of this account."""
        log = admin("GET", f"/requests?after={self.before}")
        return [request for request in log if request["account"] == self.account]


def quoted(name: str) -> str:
    return quote(name, safe="")
