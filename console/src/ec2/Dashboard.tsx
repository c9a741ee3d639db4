import {
  DescribeAddressesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeKeyPairsCommand,
  EC2Client,
  paginateDescribeInstances,
  paginateDescribeSecurityGroups,
  paginateDescribeSnapshots,
  paginateDescribeVolumes,
} from "@aws-sdk/client-ec2";
import { Box, Button, ColumnLayout, Container, Header, SpaceBetween, StatusIndicator } from "@cloudscape-design/components";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useSession } from "../aws/session";
import { allPages, useLive } from "../aws/useLive";
import { Loaded, ToPage } from "../shared/details";
import { Machine } from "./Machine";

/** Counts of what is there, and the way to launch more. */
export function Dashboard() {
  const ec2 = useClient(EC2Client);
  const { session } = useSession();
  const navigate = useNavigate();
  const live = useLive(async () => {
    const [reservations, volumes, snapshots, groups, keys, addresses] = await Promise.all([
      allPages(paginateDescribeInstances({ client: ec2 }, {}), (page) => page.Reservations),
      allPages(paginateDescribeVolumes({ client: ec2 }, {}), (page) => page.Volumes),
      allPages(paginateDescribeSnapshots({ client: ec2 }, { OwnerIds: ["self"] }), (page) => page.Snapshots),
      allPages(paginateDescribeSecurityGroups({ client: ec2 }, {}), (page) => page.SecurityGroups),
      ec2.send(new DescribeKeyPairsCommand({})),
      ec2.send(new DescribeAddressesCommand({})),
    ]);
    const instances = reservations.flatMap((one) => one.Instances ?? []).filter((one) => one.State?.Name !== "terminated");
    return [
      ["Instances (running)", instances.filter((one) => one.State?.Name === "running").length, "instances"],
      ["Instances", instances.length, "instances"],
      ["Volumes", volumes.length, "volumes"],
      ["Snapshots", snapshots.length, "snapshots"],
      ["Security groups", groups.length, "security-groups"],
      ["Key pairs", keys.KeyPairs?.length ?? 0, "key-pairs"],
      ["Elastic IPs", addresses.Addresses?.length ?? 0, "addresses"],
    ] as [string, number, string][];
  }, [ec2]);
  const zones = useLive(async () => (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones ?? [], [ec2], 60_000);

  return (
    <SpaceBetween size="l">
      <Header variant="h1">EC2 Dashboard</Header>
      <Container header={<Header variant="h2" description={`You are using the following resources in ${session.region}.`}>Resources</Header>}>
        <Loaded live={live}>
          {(counts) => (
            <ColumnLayout columns={4} minColumnWidth={130} variant="text-grid">
              {counts.map(([label, count, path]) => (
                <div key={label}>
                  <Box variant="awsui-key-label">
                    <ToPage to={`/ec2/${path}`}>{label}</ToPage>
                  </Box>
                  <Box fontSize="display-l">{count}</Box>
                </div>
              ))}
            </ColumnLayout>
          )}
        </Loaded>
      </Container>
      <Container
        header={
          <Header
            variant="h2"
            description="A virtual server on this machine, reachable over SSH in about a second."
            actions={
              <Button variant="primary" onClick={() => navigate("/ec2/launch")}>
                Launch instance
              </Button>
            }
          >
            Launch instance
          </Header>
        }
      />
      <Machine />
      <Container header={<Header variant="h2">Service health</Header>}>
        <Loaded live={zones}>
          {(all) => (
            <SpaceBetween size="xs">
              {all.map((zone) => (
                <div key={zone.ZoneId}>
                  <StatusIndicator type={zone.State === "available" ? "success" : "warning"}>
                    {zone.ZoneName} ({zone.ZoneId})
                  </StatusIndicator>
                </div>
              ))}
            </SpaceBetween>
          )}
        </Loaded>
      </Container>
    </SpaceBetween>
  );
}
