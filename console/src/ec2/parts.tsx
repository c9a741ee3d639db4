import type { Instance, InstanceTypeInfo, Tag } from "@aws-sdk/client-ec2";
import { StatusIndicator, type StatusIndicatorProps } from "@cloudscape-design/components";

/** The tag `Name`, which is how people call a thing. */
export function nameOf(thing: { Tags?: Tag[] }): string {
  return thing.Tags?.find((tag) => tag.Key === "Name")?.Value ?? "";
}

const STATES: Record<string, StatusIndicatorProps.Type> = {
  running: "success",
  pending: "pending",
  stopping: "in-progress",
  "shutting-down": "in-progress",
  stopped: "stopped",
  terminated: "stopped",
};

const LABELS: Record<string, string> = { "shutting-down": "Shutting-down" };

export function InstanceState({ instance }: { instance: Instance }) {
  const state = instance.State?.Name ?? "";
  return <StatusIndicator type={STATES[state] ?? "info"}>{LABELS[state] ?? state.charAt(0).toUpperCase() + state.slice(1)}</StatusIndicator>;
}

const GOOD = new Set(["available", "completed", "active", "in-use", "ok", "fulfilled", "passed"]);
const BUSY = new Set(["creating", "pending", "attaching", "detaching", "deleting", "open", "initializing", "modifying", "optimizing"]);

/** Any other AWS state word. */
export function State({ state }: { state: string | undefined }) {
  if (!state) return <>–</>;
  const type = GOOD.has(state) ? "success" : BUSY.has(state) ? "in-progress" : state.includes("fail") || state === "error" ? "error" : "stopped";
  return <StatusIndicator type={type}>{state.charAt(0).toUpperCase() + state.slice(1)}</StatusIndicator>;
}

/** The types of EBS volumes, to choose from. */
export const VOLUME_TYPES = ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"].map((value) => ({ value, label: value }));

/** The memory of an instance type in GiB, as people read it. */
export function gib(type: InstanceTypeInfo): string {
  return ((type.MemoryInfo?.SizeInMiB ?? 0) / 1024).toLocaleString(undefined, { maximumFractionDigits: 2 });
}
