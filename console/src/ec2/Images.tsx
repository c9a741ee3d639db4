import { DeregisterImageCommand, DescribeImagesCommand, EC2Client, type Image } from "@aws-sdk/client-ec2";
import { Button, SegmentedControl, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { State } from "./parts";

/** The list of AMIs. */
export function Images() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [owner, setOwner] = useState("all");
  const [deleting, setDeleting] = useState<Image[]>();
  const live = useLive(async () => (await ec2.send(new DescribeImagesCommand(owner === "self" ? { Owners: ["self"] } : {}))).Images ?? [], [ec2, owner]);

  return (
    <>
      <ResourceTable
        title="Amazon Machine Images (AMIs)"
        noun="image"
        variant="full-page"
        live={live}
        selection="multi"
        id={(one) => one.ImageId!}
        columns={[
          { id: "name", header: "AMI name", cell: (one) => one.Name, text: (one) => one.Name ?? "" },
          { id: "id", header: "AMI ID", cell: (one) => one.ImageId, text: (one) => one.ImageId! },
          { id: "owner", header: "Owner", cell: (one) => one.ImageOwnerAlias ?? one.OwnerId, text: (one) => one.OwnerId ?? "" },
          { id: "visibility", header: "Visibility", cell: (one) => (one.Public ? "Public" : "Private"), text: (one) => (one.Public ? "Public" : "Private") },
          { id: "state", header: "Status", cell: (one) => <State state={one.State} />, text: (one) => one.State ?? "" },
          { id: "created", header: "Creation date", cell: (one) => when(one.CreationDate), text: (one) => one.CreationDate ?? "" },
          { id: "architecture", header: "Architecture", cell: (one) => one.Architecture, text: (one) => one.Architecture ?? "" },
          { id: "description", header: "Description", cell: (one) => one.Description || "–", text: (one) => one.Description ?? "" },
        ]}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            <SegmentedControl
              label="Owner"
              selectedId={owner}
              options={[
                { id: "all", text: "All images" },
                { id: "self", text: "Owned by me" },
              ]}
              onChange={({ detail }) => setOwner(detail.selectedId)}
            />
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Deregister AMI
            </Button>
            <Button variant="primary" disabled={selected.length !== 1} onClick={() => navigate(`/ec2/launch?image=${selected[0].ImageId}`)}>
              Launch instance from AMI
            </Button>
          </SpaceBetween>
        )}
      />
      {deleting && (
        <ConfirmModal
          title="Deregister AMI"
          action="Deregister AMI"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const one of deleting) await ec2.send(new DeregisterImageCommand({ ImageId: one.ImageId }));
            flash.success(`Deregistered ${deleting.length} AMI(s).`);
            await live.refresh();
          }}
        >
          Instances that run from it go on: <b>{deleting.map((one) => one.Name).join(", ")}</b>
        </ConfirmModal>
      )}
    </>
  );
}
