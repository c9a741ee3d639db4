import { CancelSpotInstanceRequestsCommand, EC2Client, paginateDescribeSpotInstanceRequests } from "@aws-sdk/client-ec2";
import { Button } from "@cloudscape-design/components";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ToPage, when } from "../shared/details";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { State } from "./parts";

/** The list of spot requests. */
export function SpotRequests() {
  const ec2 = useClient(EC2Client);
  const navigate = useNavigate();
  const live = useLive(() => allPages(paginateDescribeSpotInstanceRequests({ client: ec2 }, {}), (page) => page.SpotInstanceRequests), [ec2]);
  return (
    <ResourceTable
      title="Spot requests"
      noun="spot request"
      variant="full-page"
      live={live}
      selection="multi"
      id={(one) => one.SpotInstanceRequestId!}
      columns={[
        { id: "id", header: "Request ID", text: (one) => one.SpotInstanceRequestId },
        { id: "type", header: "Request type", text: (one) => one.Type },
        { id: "instance-type", header: "Instance type", text: (one) => one.LaunchSpecification?.InstanceType },
        { id: "state", header: "State", cell: (one) => <State state={one.State} />, text: (one) => one.State },
        {
          id: "instance",
          header: "Instance",
          cell: (one) => (one.InstanceId ? <ToPage to={`/ec2/instances/${one.InstanceId}`}>{one.InstanceId}</ToPage> : "–"),
          text: (one) => one.InstanceId,
        },
        { id: "status", header: "Status", text: (one) => one.Status?.Code },
        { id: "price", header: "Max price", cell: (one) => one.SpotPrice, text: (one) => Number(one.SpotPrice ?? 0) },
        { id: "created", header: "Created", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() },
      ]}
      create={
        <Button variant="primary" onClick={() => navigate("/ec2/launch?spot=yes")}>
          Request Spot Instances
        </Button>
      }
      actions={(selected) => (
        <RemoveButton
          items={selected}
          noun="request"
          name={(one) => one.SpotInstanceRequestId!}
          action="Cancel request"
          done="canceled"
          remove={(one) => ec2.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [one.SpotInstanceRequestId!] }))}
          onChanged={live.refresh}
        >
          Their instances go on running.
        </RemoveButton>
      )}
    />
  );
}
