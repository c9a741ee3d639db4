import { type Address, AllocateAddressCommand, AssociateAddressCommand, DescribeAddressesCommand, DisassociateAddressCommand, EC2Client, ReleaseAddressCommand } from "@aws-sdk/client-ec2";
import { Button } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ToPage } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { InstancePicker } from "./InstancePicker";
import { nameOf } from "./parts";

/** The list of Elastic IP addresses. */
export function Addresses() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [associating, setAssociating] = useState<Address>();
  const live = useLive(async () => (await ec2.send(new DescribeAddressesCommand({}))).Addresses ?? [], [ec2]);

  async function allocate() {
    await flash.attempt({ doing: "allocate an address", done: "Elastic IP address allocated successfully." }, () => ec2.send(new AllocateAddressCommand({ Domain: "vpc" })));
    await live.refresh();
  }

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
          { id: "name", header: "Name", text: nameOf },
          { id: "ip", header: "Allocated IPv4 address", text: (one) => one.PublicIp },
          { id: "id", header: "Allocation ID", text: (one) => one.AllocationId },
          {
            id: "instance",
            header: "Associated instance ID",
            cell: (one) => (one.InstanceId ? <ToPage to={`/ec2/instances/${one.InstanceId}`}>{one.InstanceId}</ToPage> : "–"),
            text: (one) => one.InstanceId,
          },
          { id: "private", header: "Private IP address", text: (one) => one.PrivateIpAddress },
        ]}
        create={
          <Button variant="primary" onClick={() => void allocate()}>
            Allocate Elastic IP address
          </Button>
        }
        actions={(selected) => (
          <>
            <Button disabled={!selected.length || !!selected[0].AssociationId} onClick={() => setAssociating(selected[0])}>
              Associate
            </Button>
            <RemoveButton
              items={selected}
              noun="address"
              name={(one) => one.PublicIp!}
              action="Disassociate"
              done="disassociated"
              disabled={!selected[0]?.AssociationId}
              remove={(one) => ec2.send(new DisassociateAddressCommand({ AssociationId: one.AssociationId }))}
              onChanged={live.refresh}
            >
              Connections to {selected[0]?.InstanceId} over this address end.
            </RemoveButton>
            <RemoveButton
              items={selected}
              noun="address"
              name={(one) => one.PublicIp!}
              action="Release"
              done="released"
              disabled={!!selected[0]?.AssociationId}
              remove={(one) => ec2.send(new ReleaseAddressCommand({ AllocationId: one.AllocationId }))}
              onChanged={live.refresh}
            >
              Another account may be given this address then.
            </RemoveButton>
          </>
        )}
      />
      {associating && <Associate address={associating} onClose={() => setAssociating(undefined)} onAssociated={live.refresh} />}
    </>
  );
}

function Associate({ address, onAssociated, onClose }: { address: Address; onAssociated(): Promise<void>; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [instance, setInstance] = useState<string>();

  async function associate() {
    await ec2.send(new AssociateAddressCommand({ AllocationId: address.AllocationId, InstanceId: instance }));
    flash.success(`Elastic IP address associated successfully: ${address.PublicIp} leads to ${instance}.`);
    await onAssociated();
  }

  return (
    <EditModal title={`Associate ${address.PublicIp}`} action="Associate" disabled={!instance} onClose={onClose} onSave={associate}>
      <InstancePicker value={instance} onChange={setInstance} />
    </EditModal>
  );
}
