import { Box, Container, Grid, Header, SpaceBetween, StatusIndicator, Table, Tabs } from "@cloudscape-design/components";
import { useState } from "react";
import { Copyable, Details, Enabled, ToPage, when } from "../../shared/details";
import { MetricChart, type Series } from "../../shared/MetricChart";
import { TimeRange } from "../../shared/TimeRange";
import { useAddressTab } from "../../shared/useAddressTab";
import { InstanceState, State } from "../parts";
import { RulesEditor } from "../security/RulesEditor";
import { ResourceTags } from "../ResourceTags";
import { checks, type InstanceRow } from "../useInstances";

interface Props {
  instance: InstanceRow;
  onChanged(): Promise<void>;
}

/** Details, security, networking, storage, status, monitoring and tags of an instance. `summary`: among the details too. */
export function InstanceTabs({ instance, summary = false, onChanged }: Props & { summary?: boolean }) {
  const [tab, setTab] = useAddressTab("details");
  return (
    <Tabs
      activeTabId={tab}
      onChange={({ detail }) => setTab(detail.activeTabId)}
      tabs={[
        { id: "details", label: "Details", content: summary ? <BothDetails instance={instance} /> : <DetailsTab instance={instance} /> },
        { id: "status", label: "Status and alarms", content: <StatusTab instance={instance} /> },
        { id: "monitoring", label: "Monitoring", content: <MonitoringTab instance={instance} /> },
        { id: "security", label: "Security", content: <SecurityTab instance={instance} /> },
        { id: "networking", label: "Networking", content: <NetworkingTab instance={instance} /> },
        { id: "storage", label: "Storage", content: <StorageTab instance={instance} /> },
        { id: "tags", label: "Tags", content: <ResourceTags id={instance.InstanceId!} tags={instance.Tags ?? []} onChanged={onChanged} /> },
      ]}
    />
  );
}

/** What an instance is called, where it is reached, and how it is. */
export function InstanceSummary({ instance }: { instance: InstanceRow }) {
  return (
    <Container header={<Header variant="h2">Instance summary</Header>}>
      <Details
        items={[
          ["Instance ID", <Copyable text={instance.InstanceId} />],
          ["Public IPv4 address", <Copyable text={instance.PublicIpAddress} />],
          ["Private IPv4 addresses", <Copyable text={instance.PrivateIpAddress} />],
          ["Instance state", <InstanceState instance={instance} />],
          ["Public IPv4 DNS", <Copyable text={instance.PublicDnsName} />],
          ["Private IP DNS name", <Copyable text={instance.PrivateDnsName} />],
          ["Instance type", instance.InstanceType],
          ["VPC ID", instance.VpcId],
          ["Subnet ID", instance.SubnetId],
          ["IAM role", instance.IamInstanceProfile?.Arn],
          ["IMDSv2", instance.MetadataOptions?.HttpTokens === "required" ? "Required" : "Optional"],
          ["Status check", checks(instance)],
        ]}
      />
    </Container>
  );
}

function DetailsTab({ instance }: { instance: InstanceRow }) {
  return (
    <Container header={<Header variant="h2">Instance details</Header>}>
      <Details
        items={[
          ["AMI ID", <Copyable text={instance.ImageId} />],
          ["Monitoring", instance.Monitoring?.State],
          ["Platform details", instance.PlatformDetails],
          ["Launch time", when(instance.LaunchTime)],
          ["Lifecycle", instance.InstanceLifecycle ?? "normal"],
          ["Key pair assigned at launch", instance.KeyName],
          ["State transition message", instance.StateReason?.Message],
          ["Architecture", instance.Architecture],
          ["Virtual CPUs", (instance.CpuOptions?.CoreCount ?? 0) * (instance.CpuOptions?.ThreadsPerCore ?? 0) || undefined],
        ]}
      />
    </Container>
  );
}

function BothDetails({ instance }: { instance: InstanceRow }) {
  return (
    <SpaceBetween size="l">
      <InstanceSummary instance={instance} />
      <DetailsTab instance={instance} />
    </SpaceBetween>
  );
}

function StatusTab({ instance }: { instance: InstanceRow }) {
  const both: [string, string | undefined][] = [
    ["System status checks", instance.status?.SystemStatus?.Status],
    ["Instance status checks", instance.status?.InstanceStatus?.Status],
  ];
  return (
    <Container header={<Header variant="h2">{checks(instance)}</Header>}>
      <Details
        items={both.map(([label, status]) => [
          label,
          <StatusIndicator type={status === "ok" ? "success" : status === "impaired" ? "error" : "pending"}>{status ?? "No data"}</StatusIndicator>,
        ])}
      />
    </Container>
  );
}

