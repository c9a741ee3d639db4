import type { InstanceTypeInfo } from "@aws-sdk/client-ec2";
import { Container, FormField, Header, Select } from "@cloudscape-design/components";
import type { Live } from "../../aws/useLive";
import { ToPage } from "../../shared/details";
import { gib } from "../parts";
import type { SectionProps } from "./section";

function facts(type: InstanceTypeInfo): string {
  return `${type.VCpuInfo?.DefaultVCpus} vCPU, ${gib(type)} GiB memory`;
}

/** The instance type; those of the free tier first. */
export function TypeSection({ plan, change, types }: SectionProps & { types: Live<InstanceTypeInfo[]> }) {
  const sorted = [...(types.data ?? [])].sort(
    (a, b) =>
      Number(b.FreeTierEligible ?? false) - Number(a.FreeTierEligible ?? false) ||
      (a.InstanceType ?? "").localeCompare(b.InstanceType ?? "", undefined, { numeric: true }),
  );
  const options = sorted.map((type) => ({
    value: type.InstanceType,
    label: type.InstanceType,
    description: facts(type),
    tags: type.FreeTierEligible ? ["Free tier eligible"] : [],
    filteringTags: [facts(type)],
  }));
  return (
    <Container header={<Header variant="h2">Instance type</Header>}>
      <FormField label="Instance type" secondaryControl={<ToPage to="/ec2/instance-types">Compare instance types</ToPage>}>
        <Select
          selectedOption={options.find((one) => one.value === plan.instanceType) ?? { value: plan.instanceType, label: plan.instanceType }}
          options={options}
          onChange={({ detail }) => change({ instanceType: detail.selectedOption.value! })}
          filteringType="auto"
          virtualScroll
          statusType={types.loading ? "loading" : "finished"}
          loadingText="Loading instance types"
          triggerVariant="option"
        />
      </FormField>
    </Container>
  );
}
