import { ApiGatewayV2Client, DeleteApiCommand } from "@aws-sdk/client-apigatewayv2";
import { Button, Container, Header, SpaceBetween, Tabs } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate, useParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { Copyable, Details, Loaded, ToSite, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { useAddressTab } from "../shared/useAddressTab";
import { fetchApi } from "./api";
import { Authorizers } from "./Authorizers";
import { Cors } from "./Cors";
import { Integrations } from "./Integrations";
import { RoutesTab } from "./routes/RoutesTab";
import { Stages } from "./Stages";
import { Tester } from "./tester/Tester";

/** One HTTP API: details, routes, integrations, authorizers, CORS, stages, and a tester. */
export function ApiPage() {
  const id = useParams().id!;
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [tab, setTab] = useAddressTab("routes");
  const [deleting, setDeleting] = useState(false);
  const live = useLive(() => fetchApi(client, id), [client, id]);

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => setDeleting(true)}>Delete</Button>
            <Button variant="primary" onClick={() => setTab("test")}>
              Test
            </Button>
          </SpaceBetween>
        }
      >
        {live.data?.api.Name ?? id}
      </Header>
      <Loaded live={live}>
        {(view) => {
          const part = { view, onChanged: live.refresh };
          return (
            <SpaceBetween size="l">
              <Container header={<Header variant="h2">API details</Header>}>
                <Details
                  items={[
                    ["API ID", <Copyable text={id} />],
                    ["Protocol", view.api.ProtocolType],
                    [
                      "Default endpoint",
                      view.api.DisableExecuteApiEndpoint ? (
                        "Disabled"
                      ) : (
                        <ToSite url={view.api.ApiEndpoint} />
                      ),
                    ],
                    ["Description", view.api.Description || "–"],
                    ["Created", when(view.api.CreatedDate)],
                  ]}
                />
              </Container>
              <Tabs
                ariaLabel="Parts of the API"
                activeTabId={tab}
                onChange={({ detail }) => setTab(detail.activeTabId)}
                tabs={[
                  { id: "routes", label: "Routes", content: <RoutesTab {...part} /> },
                  { id: "integrations", label: "Integrations", content: <Integrations {...part} /> },
                  { id: "authorizers", label: "Authorization", content: <Authorizers {...part} /> },
                  { id: "cors", label: "CORS", content: <Cors {...part} /> },
                  { id: "stages", label: "Stages", content: <Stages {...part} /> },
                  { id: "test", label: "Test", content: <Tester {...part} /> },
                ]}
              />
            </SpaceBetween>
          );
        }}
      </Loaded>
      {deleting && (
        <ConfirmModal
          title={`Delete ${live.data?.api.Name ?? id}`}
          action="Delete"
          typed="confirm"
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await client.send(new DeleteApiCommand({ ApiId: id }));
            flash.success(`Successfully deleted API ${live.data?.api.Name ?? id}.`);
            navigate("/apigateway/apis");
          }}
        >
          Routes, integrations, authorizers and stages are deleted with it. The functions stay.
        </ConfirmModal>
      )}
    </SpaceBetween>
  );
}
