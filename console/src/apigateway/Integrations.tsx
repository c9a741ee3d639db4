import { ApiGatewayV2Client, CreateIntegrationCommand, DeleteIntegrationCommand, UpdateIntegrationCommand, type Integration } from "@aws-sdk/client-apigatewayv2";
import { Button, FormField, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { functionArn, type PartProps, targetText } from "./api";
import { FunctionPicker } from "../lambda/FunctionPicker";
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
  const [draft, setDraft] = useState<Draft>();

  return (
    <>
      <ResourceTable
        title="Integrations"
        noun="integration"
        live={partOf(view.integrations, onChanged)}
        id={(one) => one.IntegrationId!}
        selection="single"
        columns={[
          { id: "target", header: "Integration target", text: targetText },
          { id: "id", header: "ID", text: (one) => one.IntegrationId },
          { id: "type", header: "Type", text: (one) => one.IntegrationType },
          { id: "version", header: "Payload format", text: (one) => one.PayloadFormatVersion },
          { id: "timeout", header: "Timeout", cell: (one) => `${one.TimeoutInMillis} ms`, text: (one) => one.TimeoutInMillis },
          {
            id: "routes",
            header: "Routes",
            cell: (one) => routesOf(view, one.IntegrationId!).join(", ") || "–",
            text: (one) => routesOf(view, one.IntegrationId!).join(", "),
          },
        ]}
        create={
          <Button variant="primary" onClick={() => setDraft(NEW)}>
            Create
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="integration"
              name={(one) => `${targetText(one)} (${one.IntegrationId})`}
              remove={(one) => client.send(new DeleteIntegrationCommand({ ApiId: view.id, IntegrationId: one.IntegrationId }))}
              onChanged={onChanged}
            >
              No route may lead to it.
            </RemoveButton>
            <Button disabled={!selected.length} onClick={() => setDraft(draftOf(selected[0]))}>
              Edit
            </Button>
          </>
        )}
      />
      {draft && <IntegrationDialog apiId={view.id} first={draft} onClose={() => setDraft(undefined)} onSaved={onChanged} />}
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
  const change = (changed: Partial<Draft>) => setDraft({ ...draft, ...changed });

  async function save() {
    const input = {
      ApiId: apiId,
      IntegrationType: draft.kind === "lambda" ? ("AWS_PROXY" as const) : ("HTTP_PROXY" as const),
      IntegrationUri: draft.uri,
      IntegrationMethod: draft.kind === "http" ? draft.method : undefined,
      PayloadFormatVersion: draft.kind === "lambda" ? draft.version : "1.0",
      TimeoutInMillis: Number(draft.timeout),
    };
    const saved = await (draft.id ? client.send(new UpdateIntegrationCommand({ ...input, IntegrationId: draft.id })) : client.send(new CreateIntegrationCommand(input)));
    flash.success(`Successfully ${draft.id ? "updated" : "created"} integration ${saved.IntegrationId}. Attach it to a route on the Routes tab.`);
    await onSaved();
  }

  return (
    <EditModal title={draft.id ? "Edit integration" : "Create an integration"} disabled={!draft.uri} onClose={onClose} onSave={save}>
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
