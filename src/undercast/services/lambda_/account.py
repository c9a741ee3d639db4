"""The account's limits and what it uses of them."""

from __future__ import annotations

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import limits
from undercast.services.lambda_.concurrency import unreserved
from undercast.services.lambda_.core import Core


class AccountSettings:
    """GetAccountSettings."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get_account_settings(self, call: Call, params: Params) -> Result:
        directory = self._core.directory
        return {
            "AccountLimit": {
                "TotalCodeSize": limits.STORAGE,
                "CodeSizeUnzipped": limits.UNZIPPED,
                "CodeSizeZipped": limits.ZIPPED,
                "ConcurrentExecutions": self._core.slots.limit,
                "UnreservedConcurrentExecutions": unreserved(self._core, call.account, call.region),
            },
            "AccountUsage": {
                "TotalCodeSize": directory.code_size(call.account, call.region),
                "FunctionCount": len(directory.of(call.account, call.region)),
            },
        }
