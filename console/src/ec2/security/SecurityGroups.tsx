import { CreateSecurityGroupCommand, DeleteSecurityGroupCommand, DescribeVpcsCommand, EC2Client, paginateDescribeSecurityGroups } from "@aws-sdk/client-ec2";
import { Button, FormField, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { ToPage } from "../../shared/details";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import { RemoveButton } from "../../shared/RemoveButton";
import { ResourceTable } from "../../shared/ResourceTable";
import { nameOf } from "../parts";

/** The list of security groups. */
export function SecurityGroups() {
  const ec2 = useClient(EC2Client);
  const [creating, setCreating] = useState(false);
  const live = useLive(() => allPages(paginateDescribeSecurityGroups({ client: ec2 }, {}), (page) => page.SecurityGroups), [ec2]);
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
          { id: "name", header: "Name", text: nameOf },
          { id: "id", header: "Security group ID", cell: (group) => <ToPage to={`/ec2/security-groups/${group.GroupId}`}>{group.GroupId}</ToPage>, text: (group) => group.GroupId },
          { id: "group", header: "Security group name", text: (group) => group.GroupName },
          { id: "vpc", header: "VPC ID", text: (group) => group.VpcId },
          { id: "description", header: "Description", text: (group) => group.Description },
          { id: "inbound", header: "Inbound rules count", cell: (group) => group.IpPermissions?.length ?? 0, text: (group) => group.IpPermissions?.length },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create security group
          </Button>
        }
        actions={(selected) => (
          <RemoveButton
            items={selected}
            noun="security group"
            name={(group) => `${group.GroupName} (${group.GroupId})`}
            remove={(group) => ec2.send(new DeleteSecurityGroupCommand({ GroupId: group.GroupId }))}
            onChanged={live.refresh}
          >
            No instance and no rule of another group may use it.
          </RemoveButton>
        )}
      />
      {creating && <CreateGroup onClose={() => setCreating(false)} />}
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
    const made = await ec2.send(new CreateSecurityGroupCommand({ GroupName: name, Description: description, VpcId: chosen }));
    flash.success(`Security group (${made.GroupId} | ${name}) was created successfully`);
    navigate(`/ec2/security-groups/${made.GroupId}`);
  }

  return (
    <EditModal title="Create security group" action="Create security group" disabled={!name || !description} onClose={onClose} onSave={create}>
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
