import { ApiGatewayV2Client, type Authorizer, DeleteAuthorizerCommand } from "@aws-sdk/client-apigatewayv2";
import { Button } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { functionArn, functionName, type PartProps } from "./api";
import { CreateAuthorizer } from "./CreateAuthorizer";
import { partOf } from "./part";

/** Who decides whether a request may pass: JWT issuers and functions. */
export function Authorizers({ view, onChanged }: PartProps) {
  const client = useClient(ApiGatewayV2Client);
  const [creating, setCreating] = useState(false);
  const routes = (one: Authorizer) => view.routes.filter((route) => route.AuthorizerId === one.AuthorizerId).map((route) => route.RouteKey).join(", ");

  return (
    <>
      <ResourceTable
        title="Authorizers"
        noun="authorizer"
        description="Attach one to a route on the Routes tab."
        live={partOf(view.authorizers, onChanged)}
        id={(one) => one.AuthorizerId!}
        selection="single"
        columns={[
          { id: "name", header: "Name", text: (one) => one.Name },
          { id: "id", header: "ID", text: (one) => one.AuthorizerId },
          { id: "type", header: "Type", text: kind },
          { id: "asks", header: "Issuer or function", text: asked },
          { id: "source", header: "Identity source", text: (one) => one.IdentitySource?.join(", ") },
          { id: "routes", header: "Routes", cell: (one) => routes(one) || "–", text: routes },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create
          </Button>
        }
        actions={(selected) => (
          <RemoveButton
            items={selected}
            noun="authorizer"
            name={(one) => one.Name!}
            remove={(one) => client.send(new DeleteAuthorizerCommand({ ApiId: view.id, AuthorizerId: one.AuthorizerId }))}
            onChanged={onChanged}
          >
            No route may use it.
          </RemoveButton>
        )}
      />
      {creating && <CreateAuthorizer apiId={view.id} onClose={() => setCreating(false)} onCreated={onChanged} />}
    </>
  );
}

function kind(authorizer: Authorizer): string {
  return authorizer.AuthorizerType === "JWT" ? "JWT" : "Lambda";
}

function asked(authorizer: Authorizer): string {
  const arn = functionArn(authorizer.AuthorizerUri);
  return arn ? functionName(arn) : (authorizer.JwtConfiguration?.Issuer ?? "");
}
