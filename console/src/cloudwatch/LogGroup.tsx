import {
  CloudWatchLogsClient,
  DeleteLogStreamCommand,
  DeleteRetentionPolicyCommand,
  DescribeLogGroupsCommand,
  paginateDescribeLogStreams,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { Button, Container, Header, Select, SpaceBetween } from "@cloudscape-design/components";
import { useNavigate, useParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { bytes, Copyable, Details, Loaded, ToPage, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { eventsPath } from "./paths";

const DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
const RETENTION = [
  { value: "0", label: "Never expire" },
  ...DAYS.map((days) => ({ value: String(days), label: `${days} day${days > 1 ? "s" : ""}` })),
];

/** A log group: its retention and its streams. */
export function LogGroup() {
  const name = useParams().group!;
  const logs = useClient(CloudWatchLogsClient);
  const flash = useFlash();
  const navigate = useNavigate();
  const group = useLive(async () => {
    const answer = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: name }));
    const found = answer.logGroups?.find((one) => one.logGroupName === name);
    if (!found) throw Object.assign(new Error("The specified log group does not exist."), { name: "ResourceNotFoundException" });
    return found;
  }, [logs, name]);
  const streams = useLive(
    () =>
      allPages(
        paginateDescribeLogStreams({ client: logs }, { logGroupName: name, orderBy: "LastEventTime", descending: true }),
        (page) => page.logStreams,
      ),
    [logs, name],
  );

  async function keep(days: number) {
    await flash.attempt({ doing: "change the retention", done: "The retention was changed." }, () =>
      days
        ? logs.send(new PutRetentionPolicyCommand({ logGroupName: name, retentionInDays: days }))
        : logs.send(new DeleteRetentionPolicyCommand({ logGroupName: name })),
    );
    await group.refresh();
  }

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => navigate(`/cloudwatch/live-tail?group=${encodeURIComponent(name)}`)}>Start tailing</Button>
            <Button variant="primary" onClick={() => navigate(eventsPath(name))}>
              Search log group
            </Button>
          </SpaceBetween>
        }
      >
        {name}
      </Header>
      <Container header={<Header variant="h2">Log group details</Header>}>
        <Loaded live={group}>
          {(shown) => (
            <Details
              items={[
                ["ARN", <Copyable text={shown.logGroupArn} />],
                ["Creation time", when(shown.creationTime)],
                ["Stored bytes", bytes(shown.storedBytes)],
                [
                  "Retention",
                  <Select
                    ariaLabel="Retention"
                    selectedOption={RETENTION.find((one) => one.value === String(shown.retentionInDays ?? 0)) ?? null}
                    options={RETENTION}
                    onChange={({ detail }) => void keep(Number(detail.selectedOption.value))}
                  />,
                ],
              ]}
            />
          )}
        </Loaded>
      </Container>
      <ResourceTable
        title="Log streams"
        noun="log stream"
        live={streams}
        id={(stream) => stream.logStreamName!}
        selection="multi"
        columns={[
          {
            id: "name",
            header: "Log stream",
            cell: (stream) => <ToPage to={eventsPath(name, stream.logStreamName)}>{stream.logStreamName}</ToPage>,
            text: (stream) => stream.logStreamName,
          },
          {
            id: "last",
            header: "Last event time",
            cell: (stream) => when(stream.lastEventTimestamp),
            text: (stream) => stream.lastEventTimestamp,
          },
          { id: "created", header: "Creation time", cell: (stream) => when(stream.creationTime), text: (stream) => stream.creationTime },
        ]}
        actions={(selected) => (
          <RemoveButton
            items={selected}
            noun="log stream"
            name={(stream) => stream.logStreamName!}
            remove={(stream) => logs.send(new DeleteLogStreamCommand({ logGroupName: name, logStreamName: stream.logStreamName }))}
            onChanged={streams.refresh}
          >
            All its events are deleted with it.
          </RemoveButton>
        )}
      />
    </SpaceBetween>
  );
}
