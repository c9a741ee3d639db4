import { DeleteFunctionCommand, GetFunctionCommand, GetPolicyCommand, LambdaClient, PublishVersionCommand, PutFunctionConcurrencyCommand } from "@aws-sdk/client-lambda";
import { Button, ButtonDropdown, CopyToClipboard, FormField, Header, Input, SpaceBetween, Tabs } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router-dom";
import { useClient } from "../aws/clients";
import { unlessAbsent } from "../aws/errors";
import { useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { Loaded } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { useAddressTab } from "../shared/useAddressTab";
import { Aliases } from "./Aliases";
import { CodeTab } from "./code/CodeTab";
import { Configuration } from "./configuration/Configuration";
import type { FunctionView } from "./function";
import { Monitor } from "./Monitor";
import { Overview } from "./overview/Overview";
import { TestTab } from "./test/TestTab";
import { Versions } from "./Versions";

type Dialog = "delete" | "publish" | "throttle";

/** One function: overview, code, test, monitor, configuration, aliases, versions. */
export default function FunctionPage() {
  const name = useParams().name!;
  const [address] = useSearchParams();
  const qualifier = address.get("qualifier") ?? undefined;
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const navigate = useNavigate();
  const [tab, setTab] = useAddressTab("code");
  const [edited, setEdited] = useState(false);
  const [dialog, setDialog] = useState<Dialog>();
  const [description, setDescription] = useState("");

  const live = useLive(
    async (): Promise<FunctionView> => {
      const shown = await lambda.send(new GetFunctionCommand({ FunctionName: name, Qualifier: qualifier }));
      const policy = await lambda.send(new GetPolicyCommand({ FunctionName: name, Qualifier: qualifier })).catch(unlessAbsent);
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

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={live.data?.concurrency === 0} onClick={() => setDialog("throttle")}>
              Throttle
            </Button>
            <CopyToClipboard copyButtonText="Copy ARN" textToCopy={live.data?.configuration.FunctionArn ?? ""} disabled={!live.data} copySuccessText="ARN copied" copyErrorText="The ARN could not be copied" />
            <ButtonDropdown
              items={[
                { id: "publish", text: "Publish new version" },
                { id: "delete", text: "Delete function" },
              ]}
              onItemClick={({ detail }) => setDialog(detail.id as Dialog)}
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
            <Overview view={shown} onOpenTab={setTab} onChanged={live.refresh} />
            <Tabs
              activeTabId={tab.split(".")[0]}
              onChange={({ detail }) => setTab(detail.activeTabId)}
              tabs={[
                // What is typed there stays while another tab is open.
                {
                  id: "code",
                  label: "Code",
                  contentRenderStrategy: "lazy",
                  content: <CodeTab view={shown} part={tab.split(".")[1]} onChanged={live.refresh} onEdited={setEdited} onTest={() => setTab("test")} />,
                },
                { id: "test", label: "Test", contentRenderStrategy: "lazy", content: <TestTab view={shown} edited={edited} /> },
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
        <EditModal
          title="Publish new version from $LATEST"
          action="Publish"
          onClose={() => setDialog(undefined)}
          onSave={async () => {
            const made = await lambda.send(new PublishVersionCommand({ FunctionName: name, Description: description || undefined }));
            flash.success(`Successfully created version ${made.Version} of function ${name}.`);
            setTab("versions");
          }}
        >
          <FormField label="Version description" description="Optional">
            <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
        </EditModal>
      )}
      {dialog === "throttle" && (
        <ConfirmModal
          title="Throttle your function?"
          action="Confirm"
          onClose={() => setDialog(undefined)}
          onConfirm={async () => {
            await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: name, ReservedConcurrentExecutions: 0 }));
            flash.success(`The function ${name} is throttled: its reserved concurrency is 0.`);
            await live.refresh();
          }}
        >
          Its reserved concurrency is set to 0, and all further invocations are refused. To allow them again, edit it below Configuration, Concurrency.
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
