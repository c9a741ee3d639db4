import type { SecurityGroup, Subnet } from "@aws-sdk/client-ec2";
import { Checkbox, Container, FormField, Header, Input, Multiselect, RadioGroup, Select, SpaceBetween } from "@cloudscape-design/components";
import type { Live } from "../../aws/useLive";
import { DraftRules } from "../security/RulesEditor";
import { type Draft, emptyDraft } from "../security/rules";
import { useMyAddress } from "../security/useMyAddress";
import type { SectionProps } from "./section";

/** Subnet, public address, and the firewall: a new security group with usual rules, or groups that are there. */
export function NetworkSection({ plan, change, groups, subnets }: SectionProps & { groups: Live<SecurityGroup[]>; subnets: Live<Subnet[]> }) {
  const mine = useMyAddress();
  const subnetOptions = [
    { value: "", label: "No preference (default subnet in any availability zone)" },
    ...(subnets.data ?? []).map((one) => ({ value: one.SubnetId, label: one.SubnetId, description: `${one.CidrBlock} in ${one.AvailabilityZone}, ${one.VpcId}` })),
  ];
  const groupOptions = (groups.data ?? []).map((one) => ({ value: one.GroupId, label: one.GroupName, description: one.GroupId }));

  return (
    <Container header={<Header variant="h2">Network settings</Header>}>
      <SpaceBetween size="l">
        <FormField label="Subnet">
          <Select
            selectedOption={subnetOptions.find((one) => one.value === (plan.subnetId ?? "")) ?? null}
            options={subnetOptions}
            onChange={({ detail }) => change({ subnetId: detail.selectedOption.value || undefined })}
          />
        </FormField>
        <Checkbox checked={plan.publicAddress} onChange={({ detail }) => change({ publicAddress: detail.checked })}>
          Auto-assign public IP
        </Checkbox>
        <FormField label="Firewall (security groups)" description="Rules that control the traffic for your instance.">
          <RadioGroup
            value={plan.groups}
            onChange={({ detail }) => change({ groups: detail.value as "new" })}
            items={[
              { value: "new", label: "Create security group" },
              { value: "existing", label: "Select existing security group" },
            ]}
          />
        </FormField>
        {plan.groups === "existing" ? (
          <FormField label="Common security groups">
            <Multiselect
              selectedOptions={groupOptions.filter((one) => plan.groupIds.includes(one.value!))}
              options={groupOptions}
              onChange={({ detail }) => change({ groupIds: detail.selectedOptions.map((one) => one.value!) })}
              placeholder="Select security groups"
              deselectAriaLabel={(option) => `Remove ${option.label}`}
              filteringType="auto"
            />
          </FormField>
        ) : (
          <SpaceBetween size="m">
            <FormField label="Security group name">
              <Input value={plan.groupName} onChange={({ detail }) => change({ groupName: detail.value })} />
            </FormField>
            <Usual kind="ssh" label="Allow SSH traffic from" rules={plan.rules} mine={mine} onChange={(rules) => change({ rules })} />
            <Usual kind="https" label="Allow HTTPS traffic from the internet" rules={plan.rules} onChange={(rules) => change({ rules })} />
            <Usual kind="http" label="Allow HTTP traffic from the internet" rules={plan.rules} onChange={(rules) => change({ rules })} />
            <FormField label="Inbound security group rules" stretch>
              <DraftRules drafts={plan.rules} onChange={(rules) => change({ rules })} />
            </FormField>
          </SpaceBetween>
        )}
      </SpaceBetween>
    </Container>
  );
}

interface UsualProps {
  kind: string;
  label: string;
  rules: Draft[];
  /** With an address, the rule is for it alone. */
  mine?: string;
  onChange(rules: Draft[]): void;
}

/** A usual rule, with a tick. */
function Usual({ kind, label, rules, mine, onChange }: UsualProps) {
  const on = rules.some((rule) => rule.kind === kind);
  return (
    <Checkbox
      checked={on}
      description={kind === "ssh" ? (mine ? `My IP: ${mine}/32` : "Anywhere: 0.0.0.0/0") : undefined}
      onChange={({ detail }) => {
        const others = rules.filter((rule) => rule.kind !== kind);
        const source = mine ? { sourceKind: "mine", source: `${mine}/32` } : { sourceKind: "anywhere", source: "0.0.0.0/0" };
        onChange(detail.checked ? [...others, { ...emptyDraft(kind), ...source }] : others);
      }}
    >
      {label}
    </Checkbox>
  );
}
