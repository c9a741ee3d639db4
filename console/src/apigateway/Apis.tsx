import { ApiGatewayV2Client, DeleteApiCommand, GetApisCommand } from "@aws-sdk/client-apigatewayv2";
import { Button } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ToPage, when } from "../shared/details";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { everyPage } from "./api";
import { CreateApi } from "./CreateApi";
import { ImportApi } from "./ImportApi";

/** The list of HTTP APIs. */
export function Apis() {
  const client = useClient(ApiGatewayV2Client);
  const navigate = useNavigate();
  const live = useLive(() => everyPage((page) => client.send(new GetApisCommand(page))), [client]);
  const [dialog, setDialog] = useState<"create" | "import">();
  const open = (id: string) => navigate(`/apigateway/apis/${id}`);

  return (
    <>
      <ResourceTable
        title="APIs"
        noun="API"
        variant="full-page"
        live={live}
        id={(api) => api.ApiId!}
        selection="multi"
        columns={[
          { id: "name", header: "Name", cell: (api) => <ToPage to={`/apigateway/apis/${api.ApiId}`}>{api.Name}</ToPage>, text: (api) => api.Name },
          { id: "description", header: "Description", text: (api) => api.Description },
          { id: "id", header: "ID", text: (api) => api.ApiId },
          { id: "protocol", header: "Protocol", text: (api) => api.ProtocolType },
          { id: "endpoint", header: "API endpoint", text: (api) => api.ApiEndpoint },
          { id: "created", header: "Created", cell: (api) => when(api.CreatedDate), text: (api) => api.CreatedDate?.getTime() },
        ]}
        create={
          <Button variant="primary" onClick={() => setDialog("create")}>
            Create API
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="API"
              name={(api) => `${api.Name} (${api.ApiId})`}
              typed="confirm"
              remove={(api) => client.send(new DeleteApiCommand({ ApiId: api.ApiId }))}
              onChanged={live.refresh}
            >
              Routes, integrations, authorizers and stages are deleted with it. The functions stay.
            </RemoveButton>
            <Button onClick={() => setDialog("import")}>Import</Button>
          </>
        )}
      />
      {dialog === "create" && <CreateApi onClose={() => setDialog(undefined)} onCreated={open} />}
      {dialog === "import" && <ImportApi onClose={() => setDialog(undefined)} onImported={open} />}
    </>
  );
}
