import { CloudWatchLogsClient, type FilteredLogEvent, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { Button, Container, FormField, Header, Input, SpaceBetween, Toggle } from "@cloudscape-design/components";
import { useState } from "react";
import { useParams, useSearchParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { LiveFailure } from "../shared/Failure";
import { LogLines } from "../shared/LogLines";
import { TimeRange } from "../shared/TimeRange";

const MOST = 2000;

/** Events of one stream or of a whole group, filtered by a pattern, oldest first. */
export function LogEvents() {
  const { group, stream } = useParams();
  const logs = useClient(CloudWatchLogsClient);
  const [address, setAddress] = useSearchParams();
  const pattern = address.get("filter") ?? "";
  const [typed, setTyped] = useState(pattern);
  const [minutes, setMinutes] = useState(1440);
  const [following, setFollowing] = useState(true);

  const live = useLive(
    async () => {
      const events: FilteredLogEvent[] = [];
      let nextToken: string | undefined;
      do {
        const page = await logs.send(
          new FilterLogEventsCommand({
            logGroupName: group,
            logStreamNames: stream ? [stream] : undefined,
            filterPattern: pattern || undefined,
            startTime: Date.now() - minutes * 60_000,
            nextToken,
          }),
        );
        events.push(...(page.events ?? []));
        nextToken = page.nextToken;
      } while (nextToken && events.length < MOST);
      return events.slice(-MOST);
    },
    [logs, group, stream, pattern, minutes],
    following ? 3000 : 3_600_000,
  );

  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={group}>
        {stream ?? "Log events"}
      </Header>
      <LiveFailure live={live} />
      <Container
        header={
          <Header
            variant="h2"
            counter={live.data && `(${live.data.length}${live.data.length === MOST ? "+" : ""})`}
            actions={
              <SpaceBetween direction="horizontal" size="s" alignItems="center">
                <Toggle checked={following} onChange={({ detail }) => setFollowing(detail.checked)}>
                  Refresh
                </Toggle>
                <Button iconName="refresh" ariaLabel="Refresh events" onClick={() => void live.refresh()} />
              </SpaceBetween>
            }
          >
            Events
          </Header>
        }
      >
        <SpaceBetween size="m">
          <form
            onSubmit={(event) => {
              event.preventDefault();
              setAddress(typed ? { filter: typed } : {}, { replace: true });
            }}
          >
            <SpaceBetween size="s">
              <FormField label="Filter pattern" description='Terms such as ERROR -retry, or { $.level = "error" } for JSON.' stretch>
                <Input type="search" value={typed} onChange={({ detail }) => setTyped(detail.value)} placeholder="Press Enter to search" />
              </FormField>
              <TimeRange minutes={minutes} onChange={setMinutes} />
            </SpaceBetween>
          </form>
          <LogLines
            follow={following}
            height={640}
            lines={(live.data ?? []).map((event) => ({
              id: event.eventId!,
              timestamp: event.timestamp!,
              message: event.message!,
              stream: event.logStreamName,
            }))}
          />
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  );
}
