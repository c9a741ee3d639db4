import { ApiGatewayV2Client, type Cors as CorsConfiguration, DeleteCorsConfigurationCommand, UpdateApiCommand } from "@aws-sdk/client-apigatewayv2";
import { Box, Button, Checkbox, Container, FormField, Header, Input, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { Details } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { list } from "../shared/words";
import type { PartProps } from "./api";

const LISTS = [
  ["AllowOrigins", "Access-Control-Allow-Origin", "https://example.com, or * for all"],
  ["AllowHeaders", "Access-Control-Allow-Headers", "content-type, authorization"],
  ["AllowMethods", "Access-Control-Allow-Methods", "GET, POST, or * for all"],
  ["ExposeHeaders", "Access-Control-Expose-Headers", "date, x-request-id"],
] as const;

/** What pages of other origins may do with the API. */
export function Cors({ view, onChanged }: PartProps) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [editing, setEditing] = useState(false);
  const cors = view.api.CorsConfiguration;

  async function clear() {
    await flash.attempt({ doing: "clear CORS", done: "CORS was turned off: preflight requests reach your routes." }, () =>
      client.send(new DeleteCorsConfigurationCommand({ ApiId: view.id })),
    );
    await onChanged();
  }

  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Cross-origin resource sharing lets web pages of other origins call the API from a browser."
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button disabled={!cors} onClick={() => void clear()}>
                Clear
              </Button>
              <Button onClick={() => setEditing(true)}>Configure</Button>
            </SpaceBetween>
          }
        >
          Cross-origin resource sharing
        </Header>
      }
    >
      {cors ? (
        <Details
          items={[
            ...LISTS.map(([member, label]): [string, string] => [label, cors[member]?.join(", ") || "–"]),
            ["Access-Control-Max-Age", cors.MaxAge === undefined ? "–" : `${cors.MaxAge} seconds`],
            ["Access-Control-Allow-Credentials", cors.AllowCredentials ? "Yes" : "No"],
          ]}
        />
      ) : (
        <Box color="text-body-secondary">CORS is not configured.</Box>
      )}
      {editing && <EditCors apiId={view.id} cors={cors ?? {}} onClose={() => setEditing(false)} onSaved={onChanged} />}
    </Container>
  );
}

function EditCors({ apiId, cors, onSaved, onClose }: { apiId: string; cors: CorsConfiguration; onSaved(): Promise<void>; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [texts, setTexts] = useState(() => Object.fromEntries(LISTS.map(([member]) => [member, cors[member]?.join(", ") ?? ""])));
  const [maxAge, setMaxAge] = useState(String(cors.MaxAge ?? 0));
  const [credentials, setCredentials] = useState(cors.AllowCredentials ?? false);

  async function save() {
    const lists = Object.fromEntries(LISTS.map(([member]) => [member, list(texts[member])]));
    await client.send(new UpdateApiCommand({ ApiId: apiId, CorsConfiguration: { ...lists, MaxAge: Number(maxAge), AllowCredentials: credentials } }));
    flash.success("Successfully updated CORS.");
    await onSaved();
  }

  return (
    <EditModal title="Configure CORS" onClose={onClose} onSave={save}>
      {LISTS.map(([member, label, hint]) => (
        <FormField key={member} label={label} constraintText="Separated by commas">
          <Input value={texts[member]} placeholder={hint} onChange={({ detail }) => setTexts({ ...texts, [member]: detail.value })} />
        </FormField>
      ))}
      <FormField label="Access-Control-Max-Age (seconds)">
        <Input type="number" value={maxAge} onChange={({ detail }) => setMaxAge(detail.value)} />
      </FormField>
      <Checkbox checked={credentials} onChange={({ detail }) => setCredentials(detail.checked)}>
        Access-Control-Allow-Credentials
      </Checkbox>
    </EditModal>
  );
}
