import { type FunctionEventInvokeConfig, GetFunctionEventInvokeConfigCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { useClient } from "../aws/clients";
import { unlessAbsent } from "../aws/errors";
import { type Live, useLive } from "../aws/useLive";
import type { FunctionView } from "./function";
import { FOLLOWING_MS, useFollowing } from "./useFollowing";

/** How asynchronous invocations are treated; null where AWS's defaults are in force. */
export function useEventInvokeConfig(view: FunctionView): Live<FunctionEventInvokeConfig | null> {
  const lambda = useClient(LambdaClient);
  const live = useLive(
    async () => (await lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: view.name, Qualifier: view.qualifier })).catch(unlessAbsent)) ?? null,
    [lambda, view.name, view.qualifier],
    FOLLOWING_MS,
  );
  return useFollowing(view, live);
}
