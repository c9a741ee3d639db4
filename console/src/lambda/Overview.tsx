import { ApiGatewayV2Client, GetApisCommand } from "@aws-sdk/client-apigatewayv2";
import { GetFunctionUrlConfigCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { Box, Button, ColumnLayout, Container, Header, Link, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { AddTrigger } from "./AddTrigger";
import { apiIds, type FunctionView } from "./function";
import { runtimeLabel } from "./runtimes";

/** What is in front of the function and what it is: triggers, the function, its layers. */
export function Overview({ view, onOpenTab }: { view: FunctionView; onOpenTab(tab: string): void }) {
  const [adding, setAdding] = useState(false);
  const triggers = useTriggers(view);

  return (
    <Container
      header={
        <Header variant="h2" actions={<Button onClick={() => onOpenTab("configuration.triggers")}>Triggers</Button>}>
          Function overview
        </Header>
      }
    >
      <ColumnLayout columns={3} variant="text-grid">
        <SpaceBetween size="xs">
          <Box variant="awsui-key-label">Triggers</Box>
          {triggers.data?.map((trigger) => (
            <div key={trigger.url}>
              <Box fontWeight="bold">{trigger.kind}</Box>
              <Link href={trigger.url} external externalIconAriaLabel="Opens in a new tab">
                {trigger.url}
              </Link>
            </div>
          ))}
          {triggers.data?.length === 0 && <Box color="text-body-secondary">No triggers</Box>}
          <Button iconName="add-plus" onClick={() => setAdding(true)}>
            Add trigger
          </Button>
        </SpaceBetween>
        <SpaceBetween size="xs">
          <Box variant="awsui-key-label">Function</Box>
          <Box variant="h3" padding="n">
            {view.name}
          </Box>
          <Box color="text-body-secondary">
            {runtimeLabel(view.configuration.Runtime)}, {view.configuration.MemorySize} MB, {view.configuration.Timeout} s
          </Box>
        </SpaceBetween>
        <SpaceBetween size="xs">
          <Box variant="awsui-key-label">Layers</Box>
          <Box>{view.configuration.Layers?.length ? view.configuration.Layers.map((layer) => <div key={layer.Arn}>{layer.Arn?.split(":").slice(-2).join(":")}</div>) : "No layers"}</Box>
        </SpaceBetween>
      </ColumnLayout>
      {adding && (
        <AddTrigger
          view={view}
          onClose={() => setAdding(false)}
          onAdded={() => {
            setAdding(false);
            void triggers.refresh();
          }}
        />
      )}
    </Container>
  );
}

export interface Trigger {
  kind: string;
  url: string;
  apiId?: string;
}

/** The function's URL, and the HTTP APIs its policy lets in. */
export function useTriggers(view: FunctionView) {
  const lambda = useClient(LambdaClient);
  const gateway = useClient(ApiGatewayV2Client);
  return useLive(
    async (): Promise<Trigger[]> => {
      const ids = apiIds(view);
      const apis = ids.length ? ((await gateway.send(new GetApisCommand({ MaxResults: "500" }))).Items ?? []) : [];
      const url = await lambda
        .send(new GetFunctionUrlConfigCommand({ FunctionName: view.name, Qualifier: view.qualifier }))
        .catch(() => undefined);
      return [
        ...(url ? [{ kind: "Function URL", url: url.FunctionUrl! }] : []),
        ...apis
          .filter((api) => ids.includes(api.ApiId!))
          .map((api) => ({ kind: `API Gateway: ${api.Name}`, url: `${api.ApiEndpoint}/${view.name}`, apiId: api.ApiId })),
      ];
    },
    [lambda, gateway, view.name, view.qualifier, apiIds(view).join()],
    10_000,
  );
}
