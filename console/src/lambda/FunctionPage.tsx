import { DeleteFunctionCommand, GetFunctionCommand, GetPolicyCommand, LambdaClient, PublishVersionCommand, PutFunctionConcurrencyCommand } from "@aws-sdk/client-lambda";
import { Button, ButtonDropdown, FormField, Header, Input, SpaceBetween, StatusIndicator, Tabs } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { Copyable, Loaded } from "../shared/details";
import { useFlash } from "../shared/flash";
import { useAddressTab } from "../shared/useAddressTab";
import { Aliases } from "./Aliases";
import { CodeTab } from "./code/CodeTab";
import { Configuration } from "./configuration/Configuration";
import type { FunctionView } from "./function";
import { Monitor } from "./Monitor";
import { Overview } from "./Overview";
import { TestTab } from "./test/TestTab";
import { Versions } from "./Versions";

/** One function: overview, code, test, monitor, configuration, aliases, versions. */
export function FunctionPage() {
  const name = useParams().name!;
  const [address] = useSearchParams();
  const qualifier = address.get("qualifier") ?? undefined;
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const navigate = useNavigate();
  const [tab, setTab] = useAddressTab("code");
  const [dialog, setDialog] = useState<"delete" | "publish">();
  const [description, setDescription] = useState("");

  const live = useLive(
    async (): Promise<FunctionView> => {
      const shown = await lambda.send(new GetFunctionCommand({ FunctionName: name, Qualifier: qualifier }));
      const policy = await lambda.send(new GetPolicyCommand({ FunctionName: name, Qualifier: qualifier })).catch(() => undefined);
      return {
        name,
        qualifier,
        configuration: shown.Configuration!,
        codeUrl: shown.Code?.Location,
        concurrency: shown.Concurrency?.ReservedConcurrentExecutions,
        tags: shown.Tags ?? {},
        statements: policy?.Policy ? JSON.parse(policy.Policy).Statement : [],
      };
    },
    [lambda, name, qualifier],
    4000,
  );

  async function act(id: string) {
    if (id === "delete" || id === "publish") setDialog(id);
    if (id === "throttle") {
      await flash.attempt({ doing: "throttle the function", done: "The function is throttled: its reserved concurrency is 0." }, () =>
        lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: name, ReservedConcurrentExecutions: 0 })),
      );
      await live.refresh();
    }
  }

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => void act("throttle")}>Throttle</Button>
            <ButtonDropdown
              items={[
                { id: "publish", text: "Publish new version" },
                { id: "delete", text: "Delete function" },
              ]}
              onItemClick={({ detail }) => void act(detail.id)}
            >
              Actions
            </ButtonDropdown>
          </SpaceBetween>
        }
      >
        {name}
        {qualifier && `: ${qualifier}`}
      </Header>
      <Loaded live={live}>
        {(shown) => (
          <SpaceBetween size="l">
            <Overview view={shown} onOpenTab={setTab} />
            <SpaceBetween direction="horizontal" size="l">
              <Copyable text={shown.configuration.FunctionArn} />
              <State view={shown} />
            </SpaceBetween>
            <Tabs
              activeTabId={tab.split(".")[0]}
              onChange={({ detail }) => setTab(detail.activeTabId)}
              tabs={[
                { id: "code", label: "Code", content: <CodeTab view={shown} onChanged={live.refresh} onTest={() => setTab("test")} /> },
                { id: "test", label: "Test", content: <TestTab view={shown} /> },
                { id: "monitor", label: "Monitor", content: <Monitor view={shown} /> },
                {
                  id: "configuration",
                  label: "Configuration",
                  content: <Configuration view={shown} part={tab.split(".")[1]} onPart={(part) => setTab(`configuration.${part}`)} onChanged={live.refresh} />,
                },
                { id: "aliases", label: "Aliases", content: <Aliases view={shown} /> },
                { id: "versions", label: "Versions", content: <Versions view={shown} onPublish={() => setDialog("publish")} /> },
              ]}
            />
          </SpaceBetween>
        )}
      </Loaded>
      {dialog === "publish" && (
        <ConfirmModal
          title="Publish new version from $LATEST"
          action="Publish"
          onClose={() => setDialog(undefined)}
          onConfirm={async () => {
            const made = await lambda.send(new PublishVersionCommand({ FunctionName: name, Description: description || undefined }));
            flash.success(`Successfully published version ${made.Version} of the function ${name}.`);
            setTab("versions");
          }}
        >
          <FormField label="Version description" description="Optional">
            <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
        </ConfirmModal>
      )}
      {dialog === "delete" && (
        <ConfirmModal
          title={`Delete ${name}`}
          action="Delete"
          typed="confirm"
          onClose={() => setDialog(undefined)}
          onConfirm={async () => {
            await lambda.send(new DeleteFunctionCommand({ FunctionName: name }));
            flash.success(`Successfully deleted the function ${name}.`);
            navigate("/lambda/functions");
          }}
        >
          Code, versions and aliases are deleted with it. The log group stays.
        </ConfirmModal>
      )}
    </SpaceBetween>
  );
}

function State({ view }: { view: FunctionView }) {
  const { State: state, StateReason: reason, LastUpdateStatus: update } = view.configuration;
  if (state === "Failed" || update === "Failed")
    return <StatusIndicator type="error">{reason ?? view.configuration.LastUpdateStatusReason}</StatusIndicator>;
  if (state === "Pending" || update === "InProgress") return <StatusIndicator type="in-progress">Updating</StatusIndicator>;
  return <StatusIndicator>{state ?? "Active"}</StatusIndicator>;
}
