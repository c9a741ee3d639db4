import { CreateSecurityGroupCommand, DeleteSecurityGroupCommand, DescribeVpcsCommand, EC2Client, paginateDescribeSecurityGroups, type SecurityGroup } from "@aws-sdk/client-ec2";
import { Button, FormField, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { ConfirmModal } from "../../shared/ConfirmModal";
import { ToPage } from "../../shared/details";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import { ResourceTable } from "../../shared/ResourceTable";
import { nameOf } from "../parts";

/** The list of security groups. */
export function SecurityGroups() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<SecurityGroup[]>();
  const live = useLive(() => allPages(paginateDescribeSecurityGroups({ client: ec2 }, {}), (page) => page.SecurityGroups), [ec2]);
  const create = (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create security group
    </Button>
  );
  return (
    <>
      <ResourceTable
        title="Security groups"
        noun="security group"
        variant="full-page"
        live={live}
        selection="multi"
        id={(group) => group.GroupId!}
        columns={[
          { id: "name", header: "Name", cell: (group) => nameOf(group) || "–", text: nameOf },
          { id: "id", header: "Security group ID", cell: (group) => <ToPage to={`/ec2/security-groups/${group.GroupId}`}>{group.GroupId}</ToPage>, text: (group) => group.GroupId! },
          { id: "group", header: "Security group name", cell: (group) => group.GroupName, text: (group) => group.GroupName! },
          { id: "vpc", header: "VPC ID", cell: (group) => group.VpcId, text: (group) => group.VpcId ?? "" },
          { id: "description", header: "Description", cell: (group) => group.Description, text: (group) => group.Description ?? "" },
          { id: "inbound", header: "Inbound rules count", cell: (group) => group.IpPermissions?.length ?? 0, text: (group) => group.IpPermissions?.length ?? 0 },
        ]}
        create={create}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {creating && <CreateGroup onClose={() => setCreating(false)} />}
      {deleting && (
        <ConfirmModal
          title="Delete security groups"
          action="Delete"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const group of deleting) await ec2.send(new DeleteSecurityGroupCommand({ GroupId: group.GroupId }));
            flash.success(`Deleted ${deleting.length} security group(s).`);
            await live.refresh();
          }}
        >
          <b>{deleting.map((group) => group.GroupName).join(", ")}</b>
        </ConfirmModal>
      )}
    </>
  );
}

function CreateGroup({ onClose }: { onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [vpc, setVpc] = useState<string>();
  const vpcs = useLive(async () => (await ec2.send(new DescribeVpcsCommand({}))).Vpcs ?? [], [ec2], 60_000);
  const chosen = vpc ?? vpcs.data?.find((one) => one.IsDefault)?.VpcId;

  async function create() {
    await flash.attempt({ doing: "create the security group", done: `Security group (${name}) was created successfully` }, async () => {
      const made = await ec2.send(new CreateSecurityGroupCommand({ GroupName: name, Description: description, VpcId: chosen }));
      onClose();
      navigate(`/ec2/security-groups/${made.GroupId}`);
    });
  }

  return (
    <EditModal title="Create security group" action="Create security group" disabled={!name || !description} onClose={onClose} onSave={() => void create()}>
      <FormField label="Security group name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="MyWebServerGroup" />
      </FormField>
      <FormField label="Description">
        <Input value={description} onChange={({ detail }) => setDescription(detail.value)} placeholder="Allows SSH access to developers" />
      </FormField>
      <FormField label="VPC">
        <Select
          selectedOption={chosen ? { value: chosen, label: chosen } : null}
          options={(vpcs.data ?? []).map((one) => ({ value: one.VpcId, label: one.VpcId, description: one.CidrBlock, labelTag: one.IsDefault ? "default" : undefined }))}
          onChange={({ detail }) => setVpc(detail.selectedOption.value)}
        />
      </FormField>
    </EditModal>
  );
}
