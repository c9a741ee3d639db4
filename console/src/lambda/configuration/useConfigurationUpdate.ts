import { LambdaClient, UpdateFunctionConfigurationCommand, type UpdateFunctionConfigurationCommandInput, waitUntilFunctionUpdatedV2 } from "@aws-sdk/client-lambda";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { useFlash } from "../../shared/flash";
import type { PartProps } from "./Configuration";

/** Change the function's configuration and wait until the change is in force. */
export function useConfigurationUpdate({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [busy, setBusy] = useState(false);

  async function update(changes: Partial<UpdateFunctionConfigurationCommandInput>): Promise<boolean> {
    setBusy(true);
    const done = await flash.attempt({ doing: `update the function ${view.name}`, done: `Successfully updated the function ${view.name}.` }, async () => {
      await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: view.name, ...changes }));
      await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName: view.name });
    });
    setBusy(false);
    await onChanged();
    return done;
  }

  return { update, busy };
}
