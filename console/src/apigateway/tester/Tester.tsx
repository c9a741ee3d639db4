import { Alert, Box, Button, Checkbox, Container, FormField, Grid, Header, Input, Select, SpaceBetween, Textarea } from "@cloudscape-design/components";
import { useState } from "react";
import { useSession } from "../../aws/session";
import { Failure } from "../../shared/Failure";
import { Pairs } from "../../shared/Pairs";
import { useAction } from "../../shared/useAction";
import type { PartProps } from "../api";
import { METHODS } from "../methods";
import { Response } from "./Response";
import { address, type Answer, type Draft, send } from "./request";

const OPTIONS = METHODS.filter((method) => method !== "ANY").map((value) => ({ value, label: value }));

/** Call the API and see what it answers. */
export function Tester({ view }: PartProps) {
  const { session } = useSession();
  const stages = view.stages.map((one) => ({ value: one.StageName!, label: one.StageName! }));
  const [draft, setDraft] = useState<Draft>(() => firstDraft(view.routes[0]?.RouteKey, stages[0]?.value));
  const { run, busy, error } = useAction();
  const [answer, setAnswer] = useState<Answer>();
  const change = (changed: Partial<Draft>) => setDraft({ ...draft, ...changed });
  const withBody = !["GET", "HEAD"].includes(draft.method);

  async function call() {
    setAnswer(undefined);
    setAnswer(await send(view.id, draft, session));
  }

  if (!stages.length) return <Alert type="info">This API has no stage yet: create one on the Stages tab, then it can be called.</Alert>;

  return (
    <SpaceBetween size="l">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(call);
        }}
      >
        <Container header={<Header variant="h2" actions={<Button variant="primary" loading={busy}>Send</Button>}>Request</Header>}>
          <SpaceBetween size="l">
            <Grid gridDefinition={[{ colspan: { default: 6, s: 2 } }, { colspan: { default: 6, s: 3 } }, { colspan: { default: 12, s: 7 } }]}>
              <FormField label="Method">
                <Select selectedOption={{ value: draft.method, label: draft.method }} options={OPTIONS} onChange={({ detail }) => change({ method: detail.selectedOption.value })} />
              </FormField>
              <FormField label="Stage">
                <Select selectedOption={{ value: draft.stage, label: draft.stage }} options={stages} onChange={({ detail }) => change({ stage: detail.selectedOption.value })} />
              </FormField>
              <FormField label="Path" stretch>
                <Input value={draft.path} onChange={({ detail }) => change({ path: detail.value })} spellcheck={false} />
              </FormField>
            </Grid>
            <FormField label="Query string" stretch>
              <Pairs pairs={draft.query} noun="parameter" onChange={(query) => change({ query })} />
            </FormField>
            <FormField label="Headers" stretch>
              <Pairs pairs={draft.headers} noun="header" onChange={(headers) => change({ headers })} />
            </FormField>
            {withBody && (
              <FormField label="Request body" stretch>
                <Textarea value={draft.body} rows={6} spellcheck={false} onChange={({ detail }) => change({ body: detail.value })} />
              </FormField>
            )}
            <Checkbox checked={draft.sign} onChange={({ detail }) => change({ sign: detail.checked })} description="For routes with IAM authorization.">
              Sign the request with my keys
            </Checkbox>
            <Box color="text-body-secondary" fontSize="body-s">
              <Box variant="code">
                {draft.method} {address(view.id, draft)}
              </Box>
            </Box>
          </SpaceBetween>
        </Container>
      </form>
      <Failure error={error} />
      {answer && <Response answer={answer} />}
    </SpaceBetween>
  );
}

function firstDraft(routeKey: string | undefined, stage: string | undefined): Draft {
  const [method, path] = (routeKey ?? "$default").split(" ");
  return {
    method: path && method !== "ANY" ? method : "GET",
    stage: stage ?? "$default",
    path: path ?? "/",
    query: [],
    headers: [],
    body: "",
    sign: false,
  };
}
