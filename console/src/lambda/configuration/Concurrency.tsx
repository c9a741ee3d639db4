import {
  DeleteFunctionConcurrencyCommand,
  DeleteProvisionedConcurrencyConfigCommand,
  GetAccountSettingsCommand,
  LambdaClient,
  paginateListProvisionedConcurrencyConfigs,
  PutFunctionConcurrencyCommand,
  PutProvisionedConcurrencyConfigCommand,
} from "@aws-sdk/client-lambda";
import { Box, Button, Container, FormField, Header, Input, RadioGroup, SpaceBetween, StatusIndicator, Table } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { allPages, useLive } from "../../aws/useLive";
import { Details } from "../../shared/details";
import { LiveFailure } from "../../shared/Failure";
import { useFlash } from "../../shared/flash";
import type { PartProps } from "./Configuration";
import { EditModal } from "../../shared/EditModal";

/** Reserved and provisioned concurrency. */
export function Concurrency({ view, onChanged }: PartProps) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [editing, setEditing] = useState<"reserved" | "provisioned">();
  const [kind, setKind] = useState("reserved");
  const [count, setCount] = useState("");
  const [qualifier, setQualifier] = useState("");
  const limit = useLive(async () => (await lambda.send(new GetAccountSettingsCommand({}))).AccountLimit, [lambda], 15_000);
  const provisioned = useLive(
    () =>
      allPages(paginateListProvisionedConcurrencyConfigs({ client: lambda }, { FunctionName: view.name }), (page) => page.ProvisionedConcurrencyConfigs),
    [lambda, view.name],
  );

  async function saveReserved() {
    await (kind === "reserved"
      ? lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: view.name, ReservedConcurrentExecutions: Number(count) }))
      : lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName: view.name })));
    flash.success("The concurrency was changed.");
    await onChanged();
  }

  async function saveProvisioned() {
    await lambda.send(new PutProvisionedConcurrencyConfigCommand({ FunctionName: view.name, Qualifier: qualifier, ProvisionedConcurrentExecutions: Number(count) }));
    flash.success("Environments are being prepared.");
    await provisioned.refresh();
  }

  return (
    <SpaceBetween size="l">
      <Container
        header={
          <Header
            variant="h2"
            actions={
              <Button
                onClick={() => {
                  setKind(view.concurrency === undefined ? "unreserved" : "reserved");
                  setCount(String(view.concurrency ?? ""));
                  setEditing("reserved");
                }}
              >
                Edit
              </Button>
            }
          >
            Concurrency
          </Header>
        }
      >
        <Details
          items={[
            ["Function concurrency", view.concurrency === undefined ? "Use unreserved account concurrency" : `Reserved: ${view.concurrency}`],
            ["Unreserved account concurrency", limit.data?.UnreservedConcurrentExecutions],
          ]}
        />
      </Container>
      <LiveFailure live={provisioned} />
      <Table
        items={provisioned.data ?? []}
        loading={provisioned.loading}
        loadingText="Loading"
        ariaLabels={{ tableLabel: "Provisioned concurrency configurations" }}
        header={
          <Header
            variant="h2"
            actions={
              <Button
                onClick={() => {
                  setCount("1");
                  setEditing("provisioned");
                }}
              >
                Add configuration
              </Button>
            }
          >
            Provisioned concurrency configurations
          </Header>
        }
        columnDefinitions={[
          { id: "qualifier", header: "Qualifier", cell: (one) => one.FunctionArn?.split(":").pop() },
          { id: "count", header: "Provisioned concurrency", cell: (one) => `${one.AllocatedProvisionedConcurrentExecutions} of ${one.RequestedProvisionedConcurrentExecutions}` },
          {
            id: "status",
            header: "Status",
            cell: (one) => <StatusIndicator type={one.Status === "READY" ? "success" : one.Status === "FAILED" ? "error" : "in-progress"}>{one.Status}</StatusIndicator>,
          },
          {
            id: "remove",
            header: "Action",
            cell: (one) => (
              <Button
                variant="inline-link"
                onClick={async () => {
                  await flash.attempt({ doing: "remove the configuration", done: "The configuration was removed." }, () =>
                    lambda.send(new DeleteProvisionedConcurrencyConfigCommand({ FunctionName: view.name, Qualifier: one.FunctionArn!.split(":").pop() })),
                  );
                  await provisioned.refresh();
                }}
              >
                Remove
              </Button>
            ),
          },
        ]}
        empty={<Box color="text-body-secondary">No configurations. Environments are made when they are needed.</Box>}
      />
      {editing === "reserved" && (
        <EditModal title="Edit concurrency" onClose={() => setEditing(undefined)} onSave={saveReserved}>
          <RadioGroup
            value={kind}
            onChange={({ detail }) => setKind(detail.value)}
            items={[
              { value: "unreserved", label: "Use unreserved account concurrency" },
              { value: "reserved", label: "Reserve concurrency" },
            ]}
          />
          {kind === "reserved" && (
            <FormField label="Reserved concurrency">
              <Input type="number" value={count} onChange={({ detail }) => setCount(detail.value)} />
            </FormField>
          )}
        </EditModal>
      )}
      {editing === "provisioned" && (
        <EditModal title="Configure provisioned concurrency" disabled={!qualifier} onClose={() => setEditing(undefined)} onSave={saveProvisioned}>
          <FormField label="Version or alias">
            <Input value={qualifier} onChange={({ detail }) => setQualifier(detail.value)} placeholder="1" />
          </FormField>
          <FormField label="Provisioned concurrency">
            <Input type="number" value={count} onChange={({ detail }) => setCount(detail.value)} />
          </FormField>
        </EditModal>
      )}
    </SpaceBetween>
  );
}
