import { type FunctionEventInvokeConfig, GetFunctionEventInvokeConfigCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { useClient } from "../aws/clients";
import { type Live, useLive } from "../aws/useLive";
import type { FunctionView } from "./function";

/** How asynchronous invocations are treated; null where AWS's defaults are in force. */
export function useEventInvokeConfig(view: FunctionView): Live<FunctionEventInvokeConfig | null> {
  const lambda = useClient(LambdaClient);
  return useLive(
    async () =>
      lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: view.name, Qualifier: view.qualifier })).catch((error: Error) => {
        if (error.name === "ResourceNotFoundException") return null;
        throw error;
      }),
    [lambda, view.name, view.qualifier],
    10_000,
  );
}
