"""Taking snapshots of an API: what a deployment holds, and which stages get a new one by themselves."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import AwsError
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

NO_ROUTES = "Unable to deploy API because no routes exist in this API"
AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"


def snapshot(session: Session, api: HttpApi) -> dict[str, Any]:
    """Everything of the API that a deployment fixes.

    Raises BadRequestException when there is no route.
    """
    routes = records.parts(session, api.api_id, "route")
    if not routes:
        raise bad_request(NO_ROUTES)
    integrations = records.parts(session, api.api_id, "integration")
    authorizers = records.parts(session, api.api_id, "authorizer")
    return {
        "cors": api.members.get("CorsConfiguration"),
        "endpoint_disabled": api.members.get("DisableExecuteApiEndpoint", False),
        "routes": [{**route.members, "RouteId": route.id} for route in routes],
        "integrations": {one.id: one.members for one in integrations},
        "authorizers": {one.id: one.members for one in authorizers},
    }


def deploy(session: Session, api: HttpApi, *, description: str | None, automatic: bool) -> HttpApiPart:
    """A new deployment of the API as it is now."""
    content = snapshot(session, api)
    identifier = records.new_id(6)
    members: dict[str, Any] = {"AutoDeployed": automatic, "DeploymentStatus": "DEPLOYED"}
    if description is not None:
        members["Description"] = description
    row = records.add_part(session, api, "deployment", identifier, identifier, members)
    row.snapshot = content
    return row


def point(stage: HttpApiPart, deployment: HttpApiPart) -> None:
    """Let a stage serve a deployment."""
    stage.members = {
        **stage.members,
        "DeploymentId": deployment.id,
        "LastDeploymentStatusMessage": f"Successfully deployed stage with deployment ID '{deployment.id}'",
        "LastUpdated": time.time(),
    }


def automatically(session: Session, api: HttpApi) -> None:
    """Give every stage with AutoDeploy the API as it is now. Called after every change of the API.

    The automatic deployment that a stage leaves behind is deleted: nobody can go back to it while the stage
    deploys by itself, and an API built of hundreds of calls would keep hundreds of whole copies.
    """
    session.flush()
    stages = [row for row in records.parts(session, api.api_id, "stage") if row.members.get("AutoDeploy")]
    if not stages:
        return
    try:
        deployment = deploy(session, api, description=AUTOMATIC, automatic=True)
    except AwsError as error:
        for stage in stages:
            failed = f"Deployment attempt failed: {error.message}"
            stage.members = {**stage.members, "LastDeploymentStatusMessage": failed}
        return
    for stage in stages:
        point(stage, deployment)
    session.flush()
    _drop_superseded(session, api)


def _drop_superseded(session: Session, api: HttpApi) -> None:
    used = {row.members.get("DeploymentId") for row in records.parts(session, api.api_id, "stage")}
    for row in records.parts(session, api.api_id, "deployment"):
        if row.members["AutoDeployed"] and row.id not in used:
            session.delete(row)
