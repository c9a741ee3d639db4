import type { SecurityGroup, Subnet } from "@aws-sdk/client-ec2";
import { Alert, Checkbox, Container, FormField, Header, Input, Multiselect, RadioGroup, Select, SpaceBetween } from "@cloudscape-design/components";
import type { Live } from "../../aws/useLive";
import { DraftRules } from "../security/RulesEditor";
import { type Draft, emptyDraft } from "../security/rules";
import type { SectionProps } from "./section";

interface Props extends SectionProps {
  groups: Live<SecurityGroup[]>;
  subnets: Live<Subnet[]>;
  /** This browser's address, as instances see it. */
  mine: string | undefined;
}

/** Subnet, public address, and the firewall: a new security group with usual rules, or groups that are there. */
export function NetworkSection({ plan, change, groups, subnets, mine }: Props) {
  const subnetOptions = [
    { value: "", label: "No preference (default subnet in any availability zone)" },
    ...(subnets.data ?? []).map((one) => ({ value: one.SubnetId, label: one.SubnetId, description: `${one.CidrBlock} in ${one.AvailabilityZone}, ${one.VpcId}` })),
  ];
  const groupOptions = (groups.data ?? []).map((one) => ({ value: one.GroupId, label: one.GroupName, description: one.GroupId }));

  return (
    <Container header={<Header variant="h2">Network settings</Header>}>
      <SpaceBetween size="l">
        <FormField label="Subnet" errorText={subnets.error?.message}>
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
          <FormField label="Common security groups" errorText={groups.error?.message}>
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
            <SshFrom rules={plan.rules} mine={mine} onChange={(rules) => change({ rules })} />
            <FromInternet kind="https" label="Allow HTTPS traffic from the internet" rules={plan.rules} onChange={(rules) => change({ rules })} />
            <FromInternet kind="http" label="Allow HTTP traffic from the internet" rules={plan.rules} onChange={(rules) => change({ rules })} />
            {plan.rules.some((rule) => rule.kind === "ssh" && ANYWHERE.includes(rule.source)) && (
              <Alert type="warning">Rules with source of 0.0.0.0/0 allow all IP addresses to access your instance. We recommend setting security group rules to allow access from known IP addresses only.</Alert>
            )}
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
  rules: Draft[];
  onChange(rules: Draft[]): void;
}

const ANYWHERE = ["0.0.0.0/0", "::/0"];

/** The rule that lets SSH in, and from where. */
function SshFrom({ rules, mine, onChange }: UsualProps & { mine: string | undefined }) {
  const rule = rules.find((one) => one.kind === "ssh");
  const others = rules.filter((one) => one.kind !== "ssh");
  const sources = [
    { value: "anywhere", label: "Anywhere", description: "0.0.0.0/0", cidr: "0.0.0.0/0" },
    { value: "custom", label: "Custom", description: "Type it below", cidr: "" },
    { value: "mine", label: "My IP", description: mine ? `${mine}/32` : "unknown", cidr: `${mine}/32`, disabled: !mine },
  ];
  const from = (value: string): Draft => ({ ...emptyDraft("ssh"), sourceKind: value, source: sources.find((one) => one.value === value)!.cidr });
  return (
    <SpaceBetween size="xxs">
      <Checkbox checked={!!rule} onChange={({ detail }) => onChange(detail.checked ? [from(mine ? "mine" : "anywhere"), ...others] : others)} description="Helps you connect to your instance">
        Allow SSH traffic from
      </Checkbox>
      {rule && (
        <Select
          ariaLabel="Source of SSH traffic"
          selectedOption={sources.find((one) => one.value === rule.sourceKind) ?? null}
          options={sources}
          triggerVariant="option"
          onChange={({ detail }) => onChange([from(detail.selectedOption.value!), ...others])}
        />
      )}
    </SpaceBetween>
  );
}

/** A usual rule that lets everyone in. */
function FromInternet({ kind, label, rules, onChange }: UsualProps & { kind: string; label: string }) {
  return (
    <Checkbox
      checked={rules.some((rule) => rule.kind === kind)}
      onChange={({ detail }) => {
        const others = rules.filter((rule) => rule.kind !== kind);
        onChange(detail.checked ? [...others, { ...emptyDraft(kind), sourceKind: "anywhere", source: "0.0.0.0/0" }] : others);
      }}
    >
      {label}
    </Checkbox>
  );
}
