"""Prints what Lightsail has, as boto3 sees it: one JSON object with the key pairs and the
operations on one instance.

Endpoint, region and credentials come from the usual AWS_* variables.
Usage: lightsail_view.py [INSTANCE]
"""

import json
import sys

import boto3


def main() -> None:
    instance = sys.argv[1] if len(sys.argv) > 1 else "web-1"
    lightsail = boto3.client("lightsail")
    pages = lightsail.get_paginator("get_key_pairs").paginate(includeDefaultKeyPair=True)
    key_pairs = [pair for page in pages for pair in page["keyPairs"]]
    operations = lightsail.get_operations_for_resource(resourceName=instance)["operations"]
    view = {
        "account": boto3.client("sts").get_caller_identity()["Account"],
        "keyPairs": [
            {
                "name": pair["name"],
                "fingerprint": pair["fingerprint"],
                "tags": {tag["key"]: tag.get("value", "") for tag in pair["tags"]},
            }
            for pair in key_pairs
        ],
        "operations": [
            {
                "id": operation["id"],
                "type": operation["operationType"],
                "status": operation["status"],
            }
            for operation in operations
        ],
    }
    json.dump(view, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