function MonitoringTab({ instance }: { instance: InstanceRow }) {
  const [minutes, setMinutes] = useState(60);
  function series(metric: string, stat: Series["stat"]): Series[] {
    return [{ label: metric, namespace: "AWS/EC2", metric, dimensions: { InstanceId: instance.InstanceId! }, stat }];
  }
  const charts = [
    { title: "CPU utilization (%)", series: series("CPUUtilization", "Average"), unit: "%" },
    { title: "Network in (bytes)", series: series("NetworkIn", "Sum") },
    { title: "Network out (bytes)", series: series("NetworkOut", "Sum") },
    { title: "Status check failed (count)", series: series("StatusCheckFailed", "Maximum") },
  ];
  return (
    <SpaceBetween size="m">
      <TimeRange minutes={minutes} onChange={setMinutes} />
      <Grid gridDefinition={charts.map(() => ({ colspan: { default: 12, s: 6 } }))}>
        {charts.map((chart) => (
          <MetricChart key={chart.title} minutes={minutes} {...chart} />
        ))}
      </Grid>
    </SpaceBetween>
  );
}

function SecurityTab({ instance }: { instance: InstanceRow }) {
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Security details</Header>}>
        <Details
          items={[
            ["IAM role", instance.IamInstanceProfile?.Arn],
            ["Owner ID", instance.NetworkInterfaces?.[0]?.OwnerId],
            [
              "Security groups",
              instance.SecurityGroups?.map((group) => (
                <div key={group.GroupId}>
                  <ToPage to={`/ec2/security-groups/${group.GroupId}`}>
                    {group.GroupId} ({group.GroupName})
                  </ToPage>
                </div>
              )),
            ],
          ]}
        />
      </Container>
      {instance.SecurityGroups?.map((group) => <RulesEditor key={group.GroupId} groupId={group.GroupId!} egress={false} title={`Inbound rules of ${group.GroupName}`} />)}
      {instance.SecurityGroups?.map((group) => <RulesEditor key={group.GroupId} groupId={group.GroupId!} egress title={`Outbound rules of ${group.GroupName}`} />)}
    </SpaceBetween>
  );
}

function NetworkingTab({ instance }: { instance: InstanceRow }) {
  return (
    <Table
      items={instance.NetworkInterfaces ?? []}
      trackBy="NetworkInterfaceId"
      header={<Header variant="h2">Network interfaces</Header>}
      ariaLabels={{ tableLabel: "Network interfaces" }}
      columnDefinitions={[
        { id: "id", header: "Interface ID", cell: (one) => one.NetworkInterfaceId },
        { id: "private", header: "Private IPv4 address", cell: (one) => one.PrivateIpAddress },
        { id: "dns", header: "Private DNS name", cell: (one) => one.PrivateDnsName },
        { id: "public", header: "Public IPv4 address", cell: (one) => one.Association?.PublicIp ?? "–" },
        { id: "mac", header: "MAC address", cell: (one) => one.MacAddress },
        { id: "subnet", header: "Subnet ID", cell: (one) => one.SubnetId },
        { id: "status", header: "Status", cell: (one) => <State state={one.Status} /> },
        { id: "check", header: "Source/destination check", cell: (one) => <Enabled on={one.SourceDestCheck} /> },
      ]}
      empty={<Box color="text-body-secondary">No network interfaces</Box>}
    />
  );
}

function StorageTab({ instance }: { instance: InstanceRow }) {
  return (
    <Table
      items={instance.BlockDeviceMappings ?? []}
      trackBy="DeviceName"
      header={<Header variant="h2">Block devices</Header>}
      ariaLabels={{ tableLabel: "Block devices" }}
      columnDefinitions={[
        { id: "volume", header: "Volume ID", cell: (one) => <ToPage to={`/ec2/volumes?search=${one.Ebs?.VolumeId}`}>{one.Ebs?.VolumeId}</ToPage> },
        { id: "device", header: "Device name", cell: (one) => `${one.DeviceName}${one.DeviceName === instance.RootDeviceName ? " (root)" : ""}` },
        { id: "status", header: "Attachment status", cell: (one) => <State state={one.Ebs?.Status} /> },
        { id: "time", header: "Attachment time", cell: (one) => when(one.Ebs?.AttachTime) },
        { id: "delete", header: "Delete on termination", cell: (one) => (one.Ebs?.DeleteOnTermination ? "Yes" : "No") },
      ]}
      empty={<Box color="text-body-secondary">No block devices</Box>}
    />
  );
}
