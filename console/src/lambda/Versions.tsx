import { LambdaClient, paginateListVersionsByFunction } from "@aws-sdk/client-lambda";
import { Button } from "@cloudscape-design/components";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ToPage, when } from "../shared/details";
import { ResourceTable } from "../shared/ResourceTable";
import type { FunctionView } from "./function";

/** Published versions. */
export function Versions({ view, onPublish }: { view: FunctionView; onPublish(): void }) {
  const lambda = useClient(LambdaClient);
  const live = useLive(async () => {
    const all = await allPages(paginateListVersionsByFunction({ client: lambda }, { FunctionName: view.name }), (page) => page.Versions);
    return all.filter((one) => one.Version !== "$LATEST").reverse();
  }, [lambda, view.name]);
  return (
    <ResourceTable
      title="Versions"
      noun="version"
      live={live}
      id={(one) => one.Version!}
      columns={[
        {
          id: "version",
          header: "Version",
          cell: (one) => <ToPage to={`/lambda/functions/${view.name}?qualifier=${one.Version}`}>{one.Version}</ToPage>,
          text: (one) => Number(one.Version),
        },
        { id: "description", header: "Description", text: (one) => one.Description },
        { id: "snapstart", header: "SnapStart", text: (one) => one.SnapStart?.OptimizationStatus },
        { id: "modified", header: "Last modified", cell: (one) => when(one.LastModified), text: (one) => one.LastModified },
      ]}
      create={<Button onClick={onPublish}>Publish new version</Button>}
    />
  );
}
