import { ApiGatewayV2Client, type Authorizer, DeleteAuthorizerCommand } from "@aws-sdk/client-apigatewayv2";
import { Button, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { functionArn, functionName, type PartProps } from "./api";
import { CreateAuthorizer } from "./CreateAuthorizer";
import { partOf } from "./part";

/** Who decides whether a request may pass: JWT issuers and functions. */
export function Authorizers({ view, onChanged }: PartProps) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [creating, setCreating] = useState(false);
  const create = (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create
    </Button>
  );
  const routes = (one: Authorizer) => view.routes.filter((route) => route.AuthorizerId === one.AuthorizerId).map((route) => route.RouteKey).join(", ");

  async function remove(authorizer: Authorizer) {
    await flash.attempt({ doing: "delete the authorizer", done: `Successfully deleted authorizer ${authorizer.Name}.` }, () =>
      client.send(new DeleteAuthorizerCommand({ ApiId: view.id, AuthorizerId: authorizer.AuthorizerId })),
    );
    await onChanged();
  }

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
          { id: "name", header: "Name", cell: (one) => one.Name, text: (one) => one.Name! },
          { id: "id", header: "ID", cell: (one) => one.AuthorizerId, text: (one) => one.AuthorizerId! },
          { id: "type", header: "Type", cell: kind, text: kind },
          { id: "asks", header: "Issuer or function", cell: asked, text: asked },
          { id: "source", header: "Identity source", cell: (one) => one.IdentitySource?.join(", ") || "–", text: (one) => one.IdentitySource?.join(", ") ?? "" },
          { id: "routes", header: "Routes", cell: (one) => routes(one) || "–", text: routes },
        ]}
        create={create}
        actions={([selected]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected} onClick={() => void remove(selected)}>
              Delete
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {creating && (
        <CreateAuthorizer
          apiId={view.id}
          onClose={() => setCreating(false)}
          onCreated={async () => {
            setCreating(false);
            await onChanged();
          }}
        />
      )}
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
