"""AWS Lambda."""

from undercast.services.lambda_.invoker import InvokeResult, LambdaInvoker
from undercast.services.lambda_.service import build

__all__ = ["InvokeResult", "LambdaInvoker", "build"]
