"""Reserved concurrency, and what an account has left."""

from __future__ import annotations

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, limits, names
from undercast.services.lambda_.core import Core, row_of
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import Ref


def unreserved(core: Core, account: str, region: str, *, without: Function | None = None) -> int:
    """Concurrency of an account that no function holds for itself (leaving one function out of account)."""
    held = 0
    for function in core.directory.of(account, region):
        if without is not None and function.name == without.name:
            continue
        held += function.reserved if function.reserved is not None else function.provisioned_total
    return core.slots.limit - held


def minimum(core: Core) -> int:
    """What must always stay unreserved: 100, or the whole of a smaller limit."""
    return min(limits.UNRESERVED_MINIMUM, core.slots.limit)


class Concurrency:
    """PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def put_function_concurrency(self, call: Call, params: Params) -> Result:
        core = self._core
        wanted = params["ReservedConcurrentExecutions"]
        with core.changing:
            ref, function = self._find(call, params)
            if unreserved(core, ref.account, ref.region, without=function) - wanted < minimum(core):
                raise errors.invalid(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{minimum(core)}]."
                )
            if function.provisioned_total > wanted:
                raise errors.invalid(
                    f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total "
                    f"provisioned concurrency [{function.provisioned_total}]."
                )
            with core.store.write() as session:
                row_of(session, ref).reserved = wanted
            core.changed(ref.key)
        return {"ReservedConcurrentExecutions": wanted}

    def get_function_concurrency(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        function = self._core.directory.get(Ref(*ref.key, None))
        return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}

    def delete_function_concurrency(self, call: Call, params: Params) -> Result:
        ref, _ = self._find(call, params)
        with self._core.store.write() as session:
            row_of(session, ref).reserved = None
        self._core.changed(ref.key)
        return {}

    def _find(self, call: Call, params: Params) -> tuple[Ref, Function]:
        ref = names.parse(call, params["FunctionName"])
        if ref.qualifier:
            raise errors.invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support "
                "this operation. Please specify either a function name or an unqualified function ARN."
            )
        return ref, self._core.directory.get(ref)
