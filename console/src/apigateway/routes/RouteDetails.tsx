import { ApiGatewayV2Client, DeleteRouteCommand, type Route, UpdateRouteCommand } from "@aws-sdk/client-apigatewayv2";
import { Button, Container, Header, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { ConfirmModal } from "../../shared/ConfirmModal";
import { Copyable, Details } from "../../shared/details";
import { useFlash } from "../../shared/flash";
import { integrationOf, type PartProps, targetText } from "../api";
import { AttachAuthorization } from "./AttachAuthorization";
import { AttachIntegration } from "./AttachIntegration";

/** One route: what it leads to and who may pass. */
export function RouteDetails({ view, route, onChanged }: PartProps & { route: Route }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [dialog, setDialog] = useState<"integration" | "authorization" | "delete">();
  const named = { ApiId: view.id, RouteId: route.RouteId };
  const integration = integrationOf(view, route);
  const authorizer = view.authorizers.find((one) => one.AuthorizerId === route.AuthorizerId);

  async function changed() {
    setDialog(undefined);
    await onChanged();
  }

  async function detach() {
    await flash.attempt({ doing: "detach the integration", done: `${route.RouteKey} leads nowhere now.` }, () => client.send(new UpdateRouteCommand({ ...named, Target: "" })));
    await onChanged();
  }

  return (
    <>
      <Container
        header={
          <Header variant="h2" actions={<Button onClick={() => setDialog("delete")}>Delete route</Button>}>
            {route.RouteKey}
          </Header>
        }
      >
        <SpaceBetween size="l">
          <Details columns={2} items={[["Route ID", <Copyable text={route.RouteId} />], ["Operation name", route.OperationName]]} />
          <Header
            variant="h3"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                {integration && <Button onClick={() => void detach()}>Detach integration</Button>}
                <Button onClick={() => setDialog("integration")}>{integration ? "Change integration" : "Attach integration"}</Button>
              </SpaceBetween>
            }
          >
            Integration
          </Header>
          <Details
            columns={2}
            items={[
              ["Integration target", targetText(integration)],
              ["Integration ID", integration?.IntegrationId],
              ["Payload format version", integration?.PayloadFormatVersion],
              ["Timeout", integration ? `${integration.TimeoutInMillis} ms` : undefined],
            ]}
          />
          <Header variant="h3" actions={<Button onClick={() => setDialog("authorization")}>Attach authorization</Button>}>
            Authorization
          </Header>
          <Details
            columns={2}
            items={[
              ["Type", route.AuthorizationType],
              ["Authorizer", authorizer?.Name],
              ["Scopes", route.AuthorizationScopes?.join(", ")],
            ]}
          />
        </SpaceBetween>
      </Container>
      {dialog === "integration" && <AttachIntegration view={view} route={route} onClose={() => setDialog(undefined)} onAttached={changed} />}
      {dialog === "authorization" && <AttachAuthorization view={view} route={route} onClose={() => setDialog(undefined)} onAttached={changed} />}
      {dialog === "delete" && (
        <ConfirmModal
          title={`Delete route ${route.RouteKey}`}
          action="Delete"
          onClose={() => setDialog(undefined)}
          onConfirm={async () => {
            await client.send(new DeleteRouteCommand(named));
            flash.success(`Successfully deleted route ${route.RouteKey}.`);
            await onChanged();
          }}
        >
          Requests to it are answered with 404, or by $default where there is one. The integration stays.
        </ConfirmModal>
      )}
    </>
  );
}
