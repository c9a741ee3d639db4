import { type AliasConfiguration, CreateAliasCommand, DeleteAliasCommand, LambdaClient, paginateListAliases, UpdateAliasCommand } from "@aws-sdk/client-lambda";
import { Button, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ToPage } from "../shared/details";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { EditModal } from "../shared/EditModal";
import type { FunctionView } from "./function";

interface Draft {
  alias?: AliasConfiguration;
  name: string;
  version: string;
  other: string;
  weight: string;
}

/** Aliases: names that point to a version, or to two by weight. */
export function Aliases({ view }: { view: FunctionView }) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [draft, setDraft] = useState<Draft>();
  const live = useLive(
    () => allPages(paginateListAliases({ client: lambda }, { FunctionName: view.name }), (page) => page.Aliases),
    [lambda, view.name],
  );

  async function save() {
    const { alias, name, version, other, weight } = draft!;
    const command = {
      FunctionName: view.name,
      Name: name,
      FunctionVersion: version,
      RoutingConfig: { AdditionalVersionWeights: other ? { [other]: Number(weight) / 100 } : {} },
    };
    await (alias ? lambda.send(new UpdateAliasCommand(command)) : lambda.send(new CreateAliasCommand(command)));
    flash.success(`Successfully ${alias ? "updated" : "created"} alias ${name}.`);
    await live.refresh();
  }

  function edit(alias: AliasConfiguration) {
    const [other, weight] = Object.entries(alias.RoutingConfig?.AdditionalVersionWeights ?? {})[0] ?? ["", 0];
    setDraft({ alias, name: alias.Name!, version: alias.FunctionVersion!, other, weight: String(weight * 100) });
  }

  return (
    <>
      <ResourceTable
        title="Aliases"
        noun="alias"
        live={live}
        selection="single"
        id={(one) => one.Name!}
        columns={[
          {
            id: "name",
            header: "Name",
            cell: (one) => <ToPage to={`/lambda/functions/${view.name}?qualifier=${one.Name}`}>{one.Name}</ToPage>,
            text: (one) => one.Name,
          },
          { id: "versions", header: "Versions", text: versions },
          { id: "description", header: "Description", text: (one) => one.Description },
        ]}
        create={
          <Button variant="primary" onClick={() => setDraft({ name: "", version: "$LATEST", other: "", weight: "0" })}>
            Create alias
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="alias"
              name={(one) => one.Name!}
              remove={(one) => lambda.send(new DeleteAliasCommand({ FunctionName: view.name, Name: one.Name }))}
              onChanged={live.refresh}
            >
              What invokes it by this name fails then.
            </RemoveButton>
            <Button disabled={!selected.length} onClick={() => edit(selected[0])}>
              Edit
            </Button>
          </>
        )}
      />
      {draft && (
        <EditModal title={draft.alias ? "Edit alias" : "Create alias"} disabled={!draft.name || !draft.version} onClose={() => setDraft(undefined)} onSave={save}>
          <FormField label="Name">
            <Input value={draft.name} disabled={!!draft.alias} onChange={({ detail }) => setDraft({ ...draft, name: detail.value })} />
          </FormField>
          <FormField label="Version">
            <Input value={draft.version} onChange={({ detail }) => setDraft({ ...draft, version: detail.value })} />
          </FormField>
          <FormField label="Additional version" description="Optional: a second version that gets a share of the invocations.">
            <Input value={draft.other} onChange={({ detail }) => setDraft({ ...draft, other: detail.value })} />
          </FormField>
          {draft.other && (
            <FormField label="Weight (%)">
              <Input type="number" value={draft.weight} onChange={({ detail }) => setDraft({ ...draft, weight: detail.value })} />
            </FormField>
          )}
        </EditModal>
      )}
    </>
  );
}

function versions(alias: AliasConfiguration): string {
  const others = Object.entries(alias.RoutingConfig?.AdditionalVersionWeights ?? {});
  const rest = 1 - others.reduce((sum, [, weight]) => sum + weight, 0);
  if (!others.length) return alias.FunctionVersion!;
  return [[alias.FunctionVersion!, rest] as const, ...others].map(([version, weight]) => `${version} (${Math.round(weight * 100)}%)`).join(", ");
}
