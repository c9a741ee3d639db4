import { ApiGatewayV2Client, CreateAuthorizerCommand } from "@aws-sdk/client-apigatewayv2";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { Checkbox, FormField, Input, RadioGroup } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { useSession } from "../aws/session";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { list } from "../shared/words";
import { FunctionPicker } from "../lambda/FunctionPicker";
import { allowInvoke } from "./permission";

/** A new authorizer; a function's gets the permission to ask it. */
export function CreateAuthorizer({ apiId, onCreated, onClose }: { apiId: string; onCreated(): Promise<void>; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const lambda = useClient(LambdaClient);
  const { session } = useSession();
  const flash = useFlash();
  const [kind, setKind] = useState("JWT");
  const [name, setName] = useState("");
  const [source, setSource] = useState("$request.header.Authorization");
  const [issuer, setIssuer] = useState("");
  const [audience, setAudience] = useState("");
  const [arn, setArn] = useState("");
  const [simple, setSimple] = useState(true);
  const [ttl, setTtl] = useState("300");
  const incomplete = !name || (kind === "JWT" ? !issuer || !audience : !arn);

  async function create() {
    const common = { ApiId: apiId, Name: name, IdentitySource: list(source) };
    const made = await client.send(
      new CreateAuthorizerCommand(
        kind === "JWT"
          ? { ...common, AuthorizerType: "JWT", JwtConfiguration: { Issuer: issuer, Audience: list(audience) } }
          : {
              ...common,
              AuthorizerType: "REQUEST",
              AuthorizerUri: `arn:aws:apigateway:${session.region}:lambda:path/2015-03-31/functions/${arn}/invocations`,
              AuthorizerPayloadFormatVersion: "2.0",
              EnableSimpleResponses: simple,
              AuthorizerResultTtlInSeconds: Number(ttl),
            },
      ),
    );
    if (kind !== "JWT") await allowInvoke(lambda, session, arn, apiId, `authorizers/${made.AuthorizerId}`);
    flash.success(`Successfully created authorizer ${name}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create authorizer" action="Create" disabled={incomplete} onClose={onClose} onSave={create}>
      <FormField label="Authorizer type">
        <RadioGroup
          value={kind}
          onChange={({ detail }) => setKind(detail.value)}
          items={[
            { value: "JWT", label: "JWT", description: "JSON Web Tokens of an OpenID Connect or OAuth 2.0 issuer" },
            { value: "REQUEST", label: "Lambda", description: "A function that answers yes or no" },
          ]}
        />
      </FormField>
      <FormField label="Name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      <FormField label="Identity source" description="More than one: separated by commas">
        <Input value={source} onChange={({ detail }) => setSource(detail.value)} />
      </FormField>
      {kind === "JWT" ? (
        <>
          <FormField label="Issuer URL">
            <Input value={issuer} onChange={({ detail }) => setIssuer(detail.value)} placeholder="https://..." />
          </FormField>
          <FormField label="Audience" description="More than one: separated by commas">
            <Input value={audience} onChange={({ detail }) => setAudience(detail.value)} />
          </FormField>
        </>
      ) : (
        <>
          <FunctionPicker value={arn} onChange={setArn} />
          <Checkbox checked={simple} onChange={({ detail }) => setSimple(detail.checked)} description={'The function answers {"isAuthorized": true} instead of an IAM policy.'}>
            Simple response
          </Checkbox>
          <FormField label="Authorizer caching (seconds)" constraintText="0 to 3,600; 0 asks every time.">
            <Input type="number" value={ttl} onChange={({ detail }) => setTtl(detail.value)} />
          </FormField>
        </>
      )}
    </EditModal>
  );
}
