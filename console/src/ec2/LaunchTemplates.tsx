import { CreateLaunchTemplateCommand, DeleteLaunchTemplateCommand, EC2Client, type LaunchTemplate, paginateDescribeLaunchTemplates, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { Button, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { InstanceTypePicker, useInstanceTypes } from "./InstanceTypePicker";

/** The list of launch templates. */
export function LaunchTemplates() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const live = useLive(() => allPages(paginateDescribeLaunchTemplates({ client: ec2 }, {}), (page) => page.LaunchTemplates), [ec2]);

  async function launch(template: LaunchTemplate) {
    const went = await flash.attempt({ doing: "launch from the template", done: `An instance of ${template.LaunchTemplateName} is being launched.` }, () =>
      ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, LaunchTemplate: { LaunchTemplateId: template.LaunchTemplateId } })),
    );
    if (went) navigate("/ec2/instances");
  }

  return (
    <>
      <ResourceTable
        title="Launch templates"
        noun="launch template"
        variant="full-page"
        live={live}
        selection="single"
        id={(one) => one.LaunchTemplateId!}
        columns={[
          { id: "id", header: "Launch template ID", text: (one) => one.LaunchTemplateId },
          { id: "name", header: "Launch template name", text: (one) => one.LaunchTemplateName },
          { id: "default", header: "Default version", text: (one) => one.DefaultVersionNumber },
          { id: "latest", header: "Latest version", text: (one) => one.LatestVersionNumber },
          { id: "created", header: "Create time", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create launch template
          </Button>
        }
        actions={(selected) => (
          <>
            <RemoveButton
              items={selected}
              noun="launch template"
              name={(one) => one.LaunchTemplateName!}
              remove={(one) => ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: one.LaunchTemplateId }))}
              onChanged={live.refresh}
            >
              All its versions are deleted. Instances that were launched from it go on.
            </RemoveButton>
            <Button disabled={!selected.length} onClick={() => void launch(selected[0])}>
              Launch instance from template
            </Button>
          </>
        )}
      />
      {creating && <CreateTemplate onClose={() => setCreating(false)} onCreated={live.refresh} />}
    </>
  );
}

function CreateTemplate({ onCreated, onClose }: { onCreated(): Promise<void>; onClose(): void }) {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [image, setImage] = useState("");
  const types = useInstanceTypes();
  const [type, setType] = useState("t2.micro");
  const [key, setKey] = useState("");

  async function create() {
    await ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: name,
        LaunchTemplateData: { ImageId: image || undefined, InstanceType: (type || undefined) as never, KeyName: key || undefined },
      }),
    );
    flash.success(`Successfully created ${name}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create launch template" action="Create launch template" disabled={!name} onClose={onClose} onSave={create}>
      <FormField label="Launch template name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} autoFocus />
      </FormField>
      <FormField label="AMI ID">
        <Input value={image} onChange={({ detail }) => setImage(detail.value)} placeholder="ami-..." />
      </FormField>
      <InstanceTypePicker types={types} value={type} onChange={setType} />
      <FormField label="Key pair name">
        <Input value={key} onChange={({ detail }) => setKey(detail.value)} />
      </FormField>
    </EditModal>
  );
}
