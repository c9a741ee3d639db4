import { Button, Header, SpaceBetween, StatusIndicator } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { ToPage, when } from "../shared/details";
import { ResourceTable } from "../shared/ResourceTable";
import { InstanceActions } from "./instance/InstanceActions";
import { InstanceTabs } from "./instance/InstanceTabs";
import { InstanceState, nameOf } from "./parts";
import { checks, type InstanceRow, useInstances } from "./useInstances";

/** The list of instances, with the details of the one that is chosen below it. */
export function Instances() {
  const live = useInstances();
  const navigate = useNavigate();
  const [selected, setSelected] = useState<InstanceRow[]>([]);
  const current = live.data?.filter((row) => selected.some((one) => one.InstanceId === row.InstanceId)) ?? [];

  return (
    <SpaceBetween size="l">
      <ResourceTable
        title="Instances"
        noun="instance"
        live={live}
        id={(row) => row.InstanceId!}
        selection="multi"
        selected={selected}
        onSelect={setSelected}
        columns={[
          { id: "name", header: "Name", text: nameOf },
          {
            id: "id",
            header: "Instance ID",
            cell: (row) => <ToPage to={`/ec2/instances/${row.InstanceId}`}>{row.InstanceId}</ToPage>,
            text: (row) => row.InstanceId,
          },
          { id: "state", header: "Instance state", cell: (row) => <InstanceState instance={row} />, text: (row) => row.State?.Name },
          { id: "type", header: "Instance type", text: (row) => row.InstanceType },
          {
            id: "checks",
            header: "Status check",
            cell: (row) => {
              const text = checks(row);
              if (text === "–") return text;
              return <StatusIndicator type={text.startsWith("2") ? "success" : text === "Initializing" ? "in-progress" : "warning"}>{text}</StatusIndicator>;
            },
            text: checks,
          },
          { id: "zone", header: "Availability Zone", text: (row) => row.Placement?.AvailabilityZone },
          { id: "dns", header: "Public IPv4 DNS", text: (row) => row.PublicDnsName },
          { id: "public", header: "Public IPv4 address", text: (row) => row.PublicIpAddress },
          { id: "private", header: "Private IPv4 address", cell: (row) => row.PrivateIpAddress || "–", text: (row) => row.PrivateIpAddress, visible: false },
          { id: "key", header: "Key name", text: (row) => row.KeyName },
          {
            id: "groups",
            header: "Security group name",
            cell: (row) => row.SecurityGroups?.map((one) => one.GroupName).join(", ") || "–",
            text: (row) => row.SecurityGroups?.map((one) => one.GroupName).join() ?? "",
          },
          { id: "launched", header: "Launch time", cell: (row) => when(row.LaunchTime), text: (row) => row.LaunchTime?.getTime() },
        ]}
        create={
          <Button variant="primary" onClick={() => navigate("/ec2/launch")}>
            Launch instances
          </Button>
        }
        actions={(rows) => (
          <>
            <Button disabled={rows.length !== 1 || rows[0].State?.Name !== "running"} onClick={() => navigate(`/ec2/instances/${rows[0].InstanceId}/connect`)}>
              Connect
            </Button>
            <InstanceActions instances={rows} onChanged={live.refresh} />
          </>
        )}
      />
      {current.length === 1 && (
        <SpaceBetween size="s">
          <Header variant="h2">
            Instance: {current[0].InstanceId} {nameOf(current[0]) && `(${nameOf(current[0])})`}
          </Header>
          <InstanceTabs instance={current[0]} summary onChanged={live.refresh} />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}
