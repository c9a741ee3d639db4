import {
  AttachVolumeCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeAvailabilityZonesCommand,
  DetachVolumeCommand,
  EC2Client,
  ModifyVolumeCommand,
  paginateDescribeVolumes,
  type Volume,
} from "@aws-sdk/client-ec2";
import { Button, ButtonDropdown, FormField, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { ToPage, when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf, State } from "./parts";
import { useInstances } from "./useInstances";

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

  async function act(doing: string, done: string, action: () => Promise<unknown>) {
    if (await flash.attempt({ doing, done }, action)) close();
    await live.refresh();
  }

  const create = (
    <Button variant="primary" onClick={() => setDialog("create")}>
      Create volume
    </Button>
  );
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
          { id: "name", header: "Name", cell: (one) => nameOf(one) || "–", text: nameOf },
          { id: "id", header: "Volume ID", cell: (one) => one.VolumeId, text: (one) => one.VolumeId! },
          { id: "type", header: "Type", cell: (one) => one.VolumeType, text: (one) => one.VolumeType ?? "" },
          { id: "size", header: "Size", cell: (one) => `${one.Size} GiB`, text: (one) => one.Size ?? 0 },
          { id: "state", header: "Volume state", cell: (one) => <State state={one.State} />, text: (one) => one.State ?? "" },
          {
            id: "attached",
            header: "Attached resources",
            cell: (one) =>
              one.Attachments?.map((each) => (
                <span key={each.InstanceId}>
                  <ToPage to={`/ec2/instances/${each.InstanceId}`}>{each.InstanceId}</ToPage>: {each.Device} ({each.State})
                </span>
              )) ?? "–",
            text: (one) => one.Attachments?.map((each) => each.InstanceId).join() ?? "",
          },
          { id: "zone", header: "Availability Zone", cell: (one) => one.AvailabilityZone, text: (one) => one.AvailabilityZone ?? "" },
          { id: "snapshot", header: "Snapshot", cell: (one) => one.SnapshotId || "–", text: (one) => one.SnapshotId ?? "" },
          { id: "created", header: "Created", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() ?? 0 },
        ]}
        create={create}
        actions={() => (
          <SpaceBetween direction="horizontal" size="xs">
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
            {create}
          </SpaceBetween>
        )}
      />
      {dialog === "create" && (
        <CreateVolume onClose={close} onCreate={(size, zone, type) => act("create the volume", "The volume is being created.", () => ec2.send(new CreateVolumeCommand({ Size: size, AvailabilityZone: zone, VolumeType: type as "gp3" })))} />
      )}
      {dialog === "attach" && volume && (
        <AttachVolume
          volume={volume}
          onClose={close}
          onAttach={(instance, device) => act("attach the volume", `${id} is being attached to ${instance}.`, () => ec2.send(new AttachVolumeCommand({ VolumeId: id, InstanceId: instance, Device: device })))}
        />
      )}
      {dialog === "modify" && volume && (
        <ModifyVolume volume={volume} onClose={close} onModify={(size) => act("modify the volume", `${id} grows to ${size} GiB.`, () => ec2.send(new ModifyVolumeCommand({ VolumeId: id, Size: size })))} />
      )}
      {dialog === "snapshot" && (
        <ConfirmModal title="Create snapshot" action="Create snapshot" onClose={close} onConfirm={() => act("create the snapshot", `A snapshot of ${id} is being created.`, () => ec2.send(new CreateSnapshotCommand({ VolumeId: id })))}>
          A snapshot of <b>{id}</b> as it is now.
        </ConfirmModal>
      )}
      {dialog === "detach" && (
        <ConfirmModal title="Detach volume" action="Detach" onClose={close} onConfirm={() => act("detach the volume", `${id} is being detached.`, () => ec2.send(new DetachVolumeCommand({ VolumeId: id })))}>
          Unmount it in the instance first: <b>{id}</b>
        </ConfirmModal>
      )}
      {dialog === "delete" && (
        <ConfirmModal title="Delete volume" action="Delete" typed="delete" onClose={close} onConfirm={() => act("delete the volume", `${id} was deleted.`, () => ec2.send(new DeleteVolumeCommand({ VolumeId: id })))}>
          All data on <b>{id}</b> is gone then.
        </ConfirmModal>
      )}
    </>
  );
}

const TYPES = ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"].map((value) => ({ value, label: value }));

function CreateVolume({ onCreate, onClose }: { onCreate(size: number, zone: string, type: string): void; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const zones = useLive(async () => (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones ?? [], [ec2], 60_000);
  const [size, setSize] = useState("8");
  const [type, setType] = useState("gp3");
  const [zone, setZone] = useState<string>();
  const chosen = zone ?? zones.data?.[0]?.ZoneName;
  return (
    <EditModal title="Create volume" action="Create volume" disabled={!chosen} onClose={onClose} onSave={() => onCreate(Number(size), chosen!, type)}>
      <FormField label="Volume type">
        <Select selectedOption={{ value: type, label: type }} options={TYPES} onChange={({ detail }) => setType(detail.selectedOption.value!)} />
      </FormField>
      <FormField label="Size (GiB)">
        <Input type="number" value={size} onChange={({ detail }) => setSize(detail.value)} />
      </FormField>
      <FormField label="Availability Zone">
        <Select
          selectedOption={chosen ? { value: chosen, label: chosen } : null}
          options={(zones.data ?? []).map((one) => ({ value: one.ZoneName, label: one.ZoneName }))}
          onChange={({ detail }) => setZone(detail.selectedOption.value)}
        />
      </FormField>
    </EditModal>
  );
}

function AttachVolume({ volume, onAttach, onClose }: { volume: Volume; onAttach(instance: string, device: string): void; onClose(): void }) {
  const instances = useInstances();
  const [instance, setInstance] = useState<string>();
  const [device, setDevice] = useState("/dev/sdf");
  const fitting = (instances.data ?? []).filter((one) => one.Placement?.AvailabilityZone === volume.AvailabilityZone && ["running", "stopped"].includes(one.State?.Name ?? ""));
  return (
    <EditModal title="Attach volume" action="Attach volume" disabled={!instance} onClose={onClose} onSave={() => onAttach(instance!, device)}>
      <FormField label="Instance" description={`In ${volume.AvailabilityZone}.`}>
        <Select
          selectedOption={instance ? { value: instance, label: instance } : null}
          options={fitting.map((one) => ({ value: one.InstanceId, label: one.InstanceId, description: nameOf(one), labelTag: one.State?.Name }))}
          onChange={({ detail }) => setInstance(detail.selectedOption.value)}
          placeholder="Select an instance"
          empty="No instance in this zone"
        />
      </FormField>
      <FormField label="Device name">
        <Input value={device} onChange={({ detail }) => setDevice(detail.value)} />
      </FormField>
    </EditModal>
  );
}

function ModifyVolume({ volume, onModify, onClose }: { volume: Volume; onModify(size: number): void; onClose(): void }) {
  const [size, setSize] = useState(String(volume.Size));
  return (
    <EditModal title="Modify volume" action="Modify volume" disabled={Number(size) <= (volume.Size ?? 0)} onClose={onClose} onSave={() => onModify(Number(size))}>
      <FormField label="Size (GiB)" constraintText={`A volume can only grow: more than ${volume.Size}.`}>
        <Input type="number" value={size} onChange={({ detail }) => setSize(detail.value)} />
      </FormField>
    </EditModal>
  );
}
