import { CancelSpotInstanceRequestsCommand, EC2Client, paginateDescribeSpotInstanceRequests } from "@aws-sdk/client-ec2";
import { Button, SpaceBetween } from "@cloudscape-design/components";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ToPage, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { State } from "./parts";

/** The list of spot requests. */
export function SpotRequests() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
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
        { id: "id", header: "Request ID", cell: (one) => one.SpotInstanceRequestId, text: (one) => one.SpotInstanceRequestId! },
        { id: "type", header: "Request type", cell: (one) => one.Type, text: (one) => one.Type ?? "" },
        { id: "instance-type", header: "Instance type", cell: (one) => one.LaunchSpecification?.InstanceType, text: (one) => one.LaunchSpecification?.InstanceType ?? "" },
        { id: "state", header: "State", cell: (one) => <State state={one.State} />, text: (one) => one.State ?? "" },
        {
          id: "instance",
          header: "Instance",
          cell: (one) => (one.InstanceId ? <ToPage to={`/ec2/instances/${one.InstanceId}`}>{one.InstanceId}</ToPage> : "–"),
          text: (one) => one.InstanceId ?? "",
        },
        { id: "status", header: "Status", cell: (one) => one.Status?.Code, text: (one) => one.Status?.Code ?? "" },
        { id: "price", header: "Max price", cell: (one) => one.SpotPrice, text: (one) => Number(one.SpotPrice ?? 0) },
        { id: "created", header: "Created", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() ?? 0 },
      ]}
      create={<Button onClick={() => navigate("/ec2/launch?spot=yes")}>Request Spot Instances</Button>}
      actions={(selected) => (
        <SpaceBetween direction="horizontal" size="xs">
          <Button
            disabled={!selected.length}
            onClick={async () => {
              await flash.attempt({ doing: "cancel the requests", done: `Canceled ${selected.length} request(s). Their instances go on running.` }, () =>
                ec2.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: selected.map((one) => one.SpotInstanceRequestId!) })),
              );
              await live.refresh();
            }}
          >
            Cancel request
          </Button>
          <Button variant="primary" onClick={() => navigate("/ec2/launch?spot=yes")}>
            Request Spot Instances
          </Button>
        </SpaceBetween>
      )}
    />
  );
}
