import { DeleteFunctionUrlConfigCommand, GetFunctionUrlConfigCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { Box, Button, Container, FormField, Header, RadioGroup, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { unlessAbsent } from "../../aws/errors";
import { useLive } from "../../aws/useLive";
import { Details, Loaded, ToSite, when } from "../../shared/details";
import { useFlash } from "../../shared/flash";
import { EditModal } from "../../shared/EditModal";
import { RemoveButton } from "../../shared/RemoveButton";
import { createUrl } from "../url";
import type { PartProps } from "./Configuration";

const MODES = [
  { value: "BUFFERED", label: "BUFFERED" },
  { value: "RESPONSE_STREAM", label: "RESPONSE_STREAM" },
];

/** The function's own HTTP endpoint. */
export function FunctionUrl({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const named = { FunctionName: view.name, Qualifier: view.qualifier };
  const [creating, setCreating] = useState(false);
  const [auth, setAuth] = useState<"NONE" | "AWS_IAM">("NONE");
  const [mode, setMode] = useState("BUFFERED");
  const live = useLive(
    async () => (await lambda.send(new GetFunctionUrlConfigCommand(named)).catch(unlessAbsent)) ?? null,
    [lambda, view.name, view.qualifier],
    10_000,
  );

  async function create() {
    await createUrl(lambda, { FunctionName: view.name, Qualifier: view.qualifier }, auth, mode as "BUFFERED");
    flash.success("The function URL was created.");
    await Promise.all([live.refresh(), onChanged()]);
  }

  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            live.data ? (
              <RemoveButton
                items={[live.data]}
                noun="function URL"
                name={(url) => url.FunctionUrl!}
                remove={() => lambda.send(new DeleteFunctionUrlConfigCommand(named))}
                onChanged={live.refresh}
              >
                Nothing answers at this address then, and a new URL has another one.
              </RemoveButton>
            ) : (
              <Button onClick={() => setCreating(true)}>Create function URL</Button>
            )
          }
        >
          Function URL
        </Header>
      }
    >
      <Loaded live={live}>
        {(url) =>
          url ? (
            <Details
              items={[
                ["Function URL", <ToSite url={url.FunctionUrl} />],
                ["Auth type", url.AuthType],
                ["Invoke mode", url.InvokeMode],
                ["Creation time", when(url.CreationTime)],
              ]}
            />
          ) : (
            <Box color="text-body-secondary">No function URL is configured.</Box>
          )
        }
      </Loaded>
      {creating && (
        <EditModal title="Create function URL" action="Create function URL" onClose={() => setCreating(false)} onSave={create}>
          <FormField label="Auth type">
            <RadioGroup
              value={auth}
              onChange={({ detail }) => setAuth(detail.value as "NONE")}
              items={[
                { value: "AWS_IAM", label: "AWS_IAM", description: "Only signed requests of this account." },
                { value: "NONE", label: "NONE", description: "Everyone who reaches this cloud." },
              ]}
            />
          </FormField>
          <FormField label="Invoke mode">
            <Select selectedOption={{ value: mode, label: mode }} options={MODES} onChange={({ detail }) => setMode(detail.selectedOption.value!)} />
          </FormField>
        </EditModal>
      )}
    </Container>
  );
}
