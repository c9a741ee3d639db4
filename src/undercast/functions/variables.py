"""The environment variables of an execution environment: AWS's own and the user's."""

from __future__ import annotations

from undercast.functions.function import Credentials, FunctionSpec

RUNTIME_API = "127.0.0.1:9001"
ENDPOINT = "http://127.0.0.1:4566"

_PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
_LIBRARIES = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


def variables(
    spec: FunctionSpec, log_stream: str, credentials: Credentials | None, initialization_type: str
) -> dict[str, str]:
    """The complete environment of a function's process.

    Source: "Defined runtime environment variables" in the Lambda developer guide. The user's variables
    replace what AWS calls unreserved (PATH, LANG, TZ, ...); the service refuses the reserved names.
    """
    custom = spec.runtime.startswith("provided")
    result = {
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": _LIBRARIES,
        "PATH": _PATH,
        "PWD": "/var/task",
        "TZ": ":UTC",
    }
    if spec.runtime.startswith("python"):
        result["PYTHONPATH"] = "/var/runtime"
    elif spec.runtime.startswith("nodejs"):
        major = spec.runtime[len("nodejs") :].split(".")[0]
        result["NODE_PATH"] = f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime"
        result["NODE_PATH"] += "/node_modules:/var/runtime:/var/task"
    result.update(spec.environment)
    result.update(
        {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type,
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group or f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
            "AWS_LAMBDA_RUNTIME_API": RUNTIME_API,
            "AWS_REGION": spec.region,
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": "/var/task",
            "_HANDLER": spec.handler,
        }
    )
    if not custom:
        result["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{spec.runtime}"
    if spec.log_format.upper() == "JSON":
        result["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        if spec.application_log_level:
            result["AWS_LAMBDA_LOG_LEVEL"] = spec.application_log_level
    if credentials is not None:
        result["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
        result["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        result["AWS_SESSION_TOKEN"] = credentials.session_token
    return result
