import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  EC2Client,
  paginateDescribeSecurityGroupRules,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  type SecurityGroupRule,
} from "@aws-sdk/client-ec2";
import { AttributeEditor, Box, Button, Header, Input, Modal, Select, SpaceBetween, Table } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { useFlash } from "../../shared/flash";
import { type Draft, emptyDraft, KINDS, permissionOf, portText, protocolText, sourceText } from "./rules";
import { useMyAddress } from "./useMyAddress";

interface Props {
  groupId: string;
  egress: boolean;
  title: string;
}

/** The rules of a security group in one direction, and the editor for them. */
export function RulesEditor({ groupId, egress, title }: Props) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [drafts, setDrafts] = useState<Draft[]>();
  const [chosen, setChosen] = useState<SecurityGroupRule[]>([]);
  const live = useLive(
    async () => {
      const rules = await allPages(
        paginateDescribeSecurityGroupRules({ client: ec2 }, { Filters: [{ Name: "group-id", Values: [groupId] }] }),
        (page) => page.SecurityGroupRules,
      );
      return rules.filter((rule) => rule.IsEgress === egress);
    },
    [ec2, groupId, egress],
  );

  async function add() {
    const command = { GroupId: groupId, IpPermissions: drafts!.map(permissionOf) };
    const done = await flash.attempt({ doing: "add the rules", done: `${egress ? "Outbound" : "Inbound"} security group rules successfully modified on security group (${groupId})` }, async (): Promise<unknown> =>
      egress ? ec2.send(new AuthorizeSecurityGroupEgressCommand(command)) : ec2.send(new AuthorizeSecurityGroupIngressCommand(command)),
    );
    if (done) setDrafts(undefined);
    await live.refresh();
  }

  async function remove() {
    const command = { GroupId: groupId, SecurityGroupRuleIds: chosen.map((rule) => rule.SecurityGroupRuleId!) };
    await flash.attempt({ doing: "delete the rules", done: `Deleted ${chosen.length} rule(s) of ${groupId}.` }, async (): Promise<unknown> =>
      egress ? ec2.send(new RevokeSecurityGroupEgressCommand(command)) : ec2.send(new RevokeSecurityGroupIngressCommand(command)),
    );
    setChosen([]);
    await live.refresh();
  }

  return (
    <>
      <Table
        items={live.data ?? []}
        loading={live.loading}
        loadingText="Loading rules"
        trackBy="SecurityGroupRuleId"
        selectionType="multi"
        selectedItems={chosen}
        onSelectionChange={({ detail }) => setChosen(detail.selectedItems)}
        ariaLabels={{
          tableLabel: title,
          selectionGroupLabel: title,
          allItemsSelectionLabel: () => "Select all rules",
          itemSelectionLabel: (_, rule) => `Select ${rule.SecurityGroupRuleId}`,
        }}
        header={
          <Header
            variant="h2"
            counter={live.data && `(${live.data.length})`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button disabled={!chosen.length} onClick={() => void remove()}>
                  Delete rules
                </Button>
                <Button onClick={() => setDrafts([emptyDraft()])}>Add rules</Button>
              </SpaceBetween>
            }
          >
            {title}
          </Header>
        }
        columnDefinitions={[
          { id: "id", header: "Security group rule ID", cell: (rule) => rule.SecurityGroupRuleId },
          { id: "protocol", header: "Protocol", cell: protocolText },
          { id: "ports", header: "Port range", cell: portText },
          { id: "source", header: egress ? "Destination" : "Source", cell: sourceText },
          { id: "description", header: "Description", cell: (rule) => rule.Description || "–" },
        ]}
        empty={<Box color="text-body-secondary">{egress ? "No rules: nothing goes out." : "No rules: nothing comes in."}</Box>}
      />
      {drafts && <AddRules title={`Add ${egress ? "outbound" : "inbound"} rules`} drafts={drafts} onChange={setDrafts} onSave={() => void add()} onClose={() => setDrafts(undefined)} />}
    </>
  );
}

interface AddRulesProps {
  title: string;
  drafts: Draft[];
  onChange(drafts: Draft[]): void;
  onSave(): void;
  onClose(): void;
}

function AddRules({ title, drafts, onChange, onSave, onClose }: AddRulesProps) {
  return (
    <Modal
      visible
      size="large"
      header={title}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" disabled={!drafts.length || drafts.some((draft) => !draft.source)} onClick={onSave}>
              Save rules
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <DraftRules drafts={drafts} onChange={onChange} />
    </Modal>
  );
}

/** Edits rules that are not there yet; the launch wizard uses it too. */
export function DraftRules({ drafts, onChange }: { drafts: Draft[]; onChange(drafts: Draft[]): void }) {
  const myAddress = useMyAddress();
  function change(index: number, changes: Partial<Draft>) {
    onChange(drafts.map((draft, at) => (at === index ? { ...draft, ...changes } : draft)));
  }
  const sources = [
    { value: "anywhere", label: "Anywhere-IPv4", description: "0.0.0.0/0" },
    { value: "mine", label: "My IP", description: myAddress ? `${myAddress}/32` : "unknown", disabled: !myAddress },
    { value: "custom", label: "Custom", description: "CIDR, group or prefix list" },
  ];
  return (
    <AttributeEditor
      items={drafts}
      addButtonText="Add rule"
      removeButtonText="Remove"
      empty="No rules"
      onAddButtonClick={() => onChange([...drafts, emptyDraft()])}
      onRemoveButtonClick={({ detail }) => onChange(drafts.filter((_, index) => index !== detail.itemIndex))}
      definition={[
        {
          label: "Type",
          control: (draft, index) => (
            <Select
              ariaLabel={`Type of rule ${index + 1}`}
              selectedOption={KINDS.find((kind) => kind.value === draft.kind)!}
              options={KINDS}
              onChange={({ detail }) => change(index, { kind: detail.selectedOption.value! })}
              filteringType="auto"
            />
          ),
        },
        {
          label: "Port range",
          control: (draft, index) => (
            <Input
              ariaLabel={`Ports of rule ${index + 1}`}
              disabled={!draft.kind.startsWith("custom")}
              value={draft.kind.startsWith("custom") ? draft.ports : (KINDS.find((kind) => kind.value === draft.kind)?.ports ?? "All")}
              onChange={({ detail }) => change(index, { ports: detail.value })}
              placeholder="8000-8010"
            />
          ),
        },
        {
          label: "Source type",
          control: (draft, index) => (
            <Select
              ariaLabel={`Source type of rule ${index + 1}`}
              selectedOption={sources.find((one) => one.value === draft.sourceKind)!}
              options={sources}
              onChange={({ detail }) => {
                const sourceKind = detail.selectedOption.value!;
                const source = sourceKind === "anywhere" ? "0.0.0.0/0" : sourceKind === "mine" ? `${myAddress}/32` : "";
                change(index, { sourceKind, source });
              }}
            />
          ),
        },
        {
          label: "Source",
          control: (draft, index) => (
            <Input
              ariaLabel={`Source of rule ${index + 1}`}
              disabled={draft.sourceKind !== "custom"}
              value={draft.source}
              onChange={({ detail }) => change(index, { source: detail.value })}
              placeholder="10.0.0.0/8 or sg-..."
            />
          ),
        },
        {
          label: "Description",
          control: (draft, index) => (
            <Input ariaLabel={`Description of rule ${index + 1}`} value={draft.description} onChange={({ detail }) => change(index, { description: detail.value })} />
          ),
        },
      ]}
    />
  );
}
