"""A store that speaks S3, made by others (moto), as a process of its own on a free port. Keeps everything in memory."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import msgspec

BUCKET = "mirrors"
_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@contextlib.contextmanager
def running_s3() -> Iterator[str]:
    """Yield the address of a store without any bucket; it ends with the block, or with this process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


def environment(endpoint: str) -> dict[str, str]:
    """Return the variables with which any S3 tool finds the store."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "eu-central-1",
    }


async def make_bucket(session: aiohttp.ClientSession, endpoint: str) -> None:
    """Make the bucket of the tests, unless it is there; anybody may read what is in it."""
    region = "<LocationConstraint>eu-central-1</LocationConstraint>"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        ],
    }
    made = f"<CreateBucketConfiguration>{region}</CreateBucketConfiguration>".encode()
    for query, body in (("", made), ("?policy", msgspec.json.encode(policy))):
        async with session.put(f"{endpoint}/{BUCKET}{query}", data=body) as response:
            assert response.status in {200, 204, 409}, await response.text()
