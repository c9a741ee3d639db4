import { Checkbox, ExpandableSection, FormField, Input, Select, SpaceBetween, Textarea } from "@cloudscape-design/components";
import type { SectionProps } from "./section";

const SHUTDOWN = [
  { value: "stop", label: "Stop" },
  { value: "terminate", label: "Terminate" },
];
const TOKENS = [
  { value: "required", label: "V2 only (token required)" },
  { value: "optional", label: "V1 and V2 (token optional)" },
];

export function AdvancedSection({ plan, change }: SectionProps) {
  return (
    <ExpandableSection variant="container" headerText="Advanced details">
      <SpaceBetween size="l">
        <Checkbox checked={plan.spot} onChange={({ detail }) => change({ spot: detail.checked })} description="Given back when on-demand instances need the capacity.">
          Request Spot Instances
        </Checkbox>
        <FormField label="IAM instance profile">
          <Input value={plan.profile} onChange={({ detail }) => change({ profile: detail.value })} placeholder="Name of an instance profile" />
        </FormField>
        <FormField label="Shutdown behavior">
          <Select
            selectedOption={SHUTDOWN.find((one) => one.value === plan.shutdown)!}
            options={SHUTDOWN}
            disabled={plan.spot}
            onChange={({ detail }) => change({ shutdown: detail.selectedOption.value as "stop" })}
          />
        </FormField>
        <Checkbox checked={plan.hibernation} onChange={({ detail }) => change({ hibernation: detail.checked })}>
          Stop - Hibernate behavior
        </Checkbox>
        <Checkbox checked={plan.protection} onChange={({ detail }) => change({ protection: detail.checked })}>
          Termination protection
        </Checkbox>
        <Checkbox checked={plan.monitoring} onChange={({ detail }) => change({ monitoring: detail.checked })}>
          Detailed CloudWatch monitoring
        </Checkbox>
        <FormField label="Metadata version">
          <Select
            selectedOption={TOKENS.find((one) => one.value === plan.httpTokens)!}
            options={TOKENS}
            onChange={({ detail }) => change({ httpTokens: detail.selectedOption.value as "required" })}
          />
        </FormField>
        <FormField label="User data" description="A script (#!/bin/sh ...) or cloud-config that runs at the first boot." stretch>
          <Textarea value={plan.userData} onChange={({ detail }) => change({ userData: detail.value })} rows={6} spellcheck={false} />
        </FormField>
      </SpaceBetween>
    </ExpandableSection>
  );
}
