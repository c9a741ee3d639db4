"""The data plane of HTTP APIs: everything between a request on an endpoint and its answer, in memory."""
