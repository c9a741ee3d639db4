import { CreateLaunchTemplateCommand, DeleteLaunchTemplateCommand, EC2Client, paginateDescribeLaunchTemplates, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { Button, FormField, Input, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";

/** The list of launch templates. */
export function LaunchTemplates() {
  const ec2 = useClient(EC2Client);
  const flash = useFlash();
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const live = useLive(() => allPages(paginateDescribeLaunchTemplates({ client: ec2 }, {}), (page) => page.LaunchTemplates), [ec2]);

  async function act(doing: string, done: string, action: () => Promise<unknown>) {
    const went = await flash.attempt({ doing, done }, action);
    await live.refresh();
    return went;
  }

  const create = (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create launch template
    </Button>
  );
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
          { id: "id", header: "Launch template ID", cell: (one) => one.LaunchTemplateId, text: (one) => one.LaunchTemplateId! },
          { id: "name", header: "Launch template name", cell: (one) => one.LaunchTemplateName, text: (one) => one.LaunchTemplateName ?? "" },
          { id: "default", header: "Default version", cell: (one) => one.DefaultVersionNumber, text: (one) => one.DefaultVersionNumber ?? 0 },
          { id: "latest", header: "Latest version", cell: (one) => one.LatestVersionNumber, text: (one) => one.LatestVersionNumber ?? 0 },
          { id: "created", header: "Create time", cell: (one) => when(one.CreateTime), text: (one) => one.CreateTime?.getTime() ?? 0 },
        ]}
        create={create}
        actions={([template]) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              disabled={!template}
              onClick={() => void act("delete the template", `${template.LaunchTemplateName} was deleted.`, () => ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: template.LaunchTemplateId })))}
            >
              Delete
            </Button>
            <Button
              disabled={!template}
              onClick={async () => {
                const went = await act("launch from the template", `An instance of ${template.LaunchTemplateName} is being launched.`, () =>
                  ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, LaunchTemplate: { LaunchTemplateId: template.LaunchTemplateId } })),
                );
                if (went) navigate("/ec2/instances");
              }}
            >
              Launch instance from template
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {creating && (
        <CreateTemplate
          onClose={() => setCreating(false)}
          onCreate={async (name, image, type, key) => {
            const went = await act("create the template", `Successfully created ${name}.`, () =>
              ec2.send(
                new CreateLaunchTemplateCommand({
                  LaunchTemplateName: name,
                  LaunchTemplateData: { ImageId: image || undefined, InstanceType: (type || undefined) as never, KeyName: key || undefined },
                }),
              ),
            );
            if (went) setCreating(false);
          }}
        />
      )}
    </>
  );
}

function CreateTemplate({ onCreate, onClose }: { onCreate(name: string, image: string, type: string, key: string): Promise<void>; onClose(): void }) {
  const [name, setName] = useState("");
  const [image, setImage] = useState("");
  const [type, setType] = useState("t2.micro");
  const [key, setKey] = useState("");
  return (
    <EditModal title="Create launch template" action="Create launch template" disabled={!name} onClose={onClose} onSave={() => void onCreate(name, image, type, key)}>
      <FormField label="Launch template name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      <FormField label="AMI ID">
        <Input value={image} onChange={({ detail }) => setImage(detail.value)} placeholder="ami-..." />
      </FormField>
      <FormField label="Instance type">
        <Input value={type} onChange={({ detail }) => setType(detail.value)} />
      </FormField>
      <FormField label="Key pair name">
        <Input value={key} onChange={({ detail }) => setKey(detail.value)} />
      </FormField>
    </EditModal>
  );
}
