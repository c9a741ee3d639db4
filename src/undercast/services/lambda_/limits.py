"""Lambda's quotas, as https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html states them."""

from __future__ import annotations

MIB = 1024 * 1024

ZIPPED = 50 * MIB  # bytes of a zip archive in a request
UNZIPPED = 250 * MIB  # bytes of code and layers together
REQUEST = 70_167_211  # bytes of a CreateFunction or UpdateFunctionCode request (50 MiB in base64, and a rest)
STORAGE = 75 * 1024 * MIB  # bytes of all code of an account in a region
SYNC_PAYLOAD = 6 * MIB  # bytes
ASYNC_PAYLOAD = 1 * MIB  # bytes
RESPONSE_PAYLOAD = 6_291_556  # bytes
ENVIRONMENT = 4 * 1024  # bytes of the variables as compact JSON
CLIENT_CONTEXT = 3_583  # bytes of JSON once decoded
LAYERS = 5
NAME = 64
TIMEOUT_S = 900
MEMORY_MB = 10_240
EPHEMERAL_MB = 10_240
POLICY = 20 * 1024  # bytes of a resource policy
TAGS = 50
UNRESERVED_MINIMUM = 100
EVENT_AGE_S = 21_600  # how long an asynchronous event may wait
RETRIES = 2
