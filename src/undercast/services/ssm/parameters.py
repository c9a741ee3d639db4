"""GetParameter, GetParameters and GetParametersByPath of the public image parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services import pagination
from undercast.services.base import AwsError, Call, Params, Result

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2


class Parameters:
    """Parameters below /aws/service/. Those of one's own are not kept here."""

    def __init__(self, ec2: Ec2) -> None:
        self._images = ec2.public_parameters

    def get_parameter(self, call: Call, params: Params) -> Result:
        name = _bare(params["Name"])
        found = self._images.find(name)
        if found is None:
            raise AwsError("ParameterNotFound", "")
        return {"Parameter": _shown(call, name, found)}

    def get_parameters(self, call: Call, params: Params) -> Result:
        found, missing = [], []
        for asked in dict.fromkeys(params["Names"]):
            value = self._images.find(_bare(asked))
            if value is None:
                missing.append(asked)
            else:
                found.append(_shown(call, _bare(asked), value))
        return {"Parameters": found, "InvalidParameters": missing}

    def get_parameters_by_path(self, call: Call, params: Params) -> Result:
        path = params["Path"].rstrip("/") + "/"
        rows = [
            _shown(call, name, value)
            for name, value in self._images.all().items()
            if name.startswith(path) and (params.get("Recursive") or "/" not in name[len(path) :])
        ]
        rows.sort(key=lambda row: row["Name"])
        limit = params.get("MaxResults") or 10
        try:
            chosen, token = pagination.page(rows, lambda row: row["Name"], params.get("NextToken"), limit)
        except pagination.BadToken:
            raise AwsError("InvalidNextToken", "The specified token isn't valid.") from None
        return {"Parameters": chosen, **({"NextToken": token} if token else {})}


def _bare(name: str) -> str:
    """The name without the ARN around it."""
    return name.split(":parameter", 1)[-1] if name.startswith("arn:") else name


def _shown(call: Call, name: str, value: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": call.now,
        "ARN": f"arn:aws:ssm:{call.region}::parameter{name}",
        "DataType": "text",
    }
