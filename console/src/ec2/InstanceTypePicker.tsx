import { EC2Client, type InstanceTypeInfo, paginateDescribeInstanceTypes } from "@aws-sdk/client-ec2";
import { FormField, Select } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { allPages, type Live, useLive } from "../aws/useLive";
import { ToPage } from "../shared/details";
import { gib } from "./parts";

/** The catalogue of instance types. */
export function useInstanceTypes(): Live<InstanceTypeInfo[]> {
  const ec2 = useClient(EC2Client);
  return useLive(() => allPages(paginateDescribeInstanceTypes({ client: ec2 }, {}), (page) => page.InstanceTypes), [ec2], 600_000);
}

interface Props {
  types: Live<InstanceTypeInfo[]>;
  value: string;
  onChange(type: string): void;
  label?: string;
}

/** Choose an instance type; those of the free tier come first. */
export function InstanceTypePicker({ types, value, onChange, label = "Instance type" }: Props) {
  const options = [...(types.data ?? [])].sort(byFreeTierAndName).map((type) => ({
    value: type.InstanceType,
    label: type.InstanceType,
    description: facts(type),
    tags: type.FreeTierEligible ? ["Free tier eligible"] : [],
    filteringTags: [facts(type)],
  }));
  return (
    <FormField label={label} secondaryControl={<ToPage to="/ec2/instance-types">Compare instance types</ToPage>} errorText={types.error?.message}>
      <Select
        selectedOption={options.find((one) => one.value === value) ?? { value, label: value }}
        options={options}
        onChange={({ detail }) => onChange(detail.selectedOption.value!)}
        filteringType="auto"
        virtualScroll
        statusType={types.loading ? "loading" : "finished"}
        loadingText="Loading instance types"
        triggerVariant="option"
      />
    </FormField>
  );
}

function facts(type: InstanceTypeInfo): string {
  return `${type.VCpuInfo?.DefaultVCpus} vCPU, ${gib(type)} GiB memory`;
}

function byFreeTierAndName(a: InstanceTypeInfo, b: InstanceTypeInfo): number {
  const free = Number(b.FreeTierEligible ?? false) - Number(a.FreeTierEligible ?? false);
  return free || (a.InstanceType ?? "").localeCompare(b.InstanceType ?? "", undefined, { numeric: true });
}
