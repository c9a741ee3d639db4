import { ApiGatewayV2Client, ImportApiCommand } from "@aws-sdk/client-apigatewayv2";
import { FormField, Textarea } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { EditModal } from "../shared/EditModal";
import { FilePicker } from "../shared/FilePicker";
import { useFlash } from "../shared/flash";

/** An HTTP API from an OpenAPI 3.0 definition, a file or a text. */
export function ImportApi({ onImported, onClose }: { onImported(id: string): void; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [definition, setDefinition] = useState("");
  const [files, setFiles] = useState<File[]>([]);

  async function take(chosen: File[]) {
    setFiles(chosen);
    if (chosen.length) setDefinition(await chosen[0].text());
  }

  async function send() {
    const api = await client.send(new ImportApiCommand({ Body: definition, FailOnWarnings: false }));
    flash.success(`Successfully imported API ${api.Name} (${api.ApiId}).`);
    for (const warning of api.Warnings ?? []) flash.info(warning);
    onImported(api.ApiId!);
  }

  return (
    <EditModal title="Import an HTTP API" action="Import" disabled={!definition.trim()} onClose={onClose} onSave={send}>
      <FilePicker label="OpenAPI file" description="Optional: fills in the definition below." accept=".json,.yaml,.yml" files={files} onChange={(chosen) => void take(chosen)} />
      <FormField label="OpenAPI 3.0 definition" description="JSON or YAML">
        <Textarea value={definition} rows={12} spellcheck={false} onChange={({ detail }) => setDefinition(detail.value)} />
      </FormField>
    </EditModal>
  );
}
