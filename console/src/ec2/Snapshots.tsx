import { CreateVolumeCommand, DeleteSnapshotCommand, DescribeAvailabilityZonesCommand, EC2Client, paginateDescribeSnapshots, type Snapshot } from "@aws-sdk/client-ec2";
import { Button } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { nameOf, State } from "./parts";

/** The list of the account's snapshots. */
export function Snapshots() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const live = useLive(() => allPages(paginateDescribeSnapshots({ client: ec2 }, { OwnerIds: ["self"] }), (page) => page.Snapshots), [ec2]);

  async function restore(snapshot: Snapshot) {
    await flash.attempt({ doing: "create a volume", done: `A volume from ${snapshot.SnapshotId} is being created.` }, async () => {
      const zones = await ec2.send(new DescribeAvailabilityZonesCommand({}));
      await ec2.send(new CreateVolumeCommand({ SnapshotId: snapshot.SnapshotId, AvailabilityZone: zones.AvailabilityZones![0].ZoneName }));
    });
  }

  return (
    <ResourceTable
      title="Snapshots"
      noun="snapshot"
      variant="full-page"
      live={live}
      selection="multi"
      id={(one) => one.SnapshotId!}
      columns={[
        { id: "name", header: "Name", text: nameOf },
        { id: "id", header: "Snapshot ID", text: (one) => one.SnapshotId },
        { id: "size", header: "Volume size", cell: (one) => `${one.VolumeSize} GiB`, text: (one) => one.VolumeSize },
        { id: "volume", header: "Volume ID", text: (one) => one.VolumeId },
        { id: "state", header: "Snapshot status", cell: (one) => <State state={one.State} />, text: (one) => one.State },
        { id: "progress", header: "Progress", text: (one) => one.Progress },
        { id: "description", header: "Description", text: (one) => one.Description },
        { id: "started", header: "Started", cell: (one) => when(one.StartTime), text: (one) => one.StartTime?.getTime() },
      ]}
      actions={(selected) => (
        <>
          <Button disabled={selected.length !== 1} onClick={() => void restore(selected[0])}>
            Create volume from snapshot
          </Button>
          <RemoveButton
            items={selected}
            noun="snapshot"
            name={(one) => one.SnapshotId!}
            typed="delete"
            remove={(one) => ec2.send(new DeleteSnapshotCommand({ SnapshotId: one.SnapshotId }))}
            onChanged={live.refresh}
          >
            Volumes that were made from it stay.
          </RemoveButton>
        </>
      )}
    />
  );
}
