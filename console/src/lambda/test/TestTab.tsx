import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { SchemasClient } from "@aws-sdk/client-schemas";
import { Alert, Button, Container, FormField, Header, Input, RadioGroup, Select, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { useSession } from "../../aws/session";
import { useLive } from "../../aws/useLive";
import { Failure } from "../../shared/Failure";
import { useFlash } from "../../shared/flash";
import { useAction } from "../../shared/useAction";
import { Editor } from "../code/Editor";
import type { FunctionView } from "../function";
import { keepPrivate, keepShared, privateEvents, sharedEvents } from "./events";
import { type Outcome, outcomeOf, Result } from "./Result";
import { FIRST, TEMPLATES } from "./templates";

/** Invoke the function with a named, saved event, and see everything that came back. */
export function TestTab({ view, edited }: { view: FunctionView; edited: boolean }) {
  const lambda = useClient(LambdaClient);
  const schemas = useClient(SchemasClient);
  const { session } = useSession();
  const flash = useFlash();
  const [privately, setPrivately] = useState(() => privateEvents(session.account, session.region, view.name));
  const shared = useLive(() => sharedEvents(schemas, view.name), [schemas, view.name], 30_000);
  const [chosen, setChosen] = useState<string>();
  const [name, setName] = useState("");
  const [sharing, setSharing] = useState("private");
  const [template, setTemplate] = useState(FIRST);
  const [event, setEvent] = useState(TEMPLATES[FIRST]);
  const { run, busy, error } = useAction();
  const [outcome, setOutcome] = useState<Outcome>();
  const jsonError = invalid(event);

  const all = { ...(shared.data ?? {}), ...privately };
  const options = Object.keys(all).map((value) => ({ value, label: value, description: value in privately ? "Private" : "Shareable" }));

  function choose(event: string | undefined) {
    setChosen(event);
    setName(event ?? "");
    setEvent(event === undefined ? TEMPLATES[template] : all[event]);
    setSharing(event !== undefined && !(event in privately) ? "shareable" : "private");
  }

  async function save() {
    const kept = await flash.attempt({ doing: "save the test event", done: `The test event ${name} was successfully saved.` }, async () => {
      if (sharing === "private") {
        const events = { ...privately, [name]: event };
        keepPrivate(session.account, session.region, view.name, events);
        setPrivately(events);
      } else {
        await keepShared(schemas, view.name, { ...(shared.data ?? {}), [name]: event });
        await shared.refresh();
      }
    });
    if (kept) setChosen(name);
  }

  async function remove() {
    await flash.attempt({ doing: "delete the test event", done: `The test event ${chosen} was deleted.` }, async () => {
      const { [chosen!]: _, ...rest } = chosen! in privately ? privately : shared.data!;
      if (chosen! in privately) {
        keepPrivate(session.account, session.region, view.name, rest);
        setPrivately(rest);
      } else {
        await keepShared(schemas, view.name, rest);
        await shared.refresh();
      }
    });
    choose(undefined);
  }

  async function test() {
    setOutcome(undefined);
    const answer = await lambda.send(
      new InvokeCommand({
        FunctionName: view.name,
        Qualifier: view.qualifier,
        LogType: "Tail",
        Payload: new TextEncoder().encode(event),
      }),
    );
    setOutcome(outcomeOf(answer));
  }

  return (
    <SpaceBetween size="l">
      {edited && <Alert type="warning">You have undeployed changes. The test runs the code that is deployed.</Alert>}
      <Failure error={error} />
      {outcome && <Result outcome={outcome} name={view.name} />}
      <Container
        header={
          <Header
            variant="h2"
            description="To invoke your function without saving an event, configure the JSON event, then choose Test."
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button disabled={!chosen} onClick={() => void remove()}>
                  Delete
                </Button>
                <Button disabled={!name || !!jsonError} onClick={() => void save()}>
                  Save
                </Button>
                <Button variant="primary" loading={busy} disabled={!!jsonError} onClick={() => void run(test)}>
                  Test
                </Button>
              </SpaceBetween>
            }
          >
            Test event
          </Header>
        }
      >
        <SpaceBetween size="l">
          <FormField label="Saved event">
            <SpaceBetween direction="horizontal" size="xs">
              <Select
                selectedOption={chosen === undefined ? null : { value: chosen, label: chosen }}
                options={options}
                onChange={({ detail }) => choose(detail.selectedOption.value)}
                placeholder="Choose an event"
                empty="No saved events"
              />
              <Button onClick={() => choose(undefined)}>Create new event</Button>
            </SpaceBetween>
          </FormField>
          <FormField label="Event name" constraintText="Maximum of 25 characters consisting of letters, numbers, dots, hyphens and underscores.">
            <Input value={name} onChange={({ detail }) => setName(detail.value.replace(/[^\w.-]/g, "").slice(0, 25))} placeholder="MyEventName" />
          </FormField>
          <FormField label="Event sharing settings">
            <RadioGroup
              value={sharing}
              onChange={({ detail }) => setSharing(detail.value)}
              items={[
                { value: "private", label: "Private", description: "This event is only available in this browser." },
                { value: "shareable", label: "Shareable", description: "This event is available to everyone of this account." },
              ]}
            />
          </FormField>
          <FormField label="Template" description="Replaces the event below.">
            <Select
              selectedOption={{ value: template, label: template }}
              options={Object.keys(TEMPLATES).map((value) => ({ value, label: value }))}
              onChange={({ detail }) => {
                setTemplate(detail.selectedOption.value!);
                setEvent(TEMPLATES[detail.selectedOption.value!]);
              }}
            />
          </FormField>
          <SpaceBetween size="xs">
            <FormField label="Event JSON" errorText={jsonError} stretch>
              <Editor name="event.json" label="Event JSON" value={event} onChange={setEvent} minHeight={180} />
            </FormField>
            <Button disabled={!!jsonError} onClick={() => setEvent(JSON.stringify(JSON.parse(event), null, 2))}>
              Format JSON
            </Button>
          </SpaceBetween>
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  );
}

function invalid(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return `This is no JSON: ${(error as Error).message}`;
  }
}
