import { ApiGatewayV2Client, type AuthorizationType, type Route, UpdateRouteCommand } from "@aws-sdk/client-apigatewayv2";
import { FormField, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import { list } from "../../shared/words";
import type { ApiView } from "../api";

interface Props {
  view: ApiView;
  route: Route;
  onAttached(): Promise<void>;
  onClose(): void;
}

/** Who may pass a route: everyone, signed requests, or whom an authorizer lets in. */
export function AttachAuthorization({ view, route, onAttached, onClose }: Props) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const options = [
    { value: "NONE", label: "None", description: "Everyone" },
    { value: "AWS_IAM", label: "IAM (built-in)", description: "Requests signed with keys of this account" },
    ...view.authorizers.map((one) => ({ value: one.AuthorizerId!, label: one.Name!, description: one.AuthorizerType === "JWT" ? "JWT" : "Lambda" })),
  ];
  const [chosen, setChosen] = useState(route.AuthorizerId ?? route.AuthorizationType ?? "NONE");
  const [scopes, setScopes] = useState(route.AuthorizationScopes?.join(", ") ?? "");
  const authorizer = view.authorizers.find((one) => one.AuthorizerId === chosen);
  const jwt = authorizer?.AuthorizerType === "JWT";

  async function attach() {
    const type: AuthorizationType = authorizer ? (jwt ? "JWT" : "CUSTOM") : (chosen as AuthorizationType);
    await client.send(
      new UpdateRouteCommand({
        ApiId: view.id,
        RouteId: route.RouteId,
        AuthorizationType: type,
        AuthorizerId: authorizer?.AuthorizerId,
        AuthorizationScopes: jwt ? list(scopes) : undefined,
      }),
    );
    flash.success(`Successfully changed the authorization of ${route.RouteKey}.`);
    await onAttached();
  }

  return (
    <EditModal title={`Authorization of ${route.RouteKey}`} action="Attach" onClose={onClose} onSave={attach}>
      <FormField label="Authorizer">
        <Select selectedOption={options.find((one) => one.value === chosen) ?? null} options={options} onChange={({ detail }) => setChosen(detail.selectedOption.value!)} />
      </FormField>
      {jwt && (
        <FormField label="Authorization scopes" description="Optional: the token must have one of them. Separated by commas.">
          <Input value={scopes} onChange={({ detail }) => setScopes(detail.value)} />
        </FormField>
      )}
    </EditModal>
  );
}
