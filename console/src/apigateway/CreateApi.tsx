import { ApiGatewayV2Client, CreateApiCommand, CreateStageCommand } from "@aws-sdk/client-apigatewayv2";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { Checkbox, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useSession } from "../aws/session";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { FunctionPicker } from "../lambda/FunctionPicker";
import { allowInvoke } from "./permission";

/** A new HTTP API, with a function behind every path where one is chosen. */
export function CreateApi({ onCreated, onClose }: { onCreated(id: string): void; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const lambda = useClient(LambdaClient);
  const { session } = useSession();
  const flash = useFlash();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [withFunction, setWithFunction] = useState(false);
  const [arn, setArn] = useState("");

  async function create() {
    const target = withFunction ? arn : undefined;
    const api = await client.send(new CreateApiCommand({ Name: name, Description: description || undefined, ProtocolType: "HTTP", Target: target }));
    // With a target AWS makes the route $default and the stage $default itself.
    if (target) await allowInvoke(lambda, session, target, api.ApiId!, "*/*");
    else await client.send(new CreateStageCommand({ ApiId: api.ApiId, StageName: "$default", AutoDeploy: true }));
    flash.success(`Successfully created API ${name} (${api.ApiId}).`);
    onCreated(api.ApiId!);
  }

  return (
    <EditModal title="Create an HTTP API" action="Create" disabled={!name || (withFunction && !arn)} onClose={onClose} onSave={create}>
      <FormField label="API name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="my-api" autoFocus />
      </FormField>
      <FormField label="Description" description="Optional">
        <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
      </FormField>
      <Checkbox checked={withFunction} onChange={({ detail }) => setWithFunction(detail.checked)} description="Every method and path leads to it, until there are other routes.">
        Integrate a Lambda function
      </Checkbox>
      {withFunction && <FunctionPicker value={arn} onChange={setArn} />}
    </EditModal>
  );
}
