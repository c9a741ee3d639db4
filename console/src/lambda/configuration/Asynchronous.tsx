import { DeleteFunctionEventInvokeConfigCommand, LambdaClient, PutFunctionEventInvokeConfigCommand } from "@aws-sdk/client-lambda";
import { Button, Container, FormField, Header, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { Details, Loaded } from "../../shared/details";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import { FunctionPicker } from "../FunctionPicker";
import { useEventInvokeConfig } from "../useEventInvokeConfig";
import type { PartProps } from "./Configuration";

const RETRIES = ["0", "1", "2"].map((value) => ({ value, label: value }));

/** What becomes of events that are not waited for: retries, age, destinations. */
export function Asynchronous({ view }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const named = { FunctionName: view.name, Qualifier: view.qualifier };
  const [editing, setEditing] = useState(false);
  const [age, setAge] = useState("21600");
  const [retries, setRetries] = useState("2");
  const [success, setSuccess] = useState("");
  const [failure, setFailure] = useState("");
  const live = useEventInvokeConfig(view);

  function edit() {
    setAge(String(live.data?.MaximumEventAgeInSeconds ?? 21600));
    setRetries(String(live.data?.MaximumRetryAttempts ?? 2));
    setSuccess(live.data?.DestinationConfig?.OnSuccess?.Destination ?? "");
    setFailure(live.data?.DestinationConfig?.OnFailure?.Destination ?? "");
    setEditing(true);
  }

  async function save() {
    await lambda.send(
      new PutFunctionEventInvokeConfigCommand({
        ...named,
        MaximumEventAgeInSeconds: Number(age),
        MaximumRetryAttempts: Number(retries),
        DestinationConfig: {
          ...(success && { OnSuccess: { Destination: success } }),
          ...(failure && { OnFailure: { Destination: failure } }),
        },
      }),
    );
    flash.success("The configuration was changed.");
    await live.refresh();
  }

  async function reset() {
    await flash.attempt({ doing: "reset the configuration", done: "The defaults are in force again." }, () =>
      lambda.send(new DeleteFunctionEventInvokeConfigCommand(named)),
    );
    await live.refresh();
  }

  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button disabled={!live.data} onClick={() => void reset()}>
                Reset
              </Button>
              <Button onClick={edit}>Edit</Button>
            </SpaceBetween>
          }
        >
          Asynchronous invocation
        </Header>
      }
    >
      <Loaded live={live}>
        {(config) => (
          <Details
            items={[
              ["Maximum age of event", `${config?.MaximumEventAgeInSeconds ?? 21600} s`],
              ["Retry attempts", config?.MaximumRetryAttempts ?? 2],
              ["Dead-letter queue", view.configuration.DeadLetterConfig?.TargetArn],
              ["On success", config?.DestinationConfig?.OnSuccess?.Destination],
              ["On failure", config?.DestinationConfig?.OnFailure?.Destination],
            ]}
          />
        )}
      </Loaded>
      {editing && (
        <EditModal title="Edit asynchronous configuration" onClose={() => setEditing(false)} onSave={save}>
          <FormField label="Maximum age of event (seconds)" constraintText="60 to 21600.">
            <Input type="number" value={age} onChange={({ detail }) => setAge(detail.value)} />
          </FormField>
          <FormField label="Retry attempts">
            <Select selectedOption={{ value: retries, label: retries }} options={RETRIES} onChange={({ detail }) => setRetries(detail.selectedOption.value!)} />
          </FormField>
          <FunctionPicker label="Destination on success" description="The function that gets the record of an invocation that went well." value={success} onChange={setSuccess} />
          <FunctionPicker label="Destination on failure" description="The function that gets the record of an invocation that failed for good." value={failure} onChange={setFailure} />
        </EditModal>
      )}
    </Container>
  );
}
