import { CloudWatchClient, GetMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { Box, Container, Header, LineChart, type MixedLineBarChartProps } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";

export interface Series {
  label: string;
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
  /** Nothing told means that nothing happened: drawn as zero. */
  counts?: boolean;
  stat: "Sum" | "Average" | "Maximum" | "Minimum" | "SampleCount" | `p${number}`;
}

interface Props {
  title: string;
  series: Series[];
  /** How far back, in minutes. */
  minutes: number;
  unit?: string;
}

/** A graph of metrics, refreshed as it is looked at. */
export function MetricChart({ title, series, minutes, unit }: Props) {
  const client = useClient(CloudWatchClient);
  const period = Math.max(1, Math.ceil(minutes / 120)) * 60;
  const live = useLive(
    async () => {
      if (!series.length) return { start: new Date(), end: new Date(), results: [] };
      const end = new Date();
      const start = new Date(end.getTime() - minutes * 60_000);
      const answer = await client.send(
        new GetMetricDataCommand({
          StartTime: start,
          EndTime: end,
          ScanBy: "TimestampAscending",
          MetricDataQueries: series.map((one, index) => ({
            Id: `m${index}`,
            Label: one.label,
            MetricStat: {
              Metric: {
                Namespace: one.namespace,
                MetricName: one.metric,
                Dimensions: Object.entries(one.dimensions).map(([Name, Value]) => ({ Name, Value })),
              },
              Period: period,
              Stat: one.stat,
            },
          })),
        }),
      );
      return { start, end, results: answer.MetricDataResults ?? [] };
    },
    [client, minutes, JSON.stringify(series)],
    15_000,
  );

  const data = live.data;
  const lines: MixedLineBarChartProps.LineDataSeries<Date>[] = (data?.results ?? []).map((one, place) => ({
    type: "line",
    title: one.Label ?? "",
    data: (series[place]?.counts ? counted : drawn)((one.Timestamps ?? []).map((x, index) => ({ x, y: one.Values?.[index] ?? 0 })), period * 1000, data!.start, data!.end),
    valueFormatter: (value) => `${value.toLocaleString(undefined, { maximumFractionDigits: 2 })}${unit ? ` ${unit}` : ""}`,
  }));

  return (
    <Container header={<Header variant="h3">{title}</Header>}>
      <LineChart
        series={lines.some((line) => line.data.length) ? lines : []}
        xScaleType="time"
        xDomain={data && [data.start, data.end]}
        height={180}
        hideFilter
        hideLegend={series.length < 2}
        statusType={live.loading ? "loading" : live.error && !data ? "error" : "finished"}
        loadingText="Loading"
        errorText={live.error?.message}
        empty={<Box color="text-body-secondary">No data in this time</Box>}
        ariaLabel={title}
        i18nStrings={{ xTickFormatter: minutes > 1440 ? day : clock, chartAriaRoleDescription: "line chart", xAxisAriaRoleDescription: "x axis", yAxisAriaRoleDescription: "y axis" }}
      />
    </Container>
  );
}

interface Point {
  x: Date;
  y: number;
}

/** Each value lasts its period: so one alone is seen too, and a time without data does not look like one with. */
function drawn(points: Point[], periodMs: number): Point[] {
  return points.flatMap((point, index) => {
    const next = points[index + 1];
    return next && next.x.getTime() - point.x.getTime() <= periodMs ? [point] : [point, { x: new Date(point.x.getTime() + periodMs), y: point.y }];
  });
}

/** A count of every period, zero where none is told; the last period is left out until something is. */
function counted(points: Point[], periodMs: number, start: Date, end: Date): Point[] {
  const told = new Map(points.map((point) => [point.x.getTime(), point.y]));
  const all: Point[] = [];
  for (let time = Math.ceil(start.getTime() / periodMs) * periodMs; time < end.getTime(); time += periodMs) {
    if (told.has(time) || time + periodMs < end.getTime()) all.push({ x: new Date(time), y: told.get(time) ?? 0 });
  }
  return all;
}

function clock(time: Date): string {
  return time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

function day(time: Date): string {
  return time.toLocaleDateString(undefined, { month: "short", day: "numeric" });
}
