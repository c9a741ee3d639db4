import { ApiGatewayV2Client, CreateDeploymentCommand, CreateStageCommand, DeleteStageCommand, type Stage, UpdateStageCommand } from "@aws-sdk/client-apigatewayv2";
import { Button, ButtonDropdown, Checkbox, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { Enabled, ToSite, when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { invokeUrl, type PartProps } from "./api";
import { partOf } from "./part";

/** Where the API is served: each stage with its invoke URL. */
export function Stages({ view, onChanged }: PartProps) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [creating, setCreating] = useState(false);

  async function act(doing: string, done: string, action: () => Promise<unknown>) {
    await flash.attempt({ doing, done }, action);
    await onChanged();
  }

  async function choose(id: string, stage: Stage) {
    const named = { ApiId: view.id, StageName: stage.StageName };
    if (id === "deploy") await act("deploy", `Successfully deployed to stage ${stage.StageName}.`, () => client.send(new CreateDeploymentCommand(named)));
    else
      await act("change the stage", `Automatic deployment is ${stage.AutoDeploy ? "off" : "on"} for stage ${stage.StageName}.`, () =>
        client.send(new UpdateStageCommand({ ...named, AutoDeploy: !stage.AutoDeploy })),
      );
  }

  return (
    <>
      <ResourceTable
        title="Stages"
        noun="stage"
        live={partOf(view.stages, onChanged)}
        id={(one) => one.StageName!}
        selection="single"
        columns={[
          { id: "name", header: "Name", text: (one) => one.StageName },
          {
            id: "url",
            header: "Invoke URL",
            cell: (one) => <ToSite url={invokeUrl(view.api, one.StageName!)} />,
            text: (one) => invokeUrl(view.api, one.StageName!),
          },
          { id: "auto", header: "Automatic deployment", cell: (one) => <Enabled on={one.AutoDeploy} />, text: (one) => (one.AutoDeploy ? "Enabled" : "Disabled") },
          { id: "deployment", header: "Attached deployment", text: (one) => one.DeploymentId },
          { id: "updated", header: "Last updated", cell: (one) => when(one.LastUpdatedDate), text: (one) => one.LastUpdatedDate?.getTime() },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="stage"
              name={(one) => one.StageName!}
              remove={(one) => client.send(new DeleteStageCommand({ ApiId: view.id, StageName: one.StageName }))}
              onChanged={onChanged}
            >
              The API is no longer served at its URL.
            </RemoveButton>
            <ButtonDropdown
              disabled={!selected.length}
              items={[
                { id: "deploy", text: "Deploy" },
                { id: "auto", text: selected[0]?.AutoDeploy ? "Turn automatic deployment off" : "Turn automatic deployment on" },
              ]}
              onItemClick={({ detail }) => void choose(detail.id, selected[0])}
            >
              Actions
            </ButtonDropdown>
          </>
        )}
      />
      {creating && <CreateStage apiId={view.id} onClose={() => setCreating(false)} onCreated={onChanged} />}
    </>
  );
}

function CreateStage({ apiId, onCreated, onClose }: { apiId: string; onCreated(): Promise<void>; onClose(): void }) {
  const client = useClient(ApiGatewayV2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [auto, setAuto] = useState(true);

  async function create() {
    await client.send(new CreateStageCommand({ ApiId: apiId, StageName: name, AutoDeploy: auto }));
    flash.success(`Successfully created stage ${name}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create a stage" action="Create" disabled={!name} onClose={onClose} onSave={create}>
      <FormField label="Name" constraintText="Letters, digits, hyphens and underscores, or $default. It is the first segment of the path.">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="prod" autoFocus />
      </FormField>
      <Checkbox checked={auto} onChange={({ detail }) => setAuto(detail.checked)} description="Changes of the API are served at once.">
        Enable automatic deployment
      </Checkbox>
    </EditModal>
  );
}
