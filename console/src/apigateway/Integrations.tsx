import { ApiGatewayV2Client, CreateIntegrationCommand, DeleteIntegrationCommand, UpdateIntegrationCommand, type Integration } from "@aws-sdk/client-apigatewayv2";
import { Button, FormField, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { functionArn, type PartProps, targetText } from "./api";
import { FunctionPicker } from "./FunctionPicker";
import { partOf, routesOf } from "./part";

const KINDS = [
  { value: "lambda", label: "Lambda function" },
  { value: "http", label: "HTTP URI" },
];
const VERSIONS = ["2.0", "1.0"].map((value) => ({ value, label: value }));

interface Draft {
  id?: string;
  kind: string;
  uri: string;
  method: string;
  version: string;
  timeout: string;
}

const NEW: Draft = { kind: "lambda", uri: "", method: "ANY", version: "2.0", timeout: "30000" };

/** What the routes lead to: functions and HTTP endpoints. */
export function Integrations({ view, onChanged }: PartProps) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [draft, setDraft] = useState<Draft>();
  const create = (
    <Button variant="primary" onClick={() => setDraft(NEW)}>
      Create
    </Button>
  );

  async function remove(integration: Integration) {
    await flash.attempt({ doing: "delete the integration", done: `Successfully deleted integration ${integration.IntegrationId}.` }, () =>
      client.send(new DeleteIntegrationCommand({ ApiId: view.id, IntegrationId: integration.IntegrationId })),
    );
    await onChanged();
  }

  return (
    <>
      <ResourceTable
        title="Integrations"
        noun="integration"
        live={partOf(view.integrations, onChanged)}
        id={(one) => one.IntegrationId!}
        selection="single"
        columns={[
          { id: "target", header: "Integration target", cell: targetText, text: targetText },
          { id: "id", header: "ID", cell: (one) => one.IntegrationId, text: (one) => one.IntegrationId! },
          { id: "type", header: "Type", cell: (one) => one.IntegrationType, text: (one) => one.IntegrationType ?? "" },
          { id: "version", header: "Payload format", cell: (one) => one.PayloadFormatVersion, text: (one) => one.PayloadFormatVersion ?? "" },
          { id: "timeout", header: "Timeout", cell: (one) => `${one.TimeoutInMillis} ms`, text: (one) => one.TimeoutInMillis ?? 0 },
          {
            id: "routes",
            header: "Routes",
            cell: (one) => routesOf(view, one.IntegrationId!).join(", ") || "–",
            text: (one) => routesOf(view, one.IntegrationId!).join(", "),
          },
        ]}
        create={create}
        actions={([selected]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected} onClick={() => void remove(selected)}>
              Delete
            </Button>
            <Button disabled={!selected} onClick={() => setDraft(draftOf(selected))}>
              Edit
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {draft && (
        <IntegrationDialog
          apiId={view.id}
          first={draft}
          onClose={() => setDraft(undefined)}
          onSaved={async () => {
            setDraft(undefined);
            await onChanged();
          }}
        />
      )}
    </>
  );
}

function draftOf(one: Integration): Draft {
  return {
    id: one.IntegrationId,
    kind: functionArn(one.IntegrationUri) ? "lambda" : "http",
    uri: one.IntegrationUri ?? "",
    method: one.IntegrationMethod ?? "ANY",
    version: one.PayloadFormatVersion ?? "2.0",
    timeout: String(one.TimeoutInMillis ?? 30000),
  };
}

function IntegrationDialog({ apiId, first, onSaved, onClose }: { apiId: string; first: Draft; onSaved(): Promise<void>; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [draft, setDraft] = useState(first);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const change = (changed: Partial<Draft>) => setDraft({ ...draft, ...changed });

  async function save() {
    setBusy(true);
    setError(undefined);
    const input = {
      ApiId: apiId,
      IntegrationType: draft.kind === "lambda" ? ("AWS_PROXY" as const) : ("HTTP_PROXY" as const),
      IntegrationUri: draft.uri,
      IntegrationMethod: draft.kind === "http" ? draft.method : undefined,
      PayloadFormatVersion: draft.kind === "lambda" ? draft.version : "1.0",
      TimeoutInMillis: Number(draft.timeout),
    };
    try {
      const saved = await (draft.id ? client.send(new UpdateIntegrationCommand({ ...input, IntegrationId: draft.id })) : client.send(new CreateIntegrationCommand(input)));
      flash.success(`Successfully ${draft.id ? "updated" : "created"} integration ${saved.IntegrationId}. Attach it to a route on the Routes tab.`);
      await onSaved();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  }

  return (
    <EditModal title={draft.id ? "Edit integration" : "Create an integration"} busy={busy} error={error} disabled={!draft.uri} onClose={onClose} onSave={() => void save()}>
      <FormField label="Integration target">
        <Select
          disabled={!!draft.id}
          selectedOption={KINDS.find((one) => one.value === draft.kind) ?? null}
          options={KINDS}
          onChange={({ detail }) => change({ kind: detail.selectedOption.value, uri: "" })}
        />
      </FormField>
      {draft.kind === "lambda" ? (
        <>
          <FunctionPicker value={draft.uri} onChange={(uri) => change({ uri })} />
          <FormField label="Payload format version">
            <Select selectedOption={VERSIONS.find((one) => one.value === draft.version) ?? null} options={VERSIONS} onChange={({ detail }) => change({ version: detail.selectedOption.value })} />
          </FormField>
        </>
      ) : (
        <>
          <FormField label="URL">
            <Input value={draft.uri} onChange={({ detail }) => change({ uri: detail.value })} placeholder="https://example.com/{proxy}" />
          </FormField>
          <FormField label="HTTP method">
            <Input value={draft.method} onChange={({ detail }) => change({ method: detail.value.toUpperCase() })} />
          </FormField>
        </>
      )}
      <FormField label="Timeout (milliseconds)" constraintText="50 to 30,000">
        <Input type="number" value={draft.timeout} onChange={({ detail }) => change({ timeout: detail.value })} />
      </FormField>
    </EditModal>
  );
}
