import { CloudWatchClient, paginateListMetrics } from "@aws-sdk/client-cloudwatch";
import { Header, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { MetricChart, type Series } from "../shared/MetricChart";
import { ResourceTable } from "../shared/ResourceTable";
import { TimeRange } from "../shared/TimeRange";

const STATISTICS = ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p90", "p99"].map((value) => ({ value, label: value }));

interface Row {
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
}

function label(row: Row): string {
  return [row.metric, ...Object.values(row.dimensions)].join(" ");
}

/** All metrics; those chosen are drawn together. */
export function Metrics() {
  const client = useClient(CloudWatchClient);
  const [chosen, setChosen] = useState<Row[]>([]);
  const [statistic, setStatistic] = useState<Series["stat"]>("Average");
  const [minutes, setMinutes] = useState(180);
  const live = useLive(async () => {
    const metrics = await allPages(paginateListMetrics({ client }, {}), (page) => page.Metrics);
    return metrics.map((one): Row => ({
      namespace: one.Namespace!,
      metric: one.MetricName!,
      dimensions: Object.fromEntries((one.Dimensions ?? []).map((pair) => [pair.Name!, pair.Value!])),
    }));
  }, [client], 15_000);

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="s" alignItems="center">
            <Select
              ariaLabel="Statistic"
              selectedOption={STATISTICS.find((one) => one.value === statistic)!}
              options={STATISTICS}
              onChange={({ detail }) => setStatistic(detail.selectedOption.value as Series["stat"])}
            />
            <TimeRange minutes={minutes} onChange={setMinutes} />
          </SpaceBetween>
        }
      >
        Metrics
      </Header>
      <MetricChart
        title={chosen.length ? chosen.map(label).join(", ") : "Choose metrics below"}
        minutes={minutes}
        series={chosen.map((row) => ({ label: label(row), stat: statistic, ...row }))}
      />
      <ResourceTable
        title="All metrics"
        noun="metric"
        live={live}
        id={(row) => JSON.stringify(row)}
        selection="multi"
        selected={chosen}
        onSelect={setChosen}
        columns={[
          { id: "namespace", header: "Namespace", text: (row) => row.namespace },
          { id: "metric", header: "Metric name", text: (row) => row.metric },
          {
            id: "dimensions",
            header: "Dimensions",
            cell: (row) => Object.entries(row.dimensions).map(([name, value]) => `${name}=${value}`).join(", ") || "–",
            text: (row) => Object.values(row.dimensions).join(" "),
          },
        ]}
      />
    </SpaceBetween>
  );
}
