import { ApiGatewayV2Client, CreateIntegrationCommand, type Route, UpdateRouteCommand } from "@aws-sdk/client-apigatewayv2";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { Checkbox, FormField, RadioGroup, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { useSession } from "../../aws/session";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import { type ApiView, functionArn, targetText } from "../api";
import { FunctionPicker } from "../../lambda/FunctionPicker";
import { allowInvoke, routeResource } from "../permission";

interface Props {
  view: ApiView;
  route: Route;
  onAttached(): Promise<void>;
  onClose(): void;
}

/** Lead a route to a function, or to an integration that is there already. */
export function AttachIntegration({ view, route, onAttached, onClose }: Props) {
  const client = useClient(ApiGatewayV2Client);
  const lambda = useClient(LambdaClient);
  const { session } = useSession();
  const flash = useFlash();
  const [from, setFrom] = useState("new");
  const [arn, setArn] = useState("");
  const [existing, setExisting] = useState<string>();
  const [grant, setGrant] = useState(true);
  const options = view.integrations.map((one) => ({ value: one.IntegrationId!, label: targetText(one), description: one.IntegrationId }));

  async function attach() {
    const integration =
      from === "new"
        ? await client.send(new CreateIntegrationCommand({ ApiId: view.id, IntegrationType: "AWS_PROXY", IntegrationUri: arn, PayloadFormatVersion: "2.0" }))
        : view.integrations.find((one) => one.IntegrationId === existing)!;
    await client.send(new UpdateRouteCommand({ ApiId: view.id, RouteId: route.RouteId, Target: `integrations/${integration.IntegrationId}` }));
    const target = functionArn(integration.IntegrationUri);
    if (grant && target) await allowInvoke(lambda, session, target, view.id, routeResource(route.RouteKey!));
    flash.success(`Successfully attached ${targetText(integration)} to ${route.RouteKey}.`);
    await onAttached();
  }

  return (
    <EditModal
      title={`Attach an integration to ${route.RouteKey}`}
      action="Attach"
      disabled={from === "new" ? !arn : !existing}
      onClose={onClose}
      onSave={attach}
    >
      <FormField label="Integration">
        <RadioGroup
          value={from}
          onChange={({ detail }) => setFrom(detail.value)}
          items={[
            { value: "new", label: "A Lambda function" },
            { value: "existing", label: "An integration of this API", disabled: !options.length },
          ]}
        />
      </FormField>
      {from === "new" ? (
        <FunctionPicker value={arn} onChange={setArn} />
      ) : (
        <FormField label="Existing integration">
          <Select
            selectedOption={options.find((one) => one.value === existing) ?? null}
            options={options}
            onChange={({ detail }) => setExisting(detail.selectedOption.value)}
            placeholder="Choose an integration"
          />
        </FormField>
      )}
      <Checkbox checked={grant} onChange={({ detail }) => setGrant(detail.checked)} description="Adds a statement for this route to the function's resource policy.">
        Grant API Gateway permission to invoke the function
      </Checkbox>
    </EditModal>
  );
}
