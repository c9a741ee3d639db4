import {
  AttachVolumeCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DetachVolumeCommand,
  EC2Client,
  ModifyVolumeCommand,
  paginateDescribeVolumes,
  type Volume,
} from "@aws-sdk/client-ec2";
import { Button, ButtonDropdown, FormField, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { ToPage, when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { InstancePicker } from "./InstancePicker";
import { nameOf, State, VOLUME_TYPES } from "./parts";
import { ZonePicker } from "./ZonePicker";

type Dialog = "create" | "attach" | "modify" | "snapshot" | "delete" | "detach";

/** The list of volumes. */
export function Volumes() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [dialog, setDialog] = useState<Dialog>();
  const [selected, setSelected] = useState<Volume[]>([]);
  const live = useLive(() => allPages(paginateDescribeVolumes({ client: ec2 }, {}), (page) => page.Volumes), [ec2]);
  const volume = live.data?.find((one) => one.VolumeId === selected[0]?.VolumeId);
  const close = () => setDialog(undefined);
  const id = volume?.VolumeId;

  async function act(done: string, action: Promise<unknown>) {
    await action;
    flash.success(done);
    await live.refresh();
  }

  return (
    <>
      <ResourceTable
        title="Volumes"
        noun="volume"
        variant="full-page"
        live={live}
        selection="single"
        selected={selected}
        onSelect={setSelected}
        id={(one) => one.VolumeId!}
        columns={[
          { id: "name", header: "Name", text: nameOf },
          { id: "id", header: "Volume ID", text: (one) => one.VolumeId },
          { id: "type", header: "Type", text: (one) => one.VolumeType },
          { id: "size", header: "Size", cell: (one) => `${one.Size} GiB`, text: (one) => one.Size },
          { id: "state", header: "Volume state", cell: (one) => <State state={one.State} />, text: (one) => one.State },
          {
            id: "attached",
            header: "Attached resources",
            cell: (one) =>
              one.Attachments?.map((each) => (
                <span key={each.InstanceId}>
                  <ToPage to={`/ec2/instances/${each.InstanceId}`}>{each.InstanceId}</ToPage>: {each.Device} ({each.State})
                </span>
              )) ?? "–",
            text: (one) => one.Attachments?.map((each) => `${each.InstanceId}: ${each.Device} (${each.State})`).join(),
          },
          { id: "zone", header: "Availability Zone", text: (one) => one.AvailabilityZone },
          { id: "snapshot", header: "Snapshot", text: (one) => one.SnapshotId },
          { id: "created", header: "Created", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() },
        ]}
        create={
          <Button variant="primary" onClick={() => setDialog("create")}>
            Create volume
          </Button>
        }
        actions={() => (
          <ButtonDropdown
            disabled={!volume}
            onItemClick={({ detail }) => setDialog(detail.id as Dialog)}
            items={[
              { id: "attach", text: "Attach volume", disabled: volume?.State !== "available" },
              { id: "detach", text: "Detach volume", disabled: volume?.State !== "in-use" },
              { id: "modify", text: "Modify volume" },
              { id: "snapshot", text: "Create snapshot" },
              { id: "delete", text: "Delete volume", disabled: volume?.State !== "available" },
            ]}
          >
            Actions
          </ButtonDropdown>
        )}
      />
      {dialog === "create" && (
        <CreateVolume onClose={close} onCreate={(size, zone, type) => act("The volume is being created.", ec2.send(new CreateVolumeCommand({ Size: size, AvailabilityZone: zone, VolumeType: type as "gp3" })))} />
      )}
      {dialog === "attach" && volume && (
        <AttachVolume
          volume={volume}
          onClose={close}
          onAttach={(instance, device) => act(`${id} is being attached to ${instance}.`, ec2.send(new AttachVolumeCommand({ VolumeId: id, InstanceId: instance, Device: device })))}
        />
      )}
      {dialog === "modify" && volume && (
        <ModifyVolume volume={volume} onClose={close} onModify={(size) => act(`${id} grows to ${size} GiB.`, ec2.send(new ModifyVolumeCommand({ VolumeId: id, Size: size })))} />
      )}
      {dialog === "snapshot" && (
        <ConfirmModal title="Create snapshot" action="Create snapshot" onClose={close} onConfirm={() => act(`A snapshot of ${id} is being created.`, ec2.send(new CreateSnapshotCommand({ VolumeId: id })))}>
          A snapshot of <b>{id}</b> as it is now.
        </ConfirmModal>
      )}
      {dialog === "detach" && (
        <ConfirmModal title="Detach volume?" action="Detach" onClose={close} onConfirm={() => act(`${id} is being detached.`, ec2.send(new DetachVolumeCommand({ VolumeId: id })))}>
          Unmount it in the instance first: <b>{id}</b>
        </ConfirmModal>
      )}
      {dialog === "delete" && (
        <ConfirmModal title="Delete volume?" action="Delete" typed="delete" onClose={close} onConfirm={() => act(`${id} was deleted.`, ec2.send(new DeleteVolumeCommand({ VolumeId: id })))}>
          All data on <b>{id}</b> is gone then.
        </ConfirmModal>
      )}
    </>
  );
}

function CreateVolume({ onCreate, onClose }: { onCreate(size: number, zone: string, type: string): Promise<void>; onClose(): void }) {
  const [size, setSize] = useState("8");
  const [type, setType] = useState("gp3");
  const [zone, setZone] = useState<string>();
  return (
    <EditModal title="Create volume" action="Create volume" disabled={!zone} onClose={onClose} onSave={() => onCreate(Number(size), zone!, type)}>
      <FormField label="Volume type">
        <Select selectedOption={{ value: type, label: type }} options={VOLUME_TYPES} onChange={({ detail }) => setType(detail.selectedOption.value!)} />
      </FormField>
      <FormField label="Size (GiB)">
        <Input type="number" value={size} onChange={({ detail }) => setSize(detail.value)} />
      </FormField>
      <ZonePicker value={zone} onChange={setZone} />
    </EditModal>
  );
}

function AttachVolume({ volume, onAttach, onClose }: { volume: Volume; onAttach(instance: string, device: string): Promise<void>; onClose(): void }) {
  const [instance, setInstance] = useState<string>();
  const [device, setDevice] = useState("/dev/sdf");
  return (
    <EditModal title="Attach volume" action="Attach volume" disabled={!instance} onClose={onClose} onSave={() => onAttach(instance!, device)}>
      <InstancePicker value={instance} onChange={setInstance} fits={(one) => one.Placement?.AvailabilityZone === volume.AvailabilityZone} description={`In ${volume.AvailabilityZone}.`} />
      <FormField label="Device name">
        <Input value={device} onChange={({ detail }) => setDevice(detail.value)} />
      </FormField>
    </EditModal>
  );
}

function ModifyVolume({ volume, onModify, onClose }: { volume: Volume; onModify(size: number): Promise<void>; onClose(): void }) {
  const [size, setSize] = useState(String(volume.Size));
  return (
    <EditModal title="Modify volume" action="Modify" disabled={Number(size) <= (volume.Size ?? 0)} onClose={onClose} onSave={() => onModify(Number(size))}>
      <FormField label="Size (GiB)" constraintText={`A volume can only grow: more than ${volume.Size}.`}>
        <Input type="number" value={size} onChange={({ detail }) => setSize(detail.value)} />
      </FormField>
    </EditModal>
  );
}
