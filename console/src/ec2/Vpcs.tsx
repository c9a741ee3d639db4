import {
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  EC2Client,
  paginateDescribeSubnets,
  paginateDescribeVpcs,
  type Vpc,
} from "@aws-sdk/client-ec2";
import { Button, FormField, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { Enabled } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf, State } from "./parts";
import { ZonePicker } from "./ZonePicker";

/** VPCs, and the subnets in them. */
export function Vpcs() {
  const ec2 = useClient(EC2Client);
  const [dialog, setDialog] = useState<"vpc" | "subnet">();
  const vpcs = useLive(() => allPages(paginateDescribeVpcs({ client: ec2 }, {}), (page) => page.Vpcs), [ec2]);
  const subnets = useLive(() => allPages(paginateDescribeSubnets({ client: ec2 }, {}), (page) => page.Subnets), [ec2]);
  const refresh = () => Promise.all([vpcs.refresh(), subnets.refresh()]);
  const close = () => setDialog(undefined);

  return (
    <SpaceBetween size="l">
      <ResourceTable
        title="Your VPCs"
        noun="VPC"
        live={vpcs}
        selection="single"
        id={(one) => one.VpcId!}
        columns={[
          { id: "name", header: "Name", text: nameOf },
          { id: "id", header: "VPC ID", text: (one) => one.VpcId },
          { id: "state", header: "State", cell: (one) => <State state={one.State} />, text: (one) => one.State },
          { id: "cidr", header: "IPv4 CIDR", text: (one) => one.CidrBlock },
          { id: "default", header: "Default VPC", cell: (one) => (one.IsDefault ? "Yes" : "No"), text: (one) => (one.IsDefault ? "Yes" : "No") },
        ]}
        create={
          <Button variant="primary" onClick={() => setDialog("vpc")}>
            Create VPC
          </Button>
        }
        actions={(selected) => (
          <RemoveButton items={selected} noun="VPC" name={(one) => one.VpcId!} remove={(one) => ec2.send(new DeleteVpcCommand({ VpcId: one.VpcId }))} onChanged={refresh}>
            Its subnets have to be deleted first.
          </RemoveButton>
        )}
      />
      <ResourceTable
        title="Subnets"
        noun="subnet"
        live={subnets}
        selection="single"
        id={(one) => one.SubnetId!}
        columns={[
          { id: "name", header: "Name", text: nameOf },
          { id: "id", header: "Subnet ID", text: (one) => one.SubnetId },
          { id: "vpc", header: "VPC", text: (one) => one.VpcId },
          { id: "cidr", header: "IPv4 CIDR", text: (one) => one.CidrBlock },
          { id: "free", header: "Available IPv4 addresses", text: (one) => one.AvailableIpAddressCount },
          { id: "zone", header: "Availability Zone", text: (one) => one.AvailabilityZone },
          { id: "public", header: "Auto-assign public IPv4", cell: (one) => <Enabled on={one.MapPublicIpOnLaunch} yes="Yes" no="No" />, text: (one) => String(one.MapPublicIpOnLaunch) },
        ]}
        create={<Button onClick={() => setDialog("subnet")}>Create subnet</Button>}
        actions={(selected) => (
          <RemoveButton items={selected} noun="subnet" name={(one) => one.SubnetId!} remove={(one) => ec2.send(new DeleteSubnetCommand({ SubnetId: one.SubnetId }))} onChanged={refresh}>
            There may be no instance in it.
          </RemoveButton>
        )}
      />
      {dialog === "vpc" && <CreateVpc onClose={close} onCreated={refresh} />}
      {dialog === "subnet" && <CreateSubnet vpcs={vpcs.data ?? []} onClose={close} onCreated={refresh} />}
    </SpaceBetween>
  );
}

function CreateVpc({ onCreated, onClose }: { onCreated(): Promise<unknown>; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [cidr, setCidr] = useState("10.0.0.0/16");

  async function create() {
    const made = await ec2.send(new CreateVpcCommand({ CidrBlock: cidr }));
    flash.success(`You successfully created ${made.Vpc?.VpcId}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create VPC" action="Create VPC" disabled={!cidr} onClose={onClose} onSave={create}>
      <FormField label="IPv4 CIDR">
        <Input value={cidr} onChange={({ detail }) => setCidr(detail.value)} />
      </FormField>
    </EditModal>
  );
}

function CreateSubnet({ vpcs, onCreated, onClose }: { vpcs: Vpc[]; onCreated(): Promise<unknown>; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [vpc, setVpc] = useState<string>();
  const [cidr, setCidr] = useState("10.0.0.0/24");
  const [zone, setZone] = useState<string>();

  async function create() {
    const made = await ec2.send(new CreateSubnetCommand({ VpcId: vpc, CidrBlock: cidr, AvailabilityZone: zone }));
    flash.success(`You have successfully created 1 subnet: ${made.Subnet?.SubnetId}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create subnet" action="Create subnet" disabled={!vpc || !zone || !cidr} onClose={onClose} onSave={create}>
      <FormField label="VPC ID">
        <Select
          selectedOption={vpc ? { value: vpc, label: vpc } : null}
          options={vpcs.map((one) => ({ value: one.VpcId, label: one.VpcId, description: one.CidrBlock }))}
          onChange={({ detail }) => setVpc(detail.selectedOption.value)}
          placeholder="Select a VPC"
        />
      </FormField>
      <ZonePicker value={zone} onChange={setZone} />
      <FormField label="IPv4 subnet CIDR block">
        <Input value={cidr} onChange={({ detail }) => setCidr(detail.value)} />
      </FormField>
    </EditModal>
  );
}
