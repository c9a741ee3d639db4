import { Button, Container, Grid, Header } from "@cloudscape-design/components";
import { useState } from "react";
import { functionName } from "../../apigateway/api";
import { Copyable, Details, ToSite, when } from "../../shared/details";
import { LiveFailure } from "../../shared/Failure";
import type { FunctionView } from "../function";
import { FunctionState } from "../FunctionState";
import { useEventInvokeConfig } from "../useEventInvokeConfig";
import { AddDestination } from "./AddDestination";
import { AddTrigger } from "./AddTrigger";
import { Diagram } from "./Diagram";
import { type Trigger, useTriggers } from "./useTriggers";

interface Props {
  view: FunctionView;
  onOpenTab(tab: string): void;
  onChanged(): Promise<void>;
}

/** The function at a glance: what invokes it, where its outcome goes, and what it is called. */
export function Overview({ view, onOpenTab, onChanged }: Props) {
  const [adding, setAdding] = useState<"trigger" | "destination">();
  const triggers = useTriggers(view);
  const asynchronous = useEventInvokeConfig(view);
  const url = triggers.data?.find((one) => one.kind === "Function URL")?.url;
  const { OnSuccess, OnFailure } = asynchronous.data?.DestinationConfig ?? {};
  const destinations = [
    { kind: "On success", arn: OnSuccess?.Destination },
    { kind: "On failure", arn: OnFailure?.Destination },
  ].filter((one) => one.arn);

  return (
    <Container header={<Header variant="h2">Function overview</Header>}>
      <LiveFailure live={triggers} />
      <LiveFailure live={asynchronous} />
      <Grid gridDefinition={[{ colspan: { default: 12, s: 8, l: 9 } }, { colspan: { default: 12, s: 4, l: 3 } }]}>
        <Diagram
          name={view.name}
          layers={view.configuration.Layers?.length ?? 0}
          onOpenLayers={() => onOpenTab("code.layers")}
          triggers={boxes(triggers.data ?? []).map(([first, count]) => ({
            key: first.apiId ?? first.kind,
            kind: count > 1 ? `${first.kind} (${count})` : first.kind,
            name: first.name ?? `Auth type: ${first.authorization}`,
            onOpen: () => onOpenTab(first.apiId ? "configuration.triggers" : "configuration.url"),
          }))}
          destinations={destinations.map((one) => ({
            key: one.kind,
            kind: one.kind,
            name: functionName(one.arn!),
            onOpen: () => onOpenTab("configuration.asynchronous"),
          }))}
          addTrigger={
            <Button iconName="add-plus" onClick={() => setAdding("trigger")}>
              Add trigger
            </Button>
          }
          addDestination={
            <Button iconName="add-plus" onClick={() => setAdding("destination")}>
              Add destination
            </Button>
          }
        />
        <Details
          columns={1}
          items={[
            ["Description", view.configuration.Description || undefined],
            ["Last modified", when(view.configuration.LastModified)],
            ["State", <FunctionState configuration={view.configuration} />],
            ["Function ARN", <Copyable text={view.configuration.FunctionArn} />],
            ["Function URL", url && <ToSite url={url} />],
          ]}
        />
      </Grid>
      {adding === "trigger" && (
        <AddTrigger
          view={view}
          onClose={() => setAdding(undefined)}
          onAdded={async () => {
            await onChanged();
            onOpenTab("configuration.triggers");
          }}
        />
      )}
      {adding === "destination" && <AddDestination view={view} config={asynchronous.data} onClose={() => setAdding(undefined)} onAdded={asynchronous.refresh} />}
    </Container>
  );
}

/** One of each API, and how many of its routes lead to the function. */
function boxes(triggers: Trigger[]): [Trigger, number][] {
  const firsts = triggers.filter((one, index) => triggers.findIndex((other) => other.apiId === one.apiId) === index);
  return firsts.map((first) => [first, triggers.filter((one) => one.apiId === first.apiId).length]);
}
