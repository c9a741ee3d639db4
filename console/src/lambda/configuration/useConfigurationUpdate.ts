import { LambdaClient, UpdateFunctionConfigurationCommand, type UpdateFunctionConfigurationCommandInput, waitUntilFunctionUpdatedV2 } from "@aws-sdk/client-lambda";
import { useClient } from "../../aws/clients";
import { useFlash } from "../../shared/flash";
import type { PartProps } from "./Configuration";

type Changes = Partial<UpdateFunctionConfigurationCommandInput>;

/** Changes the function's configuration and waits until the change is in force. Throws AWS's error. */
export function useConfigurationUpdate({ view, onChanged }: PartProps): (changes: Changes) => Promise<void> {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  return async (changes) => {
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: view.name, ...changes }));
    await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName: view.name });
    flash.success(`Successfully updated the function ${view.name}.`);
    await onChanged();
  };
}
