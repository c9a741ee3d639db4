import { ApiGatewayV2Client, CreateRouteCommand } from "@aws-sdk/client-apigatewayv2";
import { FormField, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { EditModal } from "../../shared/EditModal";
import { useFlash } from "../../shared/flash";
import type { ApiView } from "../api";
import { METHODS } from "../methods";

const OPTIONS = METHODS.map((value) => ({ value, label: value }));

/** A new route: a method and a path, or `$default` for everything else. */
export function CreateRoute({ view, onCreated, onClose }: { view: ApiView; onCreated(id: string): Promise<void>; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [method, setMethod] = useState("ANY");
  const [path, setPath] = useState("/");
  const key = path === "$default" ? path : `${method} ${path}`;

  async function create() {
    const route = await client.send(new CreateRouteCommand({ ApiId: view.id, RouteKey: key }));
    flash.success(`Successfully created route ${key}. Attach an integration to it.`);
    await onCreated(route.RouteId!);
  }

  return (
    <EditModal title="Create a route" action="Create" disabled={!path} onClose={onClose} onSave={create}>
      <FormField label="Method">
        <Select selectedOption={{ value: method, label: method }} options={OPTIONS} disabled={path === "$default"} onChange={({ detail }) => setMethod(detail.selectedOption.value!)} />
      </FormField>
      <FormField label="Path" constraintText="{name} stands for one segment, {proxy+} for all that follow; $default takes what no other route takes.">
        <Input value={path} onChange={({ detail }) => setPath(detail.value)} placeholder="/pets/{petId}" autoFocus spellcheck={false} />
      </FormField>
    </EditModal>
  );
}
