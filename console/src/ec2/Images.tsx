import { DeregisterImageCommand, DescribeImagesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { Button, SegmentedControl } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { when } from "../shared/details";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { State } from "./parts";

/** The list of AMIs. */
export function Images() {
  const ec2 = useClient(EC2Client);
  const navigate = useNavigate();
  const [owner, setOwner] = useState("all");
  const live = useLive(async () => (await ec2.send(new DescribeImagesCommand(owner === "self" ? { Owners: ["self"] } : {}))).Images ?? [], [ec2, owner]);

  return (
    <ResourceTable
      title="Amazon Machine Images (AMIs)"
      noun="image"
      variant="full-page"
      live={live}
      selection="multi"
      id={(one) => one.ImageId!}
      columns={[
        { id: "name", header: "AMI name", text: (one) => one.Name },
        { id: "id", header: "AMI ID", text: (one) => one.ImageId },
        { id: "owner", header: "Owner", cell: (one) => one.ImageOwnerAlias ?? one.OwnerId, text: (one) => one.OwnerId },
        { id: "visibility", header: "Visibility", cell: (one) => (one.Public ? "Public" : "Private"), text: (one) => (one.Public ? "Public" : "Private") },
        { id: "state", header: "Status", cell: (one) => <State state={one.State} />, text: (one) => one.State },
        { id: "created", header: "Creation date", cell: (one) => when(one.CreationDate), text: (one) => one.CreationDate },
        { id: "architecture", header: "Architecture", text: (one) => one.Architecture },
        { id: "description", header: "Description", text: (one) => one.Description },
      ]}
      actions={(selected) => (
        <>
          <SegmentedControl
            label="Owner"
            selectedId={owner}
            options={[
              { id: "all", text: "All images" },
              { id: "self", text: "Owned by me" },
            ]}
            onChange={({ detail }) => setOwner(detail.selectedId)}
          />
          <RemoveButton
            items={selected}
            noun="AMI"
            name={(one) => one.Name!}
            action="Deregister"
            done="deregistered"
            remove={(one) => ec2.send(new DeregisterImageCommand({ ImageId: one.ImageId }))}
            onChanged={live.refresh}
          >
            Instances that run from it go on.
          </RemoveButton>
          <Button variant="primary" disabled={selected.length !== 1} onClick={() => navigate(`/ec2/launch?image=${selected[0].ImageId}`)}>
            Launch instance from AMI
          </Button>
        </>
      )}
    />
  );
}
