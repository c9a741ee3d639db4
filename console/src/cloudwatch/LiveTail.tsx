import { CloudWatchLogsClient, paginateDescribeLogGroups, StartLiveTailCommand } from "@aws-sdk/client-cloudwatch-logs";
import { Button, Container, FormField, Header, Input, Multiselect, SpaceBetween, StatusIndicator } from "@cloudscape-design/components";
import { useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { useFlash } from "../shared/flash";
import { type LogLine, LogLines } from "../shared/LogLines";

const KEPT = 2000;

/** Events of log groups as they come in. */
export function LiveTail() {
  const logs = useClient(CloudWatchLogsClient);
  const flash = useFlash();
  const [address] = useSearchParams();
  const [groups, setGroups] = useState<string[]>(address.getAll("group"));
  const [pattern, setPattern] = useState("");
  const [lines, setLines] = useState<LogLine[]>([]);
  const [running, setRunning] = useState(false);
  const session = useRef<AbortController>();
  const known = useLive(() => allPages(paginateDescribeLogGroups({ client: logs }, {}), (page) => page.logGroups), [logs], 30_000);

  useEffect(() => () => session.current?.abort(), []);

  async function start() {
    const controller = new AbortController();
    session.current = controller;
    setLines([]);
    setRunning(true);
    let count = 0;
    try {
      const arns = groups.map((name) => known.data?.find((group) => group.logGroupName === name)?.logGroupArn ?? name);
      const answer = await logs.send(
        new StartLiveTailCommand({ logGroupIdentifiers: arns, logEventFilterPattern: pattern || undefined }),
        { abortSignal: controller.signal },
      );
      for await (const event of answer.responseStream ?? []) {
        if (controller.signal.aborted) break;
        const results = event.sessionUpdate?.sessionResults ?? [];
        if (results.length)
          setLines((old) =>
            [
              ...old,
              ...results.map((one) => ({ id: String(++count), timestamp: one.timestamp!, message: one.message!, stream: one.logStreamName })),
            ].slice(-KEPT),
          );
      }
    } catch (error) {
      if (!controller.signal.aborted) flash.failure("The live tail ended", error);
    } finally {
      setRunning(false);
    }
  }

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Events as they come in, once a second."
        actions={
          running ? (
            <Button onClick={() => session.current?.abort()}>Stop</Button>
          ) : (
            <Button variant="primary" disabled={!groups.length} onClick={() => void start()}>
              Start
            </Button>
          )
        }
      >
        Live tail
      </Header>
      <Container>
        <SpaceBetween size="m">
          <FormField label="Log groups" stretch errorText={known.error?.message}>
            <Multiselect
              selectedOptions={groups.map((value) => ({ value, label: value }))}
              options={(known.data ?? []).map((group) => ({ value: group.logGroupName, label: group.logGroupName }))}
              onChange={({ detail }) => setGroups(detail.selectedOptions.map((one) => one.value!))}
              placeholder="Choose log groups"
              filteringType="auto"
              disabled={running}
              deselectAriaLabel={(option) => `Remove ${option.label}`}
            />
          </FormField>
          <FormField label="Filter pattern" stretch>
            <Input value={pattern} disabled={running} onChange={({ detail }) => setPattern(detail.value)} placeholder="All events" />
          </FormField>
        </SpaceBetween>
      </Container>
      <Container
        header={
          <Header variant="h2" counter={`(${lines.length})`} actions={<Button onClick={() => setLines([])}>Clear</Button>}>
            <StatusIndicator type={running ? "in-progress" : "stopped"}>{running ? "Tailing" : "Stopped"}</StatusIndicator>
          </Header>
        }
      >
        <LogLines lines={lines} follow height={600} />
      </Container>
    </SpaceBetween>
  );
}
