import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  EC2Client,
  ModifySecurityGroupRulesCommand,
  paginateDescribeSecurityGroupRules,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
} from "@aws-sdk/client-ec2";
import { AttributeEditor, Box, Button, Header, Input, Select, Table } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { EditModal } from "../../shared/EditModal";
import { LiveFailure } from "../../shared/Failure";
import { useFlash } from "../../shared/flash";
import { type Draft, draftOf, emptyDraft, KINDS, kindText, permissionOf, portText, protocolText, requestOf, sourceText } from "./rules";
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

  async function save() {
    const rules = live.data ?? [];
    const fresh = drafts!.filter((draft) => !draft.id).map(permissionOf);
    const changed = drafts!.filter((draft) => draft.id && JSON.stringify(draft) !== JSON.stringify(draftOf(rules.find((rule) => rule.SecurityGroupRuleId === draft.id)!)));
    const gone = rules.filter((rule) => draftOf(rule) && !drafts!.some((draft) => draft.id === rule.SecurityGroupRuleId)).map((rule) => rule.SecurityGroupRuleId!);
    try {
      if (changed.length)
        await ec2.send(new ModifySecurityGroupRulesCommand({ GroupId: groupId, SecurityGroupRules: changed.map((draft) => ({ SecurityGroupRuleId: draft.id, SecurityGroupRule: requestOf(draft) })) }));
      if (fresh.length) await (egress ? ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId: groupId, IpPermissions: fresh })) : ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions: fresh })));
      if (gone.length) await (egress ? ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId: groupId, SecurityGroupRuleIds: gone })) : ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: groupId, SecurityGroupRuleIds: gone })));
    } finally {
      await live.refresh();
    }
    flash.success(`${egress ? "Outbound" : "Inbound"} security group rules successfully modified on security group (${groupId})`);
  }

  const edit = `Edit ${egress ? "outbound" : "inbound"} rules`;
  return (
    <>
      <LiveFailure live={live} />
      <Table
        items={live.data ?? []}
        loading={live.loading}
        loadingText="Loading rules"
        trackBy="SecurityGroupRuleId"
        ariaLabels={{ tableLabel: title }}
        header={
          <Header
            variant="h2"
            counter={live.data && `(${live.data.length})`}
            actions={
              <Button disabled={!live.data} onClick={() => setDrafts(live.data!.map(draftOf).filter((draft) => draft !== undefined))}>
                {edit}
              </Button>
            }
          >
            {title}
          </Header>
        }
        columnDefinitions={[
          { id: "id", header: "Security group rule ID", cell: (rule) => rule.SecurityGroupRuleId },
          { id: "type", header: "Type", cell: kindText },
          { id: "protocol", header: "Protocol", cell: protocolText },
          { id: "ports", header: "Port range", cell: portText },
          { id: "source", header: egress ? "Destination" : "Source", cell: sourceText },
          { id: "description", header: "Description", cell: (rule) => rule.Description || "–" },
        ]}
        empty={<Box color="text-body-secondary">{live.error ? "The rules could not be fetched." : egress ? "No rules: nothing goes out." : "No rules: nothing comes in."}</Box>}
      />
      {drafts && (
        <EditModal title={edit} action="Save rules" size="max" disabled={drafts.some((draft) => !draft.source)} onSave={save} onClose={() => setDrafts(undefined)}>
          <DraftRules drafts={drafts} egress={egress} onChange={setDrafts} />
        </EditModal>
      )}
    </>
  );
}

/** Edits rules; the launch wizard uses it too. */
export function DraftRules({ drafts, egress = false, onChange }: { drafts: Draft[]; egress?: boolean; onChange(drafts: Draft[]): void }) {
  const myAddress = useMyAddress();
  function change(index: number, changes: Partial<Draft>) {
    onChange(drafts.map((draft, at) => (at === index ? { ...draft, ...changes } : draft)));
  }
  const sources = [
    { value: "anywhere", label: "Anywhere-IPv4", description: "0.0.0.0/0" },
    { value: "anywhere-v6", label: "Anywhere-IPv6", description: "::/0" },
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
          label: egress ? "Destination type" : "Source type",
          control: (draft, index) => (
            <Select
              ariaLabel={`Source type of rule ${index + 1}`}
              selectedOption={sources.find((one) => one.value === draft.sourceKind)!}
              options={sources}
              onChange={({ detail }) => {
                const sourceKind = detail.selectedOption.value!;
                const source = { anywhere: "0.0.0.0/0", "anywhere-v6": "::/0", mine: `${myAddress}/32` }[sourceKind] ?? "";
                change(index, { sourceKind, source });
              }}
            />
          ),
        },
        {
          label: egress ? "Destination" : "Source",
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
