import { ApiGatewayV2Client, CreateApiCommand, CreateIntegrationCommand, CreateRouteCommand, CreateStageCommand, GetApisCommand } from "@aws-sdk/client-apigatewayv2";
import { AddPermissionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { Alert, Box, Button, FormField, Input, Modal, RadioGroup, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { awsError } from "../aws/errors";
import { useSession } from "../aws/session";
import { useLive } from "../aws/useLive";
import { useFlash } from "../shared/flash";
import type { FunctionView } from "./function";

/** Put an HTTP API in front of the function: a new one, or a route of one that is there. */
export function AddTrigger({ view, onAdded, onClose }: { view: FunctionView; onAdded(): void; onClose(): void }) {
  const gateway = useClient(ApiGatewayV2Client);
  const lambda = useClient(LambdaClient);
  const { session } = useSession();
  const flash = useFlash();
  const [intent, setIntent] = useState("new");
  const [apiName, setApiName] = useState(`${view.name}-API`);
  const [existing, setExisting] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const apis = useLive(async () => (await gateway.send(new GetApisCommand({ MaxResults: "500" }))).Items ?? [], [gateway], 30_000);

  async function add() {
    setBusy(true);
    setError(undefined);
    try {
      let apiId = existing;
      if (intent === "new") {
        const api = await gateway.send(new CreateApiCommand({ Name: apiName, ProtocolType: "HTTP" }));
        apiId = api.ApiId;
        await gateway.send(new CreateStageCommand({ ApiId: apiId, StageName: "$default", AutoDeploy: true }));
      }
      const arn = view.configuration.FunctionArn!;
      const integration = await gateway.send(
        new CreateIntegrationCommand({ ApiId: apiId, IntegrationType: "AWS_PROXY", IntegrationUri: arn, PayloadFormatVersion: "2.0" }),
      );
      await gateway.send(
        new CreateRouteCommand({ ApiId: apiId, RouteKey: `ANY /${view.name}`, Target: `integrations/${integration.IntegrationId}` }),
      );
      await lambda.send(
        new AddPermissionCommand({
          FunctionName: view.name,
          Qualifier: view.qualifier,
          StatementId: `lambda-${crypto.randomUUID()}`,
          Action: "lambda:InvokeFunction",
          Principal: "apigateway.amazonaws.com",
          SourceArn: `arn:aws:execute-api:${session.region}:${session.account}:${apiId}/*/*/${view.name}`,
        }),
      );
      flash.success(`The trigger ${intent === "new" ? apiName : apiId} was successfully added to function ${view.name}. The function is now receiving events from the trigger.`);
      onAdded();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  }

  const failure = error === undefined ? undefined : awsError(error);
  return (
    <Modal
      visible
      header="Add trigger"
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={intent === "new" ? !apiName : !existing} onClick={() => void add()}>
              Add
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <FormField label="Trigger configuration">
          <Select selectedOption={{ value: "api", label: "API Gateway", description: "HTTP API" }} options={[{ value: "api", label: "API Gateway", description: "HTTP API" }]} onChange={() => undefined} />
        </FormField>
        <FormField label="Intent">
          <RadioGroup
            value={intent}
            onChange={({ detail }) => setIntent(detail.value)}
            items={[
              { value: "new", label: "Create a new API" },
              { value: "existing", label: "Use existing API", disabled: !apis.data?.length },
            ]}
          />
        </FormField>
        {intent === "new" ? (
          <FormField label="API name" description="Everyone who reaches this cloud can call it.">
            <Input value={apiName} onChange={({ detail }) => setApiName(detail.value)} />
          </FormField>
        ) : (
          <FormField label="Existing API">
            <Select
              selectedOption={apis.data?.map((api) => ({ value: api.ApiId, label: api.Name })).find((one) => one.value === existing) ?? null}
              options={(apis.data ?? []).map((api) => ({ value: api.ApiId, label: api.Name, description: api.ApiId }))}
              onChange={({ detail }) => setExisting(detail.selectedOption.value)}
              placeholder="Choose an API"
            />
          </FormField>
        )}
        {failure && (
          <Alert type="error" header={failure.code}>
            {failure.message}
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}
