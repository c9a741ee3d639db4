import { CloudWatchClient, GetMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { Box, Container, Header, LineChart, type MixedLineBarChartProps } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";

export interface Series {
  label: string;
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
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
  const lines: MixedLineBarChartProps.LineDataSeries<Date>[] = (data?.results ?? []).map((one) => ({
    type: "line",
    title: one.Label ?? "",
    data: (one.Timestamps ?? []).map((x, index) => ({ x, y: one.Values?.[index] ?? 0 })),
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
        i18nStrings={{ chartAriaRoleDescription: "line chart", xAxisAriaRoleDescription: "x axis", yAxisAriaRoleDescription: "y axis" }}
      />
    </Container>
  );
}
