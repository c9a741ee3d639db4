import { type Api, ApiGatewayV2Client, DeleteApiCommand, GetApisCommand } from "@aws-sdk/client-apigatewayv2";
import { Button, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { ToPage, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { everyPage } from "./api";
import { CreateApi } from "./CreateApi";
import { ImportApi } from "./ImportApi";

/** The list of HTTP APIs. */
export function Apis() {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const live = useLive(() => everyPage((page) => client.send(new GetApisCommand(page))), [client]);
  const [dialog, setDialog] = useState<"create" | "import">();
  const [deleting, setDeleting] = useState<Api[]>();
  const open = (id: string) => navigate(`/apigateway/apis/${id}`);
  const create = (
    <Button variant="primary" onClick={() => setDialog("create")}>
      Create API
    </Button>
  );

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
          { id: "name", header: "Name", cell: (api) => <ToPage to={`/apigateway/apis/${api.ApiId}`}>{api.Name}</ToPage>, text: (api) => api.Name! },
          { id: "description", header: "Description", cell: (api) => api.Description || "–", text: (api) => api.Description ?? "" },
          { id: "id", header: "ID", cell: (api) => api.ApiId, text: (api) => api.ApiId! },
          { id: "protocol", header: "Protocol", cell: (api) => api.ProtocolType, text: (api) => api.ProtocolType ?? "" },
          { id: "endpoint", header: "API endpoint", cell: (api) => api.ApiEndpoint, text: (api) => api.ApiEndpoint ?? "" },
          { id: "created", header: "Created", cell: (api) => when(api.CreatedDate), text: (api) => api.CreatedDate?.getTime() ?? 0 },
        ]}
        create={create}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete
            </Button>
            <Button onClick={() => setDialog("import")}>Import</Button>
            {create}
          </SpaceBetween>
        )}
      />
      {dialog === "create" && <CreateApi onClose={() => setDialog(undefined)} onCreated={open} />}
      {dialog === "import" && <ImportApi onClose={() => setDialog(undefined)} onImported={open} />}
      {deleting && (
        <ConfirmModal
          title={`Delete ${deleting.length} API${deleting.length > 1 ? "s" : ""}`}
          action="Delete"
          typed="confirm"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const api of deleting) await client.send(new DeleteApiCommand({ ApiId: api.ApiId }));
            flash.success(`Successfully deleted ${deleting.map((api) => api.Name).join(", ")}.`);
            await live.refresh();
          }}
        >
          Routes, integrations, authorizers and stages are deleted with it: <b>{deleting.map((api) => api.Name).join(", ")}</b>. The functions stay.
        </ConfirmModal>
      )}
    </>
  );
}
