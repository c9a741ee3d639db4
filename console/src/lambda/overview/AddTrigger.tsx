import { ApiGatewayV2Client, CreateApiCommand, CreateIntegrationCommand, CreateRouteCommand, CreateStageCommand, DeleteApiCommand, GetApisCommand } from "@aws-sdk/client-apigatewayv2";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { FormField, Input, RadioGroup, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { everyPage } from "../../apigateway/api";
import { allowInvoke, routeResource } from "../../apigateway/permission";
import { useClient } from "../../aws/clients";
import { useSession } from "../../aws/session";
import { useLive } from "../../aws/useLive";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import type { FunctionView } from "../function";

const SOURCES = [{ value: "api", label: "API Gateway", description: "Run it when a request comes in over HTTP", tags: ["api", "http", "application-services"] }];

interface Props {
  view: FunctionView;
  onAdded(): unknown;
  onClose(): void;
}

/** Put an HTTP API in front of the function: a new one, or a route of one that is there. */
export function AddTrigger({ view, onAdded, onClose }: Props) {
  const gateway = useClient(ApiGatewayV2Client);
  const lambda = useClient(LambdaClient);
  const { session } = useSession();
  const flash = useFlash();
  const [intent, setIntent] = useState("new");
  const [apiName, setApiName] = useState(`${view.name}-API`);
  const [existing, setExisting] = useState<string>();
  const [security, setSecurity] = useState<"NONE" | "AWS_IAM">("NONE");
  const apis = useLive(() => everyPage((page) => gateway.send(new GetApisCommand(page))), [gateway], 30_000);
  const options = (apis.data ?? []).map((api) => ({ value: api.ApiId, label: api.Name, description: api.ApiId }));

  async function add() {
    const arn = view.configuration.FunctionArn!;
    const routeKey = `ANY /${view.name}`;
    const apiId = intent === "new" ? await createApi(gateway, apiName) : existing!;
    try {
      const integration = await gateway.send(new CreateIntegrationCommand({ ApiId: apiId, IntegrationType: "AWS_PROXY", IntegrationUri: arn, PayloadFormatVersion: "2.0" }));
      await gateway.send(new CreateRouteCommand({ ApiId: apiId, RouteKey: routeKey, Target: `integrations/${integration.IntegrationId}`, AuthorizationType: security }));
      await allowInvoke(lambda, session, arn, apiId, routeResource(routeKey));
    } catch (refused) {
      // An API that leads nowhere is not what was asked for.
      if (intent === "new") await gateway.send(new DeleteApiCommand({ ApiId: apiId }));
      throw refused;
    }
    const name = intent === "new" ? apiName : options.find((one) => one.value === existing)?.label;
    flash.success(`The trigger ${name} was successfully added to function ${view.name}. The function is now receiving events from the trigger.`);
    await onAdded();
  }

  return (
    <EditModal title="Add trigger" action="Add" disabled={intent === "new" ? !apiName : !existing} onSave={add} onClose={onClose}>
      <FormField label="Trigger configuration">
        <Select selectedOption={SOURCES[0]} options={SOURCES} onChange={() => undefined} triggerVariant="option" />
      </FormField>
      <FormField label="Intent" description="Use an existing API or have us create one for you.">
        <RadioGroup
          value={intent}
          onChange={({ detail }) => setIntent(detail.value)}
          items={[
            { value: "new", label: "Create a new API", description: "An HTTP API" },
            { value: "existing", label: "Use existing API", disabled: !options.length },
          ]}
        />
      </FormField>
      {intent === "new" ? (
        <FormField label="API name">
          <Input value={apiName} onChange={({ detail }) => setApiName(detail.value)} />
        </FormField>
      ) : (
        <FormField label="Existing API">
          <Select
            selectedOption={options.find((one) => one.value === existing) ?? null}
            options={options}
            onChange={({ detail }) => setExisting(detail.selectedOption.value)}
            filteringType="auto"
            placeholder="Choose an API"
          />
        </FormField>
      )}
      <FormField label="Security" description={`Who may call ANY /${view.name}.`}>
        <RadioGroup
          value={security}
          onChange={({ detail }) => setSecurity(detail.value as "NONE")}
          items={[
            { value: "NONE", label: "Open", description: "Everyone who reaches this cloud." },
            { value: "AWS_IAM", label: "IAM", description: "Only requests that are signed with keys of this account." },
          ]}
        />
      </FormField>
    </EditModal>
  );
}

/** A new HTTP API that is served at once; returns its ID. */
async function createApi(gateway: ApiGatewayV2Client, name: string): Promise<string> {
  const { ApiId } = await gateway.send(new CreateApiCommand({ Name: name, ProtocolType: "HTTP" }));
  await gateway.send(new CreateStageCommand({ ApiId, StageName: "$default", AutoDeploy: true }));
  return ApiId!;
}
