import { CreateVolumeCommand, DeleteSnapshotCommand, DescribeAvailabilityZonesCommand, EC2Client, paginateDescribeSnapshots, type Snapshot } from "@aws-sdk/client-ec2";
import { Button, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf, State } from "./parts";

/** The list of the account's snapshots. */
export function Snapshots() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [deleting, setDeleting] = useState<Snapshot[]>();
  const live = useLive(() => allPages(paginateDescribeSnapshots({ client: ec2 }, { OwnerIds: ["self"] }), (page) => page.Snapshots), [ec2]);

  async function restore(snapshot: Snapshot) {
    await flash.attempt({ doing: "create a volume", done: `A volume from ${snapshot.SnapshotId} is being created.` }, async () => {
      const zones = await ec2.send(new DescribeAvailabilityZonesCommand({}));
      await ec2.send(new CreateVolumeCommand({ SnapshotId: snapshot.SnapshotId, AvailabilityZone: zones.AvailabilityZones![0].ZoneName }));
    });
  }

  return (
    <>
      <ResourceTable
        title="Snapshots"
        noun="snapshot"
        variant="full-page"
        live={live}
        selection="multi"
        id={(one) => one.SnapshotId!}
        columns={[
          { id: "name", header: "Name", cell: (one) => nameOf(one) || "–", text: nameOf },
          { id: "id", header: "Snapshot ID", cell: (one) => one.SnapshotId, text: (one) => one.SnapshotId! },
          { id: "size", header: "Volume size", cell: (one) => `${one.VolumeSize} GiB`, text: (one) => one.VolumeSize ?? 0 },
          { id: "volume", header: "Volume ID", cell: (one) => one.VolumeId, text: (one) => one.VolumeId ?? "" },
          { id: "state", header: "Snapshot status", cell: (one) => <State state={one.State} />, text: (one) => one.State ?? "" },
          { id: "progress", header: "Progress", cell: (one) => one.Progress, text: (one) => one.Progress ?? "" },
          { id: "description", header: "Description", cell: (one) => one.Description || "–", text: (one) => one.Description ?? "" },
          { id: "started", header: "Started", cell: (one) => when(one.StartTime), text: (one) => one.StartTime?.getTime() ?? 0 },
        ]}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={selected.length !== 1} onClick={() => void restore(selected[0])}>
              Create volume from snapshot
            </Button>
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete snapshot
            </Button>
          </SpaceBetween>
        )}
      />
      {deleting && (
        <ConfirmModal
          title="Delete snapshots"
          action="Delete"
          typed="delete"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const one of deleting) await ec2.send(new DeleteSnapshotCommand({ SnapshotId: one.SnapshotId }));
            flash.success(`Deleted ${deleting.length} snapshot(s).`);
            await live.refresh();
          }}
        >
          <b>{deleting.map((one) => one.SnapshotId).join(", ")}</b>
        </ConfirmModal>
      )}
    </>
  );
}
