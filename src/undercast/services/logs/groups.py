"""Log groups, their retention and their tags."""

from __future__ import annotations

import re
import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.logs.find import find_group, paged
from undercast.store.store import Store
from undercast.store.tables.logs import LogGroup, LogStream

_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


class Groups:
    """The operations on log groups.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_log_group(self, call: Call, params: Params) -> Result:
        if "kmsKeyId" in params:
            raise AwsError(
                "InvalidParameterException", "kmsKeyId is not supported: there is no KMS in this cloud."
            )
        name = params["logGroupName"]
        with self._store.write() as session:
            taken = select(LogGroup.id).where(
                LogGroup.account == call.account, LogGroup.region == call.region, LogGroup.name == name
            )
            if session.scalar(taken) is not None:
                raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")
            session.add(
                LogGroup(
                    account=call.account,
                    region=call.region,
                    name=name,
                    created=int(time.time() * 1000),
                    group_class=params.get("logGroupClass", "STANDARD"),
                    tags=params.get("tags", {}),
                )
            )
        return {}

    def delete_log_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            session.delete(find_group(session, call, params))
        return {}

    def describe_log_groups(self, call: Call, params: Params) -> Result:
        prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
        if prefix is not None and pattern is not None:
            raise AwsError(
                "InvalidParameterException",
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            )
        with self._store.read() as session:
            rows = session.execute(
                select(LogGroup, func.coalesce(func.sum(LogStream.stored_bytes), 0))
                .outerjoin(LogStream, LogStream.group_id == LogGroup.id)
                .where(LogGroup.account == call.account, LogGroup.region == call.region)
                .group_by(LogGroup.id)
                .order_by(LogGroup.name)
            ).all()
        groups = [
            _described(group, size)
            for group, size in rows
            if (prefix is None or group.name.startswith(prefix))
            and (pattern is None or pattern.lower() in group.name.lower())
            and params.get("logGroupClass", group.group_class) == group.group_class
        ]
        return paged(groups, lambda group: str(group["logGroupName"]), params, "logGroups", 50)

    def put_retention_policy(self, call: Call, params: Params) -> Result:
        if params["retentionInDays"] not in _DAYS:
            days = ", ".join(map(str, _DAYS))
            raise AwsError(
                "InvalidParameterException",
                f"1 validation error detected: Value '{params['retentionInDays']}' at 'retentionInDays' "
                f"failed to satisfy constraint: Member must satisfy enum value set: [{days}]",
            )
        with self._store.write() as session:
            find_group(session, call, params).retention_days = params["retentionInDays"]
        return {}

    def delete_retention_policy(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            find_group(session, call, params).retention_days = None
        return {}

    def tag_resource(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = _by_arn(session, call, params["resourceArn"])
            group.tags = {**group.tags, **params["tags"]}
        return {}

    def untag_resource(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = _by_arn(session, call, params["resourceArn"])
            group.tags = {key: value for key, value in group.tags.items() if key not in params["tagKeys"]}
        return {}

    def list_tags_for_resource(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return {"tags": _by_arn(session, call, params["resourceArn"]).tags}

    def tag_log_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find_group(session, call, params)
            group.tags = {**group.tags, **params["tags"]}
        return {}

    def untag_log_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find_group(session, call, params)
            group.tags = {key: value for key, value in group.tags.items() if key not in params["tags"]}
        return {}

    def list_tags_log_group(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return {"tags": find_group(session, call, params).tags}


def _by_arn(session: Session, call: Call, arn: str) -> LogGroup:
    found = re.fullmatch(r"arn:[\w-]+:logs:[\w-]*:\d*:log-group:([^:]+)(?::\*)?", arn)
    if found is None:
        raise AwsError("InvalidParameterException", f"Invalid resource ARN: {arn}")
    return find_group(session, call, {"logGroupName": found[1]})


def _described(group: LogGroup, size: int) -> Result:
    arn = f"arn:aws:logs:{group.region}:{group.account}:log-group:{group.name}"
    result: Result = {
        "logGroupName": group.name,
        "creationTime": group.created,
        "metricFilterCount": 0,
        "arn": arn + ":*",
        "logGroupArn": arn,
        "storedBytes": size,
        "logGroupClass": group.group_class,
    }
    if group.retention_days is not None:
        result["retentionInDays"] = group.retention_days
    return result
