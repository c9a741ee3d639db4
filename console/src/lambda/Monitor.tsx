import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { Button, Container, Grid, Header, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { eventsPath } from "../cloudwatch/paths";
import { LiveFailure } from "../shared/Failure";
import { LogLines } from "../shared/LogLines";
import { MetricChart, type Series } from "../shared/MetricChart";
import { TimeRange } from "../shared/TimeRange";
import type { FunctionView } from "./function";

const TAIL_MINUTES = 60;

/** Graphs of the function, and the end of its log. */
export function Monitor({ view }: { view: FunctionView }) {
  const logs = useClient(CloudWatchLogsClient);
  const navigate = useNavigate();
  const [minutes, setMinutes] = useState(60);
  const group = view.configuration.LoggingConfig?.LogGroup ?? `/aws/lambda/${view.name}`;
  const tail = useLive(
    async () => {
      const answer = await logs
        .send(new FilterLogEventsCommand({ logGroupName: group, startTime: Date.now() - TAIL_MINUTES * 60_000 }))
        .catch((error: Error) => {
          // A function that was never invoked has no log group yet.
          if (error.name === "ResourceNotFoundException") return { events: [] };
          throw error;
        });
      return answer.events ?? [];
    },
    [logs, group],
    3000,
  );

  function series(metric: string, stat: Series["stat"], label = metric): Series {
    return { label, namespace: "AWS/Lambda", metric, dimensions: { FunctionName: view.name }, stat, counts: metric !== "Duration" };
  }

  const charts: { title: string; series: Series[]; unit?: string }[] = [
    { title: "Invocations", series: [series("Invocations", "Sum")] },
    {
      title: "Duration",
      unit: "ms",
      series: [series("Duration", "Minimum", "Minimum"), series("Duration", "Average", "Average"), series("Duration", "Maximum", "Maximum")],
    },
    { title: "Errors", series: [series("Errors", "Sum")] },
    { title: "Throttles", series: [series("Throttles", "Sum")] },
    { title: "Concurrent executions", series: [series("ConcurrentExecutions", "Maximum")] },
  ];

  return (
    <SpaceBetween size="l">
      <Header
        variant="h2"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <TimeRange minutes={minutes} onChange={setMinutes} />
            <Button onClick={() => navigate(eventsPath(group))}>View CloudWatch logs</Button>
          </SpaceBetween>
        }
      >
        Metrics
      </Header>
      <Grid gridDefinition={charts.map(() => ({ colspan: { default: 12, s: 6 } }))}>
        {charts.map((chart) => (
          <MetricChart key={chart.title} minutes={minutes} {...chart} />
        ))}
      </Grid>
      <Container header={<Header variant="h2" description={group}>Live log</Header>}>
        <LiveFailure live={tail} />
        <LogLines
          follow
          lines={(tail.data ?? []).map((event) => ({ id: event.eventId!, timestamp: event.timestamp!, message: event.message! }))}
        />
      </Container>
    </SpaceBetween>
  );
}
