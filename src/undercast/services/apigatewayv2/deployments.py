"""Deployments: immutable snapshots of an API. A stage serves the one it points to."""

from __future__ import annotations

from undercast.services.apigatewayv2 import deploying, records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApiPart


class Deployments:
    """The operations on deployments."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_deployment(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            stage = None
            if name := params.get("StageName"):
                stage = records.part(session, api, "stage", name)
                if stage.members.get("AutoDeploy"):
                    raise bad_request(f"Stage '{name}' is set to auto-deploy and takes no deployment")
            row = deploying.deploy(session, api, description=params.get("Description"), automatic=False)
            if stage is not None:
                deploying.point(stage, row)
            return show(row)

    def get_deployment(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return show(records.part(session, api, "deployment", params["DeploymentId"]))

    def get_deployments(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            rows = records.parts(session, api.api_id, "deployment")
            return records.page(rows, records.part_key, params, show)

    def update_deployment(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "deployment", params["DeploymentId"])
            if (description := params.get("Description")) is not None:
                row.members = {**row.members, "Description": description}
            return show(row)

    def delete_deployment(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "deployment", params["DeploymentId"])
            stages = records.parts(session, api.api_id, "stage")
            if any(stage.members.get("DeploymentId") == row.id for stage in stages):
                raise bad_request("Active stages pointing to this deployment must be moved or deleted")
            session.delete(row)
        return {}


def show(row: HttpApiPart) -> Result:
    """A deployment as the API shows it."""
    return {"DeploymentId": row.id, "CreatedDate": records.moment(row.created), **row.members}
