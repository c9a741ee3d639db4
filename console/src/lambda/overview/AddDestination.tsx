import { LambdaClient, PutFunctionEventInvokeConfigCommand, type FunctionEventInvokeConfig } from "@aws-sdk/client-lambda";
import { FormField, RadioGroup } from "@cloudscape-design/components";
import { useState } from "react";
import { functionName } from "../../apigateway/api";
import { useClient } from "../../aws/clients";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import type { FunctionView } from "../function";
import { FunctionPicker } from "../FunctionPicker";

interface Props {
  view: FunctionView;
  /** What is configured so far: the rest of it stays. */
  config: FunctionEventInvokeConfig | null | undefined;
  onAdded(): unknown;
  onClose(): void;
}

/** Send the outcome of asynchronous invocations to another function. */
export function AddDestination({ view, config, onAdded, onClose }: Props) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [condition, setCondition] = useState<"OnFailure" | "OnSuccess">("OnFailure");
  const [arn, setArn] = useState("");

  async function add() {
    await lambda.send(
      new PutFunctionEventInvokeConfigCommand({
        FunctionName: view.name,
        Qualifier: view.qualifier,
        MaximumRetryAttempts: config?.MaximumRetryAttempts,
        MaximumEventAgeInSeconds: config?.MaximumEventAgeInSeconds,
        DestinationConfig: { ...config?.DestinationConfig, [condition]: { Destination: arn } },
      }),
    );
    flash.success(`The destination ${functionName(arn)} was successfully added to function ${view.name}.`);
    await onAdded();
  }

  return (
    <EditModal title="Add destination" disabled={!arn} onSave={add} onClose={onClose}>
      <FormField label="Source">Asynchronous invocation</FormField>
      <FormField label="Condition">
        <RadioGroup
          value={condition}
          onChange={({ detail }) => setCondition(detail.value as "OnFailure")}
          items={[
            { value: "OnFailure", label: "On failure", description: "When the event fails all processing attempts or becomes too old." },
            { value: "OnSuccess", label: "On success", description: "When the function has processed the event." },
          ]}
        />
      </FormField>
      <FunctionPicker label="Destination" description="The function that gets a record of the invocation." value={arn} onChange={setArn} />
    </EditModal>
  );
}
