"""DryRun: would the caller be allowed to, and is the request well formed?"""

from __future__ import annotations

from undercast.services.base import AwsError, Params


def dry_run(params: Params) -> None:
    """End an operation that changes nothing with AWS's DryRunOperation, when that is what was asked."""
    if params.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)
