import { Badge } from "@cloudscape-design/components";
import { ResourceTable } from "../shared/ResourceTable";
import { useInstanceTypes } from "./InstanceTypePicker";
import { gib } from "./parts";

/** The catalogue of instance types. */
export function InstanceTypes() {
  const live = useInstanceTypes();
  return (
    <ResourceTable
      title="Instance types"
      noun="instance type"
      variant="full-page"
      live={live}
      id={(one) => one.InstanceType!}
      columns={[
        { id: "type", header: "Instance type", text: (one) => one.InstanceType },
        { id: "free", header: "Free-Tier eligible", cell: (one) => (one.FreeTierEligible ? <Badge color="green">Free tier eligible</Badge> : "–"), text: (one) => (one.FreeTierEligible ? "free tier" : "") },
        { id: "vcpus", header: "vCPUs", text: (one) => one.VCpuInfo?.DefaultVCpus },
        { id: "memory", header: "Memory (GiB)", cell: (one) => gib(one), text: (one) => one.MemoryInfo?.SizeInMiB },
        {
          id: "architecture",
          header: "Architecture",
          cell: (one) => one.ProcessorInfo?.SupportedArchitectures?.join(", "),
          text: (one) => one.ProcessorInfo?.SupportedArchitectures?.join(),
        },
        { id: "network", header: "Network performance", text: (one) => one.NetworkInfo?.NetworkPerformance },
        { id: "gpus", header: "GPUs", cell: (one) => one.GpuInfo?.Gpus?.map((gpu) => `${gpu.Count} ${gpu.Name}`).join(", ") ?? "–", text: (one) => one.GpuInfo?.Gpus?.length },
        { id: "burst", header: "Burstable", cell: (one) => (one.BurstablePerformanceSupported ? "Yes" : "No"), text: (one) => String(one.BurstablePerformanceSupported), visible: false },
      ]}
    />
  );
}
