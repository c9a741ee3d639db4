import type { FunctionConfiguration } from "@aws-sdk/client-lambda";
import { StatusIndicator } from "@cloudscape-design/components";

/** Whether the function can be invoked, and why not. */
export function FunctionState({ configuration }: { configuration: FunctionConfiguration }) {
  const { State: state, StateReason: reason, LastUpdateStatus: update, LastUpdateStatusReason: updateReason } = configuration;
  if (state === "Failed" || update === "Failed") return <StatusIndicator type="error">{reason ?? updateReason ?? "Failed"}</StatusIndicator>;
  if (state === "Pending" || update === "InProgress") return <StatusIndicator type="in-progress">Updating</StatusIndicator>;
  return <StatusIndicator>{state ?? "Active"}</StatusIndicator>;
}
