import {
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeAvailabilityZonesCommand,
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
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf, State } from "./parts";

/** VPCs, and the subnets in them. */
export function Vpcs() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [dialog, setDialog] = useState<"vpc" | "subnet">();
  const vpcs = useLive(() => allPages(paginateDescribeVpcs({ client: ec2 }, {}), (page) => page.Vpcs), [ec2]);
  const subnets = useLive(() => allPages(paginateDescribeSubnets({ client: ec2 }, {}), (page) => page.Subnets), [ec2]);

  async function act(doing: string, done: string, action: () => Promise<unknown>) {
    if (await flash.attempt({ doing, done }, action)) setDialog(undefined);
    await Promise.all([vpcs.refresh(), subnets.refresh()]);
  }

  return (
    <SpaceBetween size="l">
      <ResourceTable
        title="Your VPCs"
        noun="VPC"
        live={vpcs}
        selection="single"
        id={(one) => one.VpcId!}
        columns={[
          { id: "name", header: "Name", cell: (one) => nameOf(one) || "–", text: nameOf },
          { id: "id", header: "VPC ID", cell: (one) => one.VpcId, text: (one) => one.VpcId! },
          { id: "state", header: "State", cell: (one) => <State state={one.State} />, text: (one) => one.State ?? "" },
          { id: "cidr", header: "IPv4 CIDR", cell: (one) => one.CidrBlock, text: (one) => one.CidrBlock ?? "" },
          { id: "default", header: "Default VPC", cell: (one) => (one.IsDefault ? "Yes" : "No"), text: (one) => (one.IsDefault ? "Yes" : "No") },
        ]}
        actions={([vpc]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!vpc} onClick={() => void act("delete the VPC", `${vpc.VpcId} was deleted.`, () => ec2.send(new DeleteVpcCommand({ VpcId: vpc.VpcId })))}>
              Delete VPC
            </Button>
            <Button variant="primary" onClick={() => setDialog("vpc")}>
              Create VPC
            </Button>
          </SpaceBetween>
        )}
      />
      <ResourceTable
        title="Subnets"
        noun="subnet"
        live={subnets}
        selection="single"
        id={(one) => one.SubnetId!}
        columns={[
          { id: "name", header: "Name", cell: (one) => nameOf(one) || "–", text: nameOf },
          { id: "id", header: "Subnet ID", cell: (one) => one.SubnetId, text: (one) => one.SubnetId! },
          { id: "vpc", header: "VPC", cell: (one) => one.VpcId, text: (one) => one.VpcId ?? "" },
          { id: "cidr", header: "IPv4 CIDR", cell: (one) => one.CidrBlock, text: (one) => one.CidrBlock ?? "" },
          { id: "free", header: "Available IPv4 addresses", cell: (one) => one.AvailableIpAddressCount, text: (one) => one.AvailableIpAddressCount ?? 0 },
          { id: "zone", header: "Availability Zone", cell: (one) => one.AvailabilityZone, text: (one) => one.AvailabilityZone ?? "" },
          { id: "public", header: "Auto-assign public IPv4", cell: (one) => <Enabled on={one.MapPublicIpOnLaunch} yes="Yes" no="No" />, text: (one) => String(one.MapPublicIpOnLaunch) },
        ]}
        actions={([subnet]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!subnet} onClick={() => void act("delete the subnet", `${subnet.SubnetId} was deleted.`, () => ec2.send(new DeleteSubnetCommand({ SubnetId: subnet.SubnetId })))}>
              Delete subnet
            </Button>
            <Button onClick={() => setDialog("subnet")}>Create subnet</Button>
          </SpaceBetween>
        )}
      />
      {dialog === "vpc" && (
        <CreateVpc onClose={() => setDialog(undefined)} onCreate={(cidr) => act("create the VPC", "The VPC was created.", () => ec2.send(new CreateVpcCommand({ CidrBlock: cidr })))} />
      )}
      {dialog === "subnet" && (
        <CreateSubnet
          vpcs={vpcs.data ?? []}
          onClose={() => setDialog(undefined)}
          onCreate={(vpc, cidr, zone) => act("create the subnet", "The subnet was created.", () => ec2.send(new CreateSubnetCommand({ VpcId: vpc, CidrBlock: cidr, AvailabilityZone: zone })))}
        />
      )}
    </SpaceBetween>
  );
}

function CreateVpc({ onCreate, onClose }: { onCreate(cidr: string): void; onClose(): void }) {
  const [cidr, setCidr] = useState("10.0.0.0/16");
  return (
    <EditModal title="Create VPC" action="Create VPC" disabled={!cidr} onClose={onClose} onSave={() => onCreate(cidr)}>
      <FormField label="IPv4 CIDR">
        <Input value={cidr} onChange={({ detail }) => setCidr(detail.value)} />
      </FormField>
    </EditModal>
  );
}

function CreateSubnet({ vpcs, onCreate, onClose }: { vpcs: Vpc[]; onCreate(vpc: string, cidr: string, zone: string): void; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const zones = useLive(async () => (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones ?? [], [ec2], 60_000);
  const [vpc, setVpc] = useState<string>();
  const [cidr, setCidr] = useState("10.0.0.0/24");
  const [zone, setZone] = useState<string>();
  return (
    <EditModal title="Create subnet" action="Create subnet" disabled={!vpc || !zone || !cidr} onClose={onClose} onSave={() => onCreate(vpc!, cidr, zone!)}>
      <FormField label="VPC ID">
        <Select
          selectedOption={vpc ? { value: vpc, label: vpc } : null}
          options={vpcs.map((one) => ({ value: one.VpcId, label: one.VpcId, description: one.CidrBlock }))}
          onChange={({ detail }) => setVpc(detail.selectedOption.value)}
          placeholder="Select a VPC"
        />
      </FormField>
      <FormField label="Availability Zone">
        <Select
          selectedOption={zone ? { value: zone, label: zone } : null}
          options={(zones.data ?? []).map((one) => ({ value: one.ZoneName, label: one.ZoneName }))}
          onChange={({ detail }) => setZone(detail.selectedOption.value)}
          placeholder="Select a zone"
        />
      </FormField>
      <FormField label="IPv4 subnet CIDR block">
        <Input value={cidr} onChange={({ detail }) => setCidr(detail.value)} />
      </FormField>
    </EditModal>
  );
}
