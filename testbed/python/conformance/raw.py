"""Requests as no client would send them: signed by botocore, or not, and with whatever body,
headers, and time.
"""

import contextlib
import datetime
import http.client
import json
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from world import ENDPOINT, REGION


@contextlib.contextmanager
def clock(seconds: float):
    """Lets botocore sign as if it were so much later."""
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *arguments, **more: (
        real(*arguments, **more) + datetime.timedelta(seconds=seconds)
    )
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = real


def signed(
    credentials: dict,
    operation: str,
    body: object,
    region: str = REGION,
    service: str = "lightsail",
    host: str = "",
    **headers: str,
) -> AWSRequest:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    url = f"http://{host or urlsplit(ENDPOINT).netloc}/"
    target = {
        "X-Amz-Target": f"Lightsail_20161128.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = AWSRequest(method="POST", url=url, data=text, headers=target | headers)
    keys = Credentials(
        credentials["accessKeyId"], credentials["secretAccessKey"], credentials.get("sessionToken")
    )
    botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    if host:
        request.headers["Host"] = host
    return request


def send(request: AWSRequest, timeout: float = 20) -> tuple[int, dict, bytes]:
    connection = http.client.HTTPConnection(urlsplit(ENDPOINT).netloc, timeout=timeout)
    try:
        connection.request(request.method, "/", request.data, dict(request.headers))
        response = connection.getresponse()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )
    finally:
        connection.close()
