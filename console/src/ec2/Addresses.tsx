import { type Address, AllocateAddressCommand, AssociateAddressCommand, DescribeAddressesCommand, DisassociateAddressCommand, EC2Client, ReleaseAddressCommand } from "@aws-sdk/client-ec2";
import { Button, FormField, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ToPage } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf } from "./parts";
import { useInstances } from "./useInstances";

/** The list of Elastic IP addresses. */
export function Addresses() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [associating, setAssociating] = useState<Address>();
  const live = useLive(async () => (await ec2.send(new DescribeAddressesCommand({}))).Addresses ?? [], [ec2]);

  async function act(doing: string, done: string, action: () => Promise<unknown>) {
    await flash.attempt({ doing, done }, action);
    await live.refresh();
  }

  const allocate = (
    <Button variant="primary" onClick={() => void act("allocate an address", "Elastic IP address allocated successfully.", () => ec2.send(new AllocateAddressCommand({ Domain: "vpc" })))}>
      Allocate Elastic IP address
    </Button>
  );
  return (
    <>
      <ResourceTable
        title="Elastic IP addresses"
        noun="address"
        variant="full-page"
        live={live}
        selection="single"
        id={(one) => one.AllocationId!}
        columns={[
          { id: "name", header: "Name", cell: (one) => nameOf(one) || "–", text: nameOf },
          { id: "ip", header: "Allocated IPv4 address", cell: (one) => one.PublicIp, text: (one) => one.PublicIp ?? "" },
          { id: "id", header: "Allocation ID", cell: (one) => one.AllocationId, text: (one) => one.AllocationId! },
          {
            id: "instance",
            header: "Associated instance ID",
            cell: (one) => (one.InstanceId ? <ToPage to={`/ec2/instances/${one.InstanceId}`}>{one.InstanceId}</ToPage> : "–"),
            text: (one) => one.InstanceId ?? "",
          },
          { id: "private", header: "Private IP address", cell: (one) => one.PrivateIpAddress || "–", text: (one) => one.PrivateIpAddress ?? "" },
        ]}
        create={allocate}
        actions={([address]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!address || !!address.AssociationId} onClick={() => setAssociating(address)}>
              Associate
            </Button>
            <Button
              disabled={!address?.AssociationId}
              onClick={() => void act("disassociate the address", "The address was disassociated.", () => ec2.send(new DisassociateAddressCommand({ AssociationId: address.AssociationId })))}
            >
              Disassociate
            </Button>
            <Button
              disabled={!address || !!address.AssociationId}
              onClick={() => void act("release the address", "The address was released.", () => ec2.send(new ReleaseAddressCommand({ AllocationId: address.AllocationId })))}
            >
              Release
            </Button>
            {allocate}
          </SpaceBetween>
        )}
      />
      {associating && (
        <Associate
          address={associating}
          onClose={() => setAssociating(undefined)}
          onAssociate={async (instance) => {
            await act("associate the address", `Elastic IP address associated with ${instance}.`, () => ec2.send(new AssociateAddressCommand({ AllocationId: associating.AllocationId, InstanceId: instance })));
            setAssociating(undefined);
          }}
        />
      )}
    </>
  );
}

function Associate({ address, onAssociate, onClose }: { address: Address; onAssociate(instance: string): Promise<void>; onClose(): void }) {
  const instances = useInstances();
  const [instance, setInstance] = useState<string>();
  return (
    <EditModal title={`Associate ${address.PublicIp}`} disabled={!instance} onClose={onClose} onSave={() => void onAssociate(instance!)}>
      <FormField label="Instance">
        <Select
          selectedOption={instance ? { value: instance, label: instance } : null}
          options={(instances.data ?? []).filter((one) => one.State?.Name !== "terminated").map((one) => ({ value: one.InstanceId, label: one.InstanceId, description: nameOf(one), labelTag: one.State?.Name }))}
          onChange={({ detail }) => setInstance(detail.selectedOption.value)}
          placeholder="Choose an instance"
          empty="No instances"
        />
      </FormField>
    </EditModal>
  );
}
