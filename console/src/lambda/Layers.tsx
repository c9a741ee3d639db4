import { DeleteLayerVersionCommand, LambdaClient, paginateListLayers, PublishLayerVersionCommand } from "@aws-sdk/client-lambda";
import { Button, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { Copyable, when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { FilePicker } from "../shared/FilePicker";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";

/** Layers, with their newest versions. */
export function Layers() {
  const lambda = useClient(LambdaClient);
  const [creating, setCreating] = useState(false);
  const live = useLive(() => allPages(paginateListLayers({ client: lambda }, {}), (page) => page.Layers), [lambda]);

  return (
    <>
      <ResourceTable
        title="Layers"
        noun="layer"
        variant="full-page"
        live={live}
        selection="single"
        id={(one) => one.LayerName!}
        columns={[
          { id: "name", header: "Name", text: (one) => one.LayerName },
          { id: "version", header: "Version", text: (one) => one.LatestMatchingVersion?.Version },
          {
            id: "runtimes",
            header: "Compatible runtimes",
            cell: (one) => one.LatestMatchingVersion?.CompatibleRuntimes?.join(", ") || "–",
            text: (one) => one.LatestMatchingVersion?.CompatibleRuntimes?.join(),
          },
          { id: "created", header: "Created", cell: (one) => when(one.LatestMatchingVersion?.CreatedDate), text: (one) => one.LatestMatchingVersion?.CreatedDate },
          {
            id: "arn",
            header: "Version ARN",
            cell: (one) => <Copyable text={one.LatestMatchingVersion?.LayerVersionArn} />,
            text: (one) => one.LatestMatchingVersion?.LayerVersionArn,
          },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create layer
          </Button>
        }
        actions={(selected) => (
          <RemoveButton
            items={selected}
            noun="layer version"
            name={(one) => `${one.LayerName}:${one.LatestMatchingVersion?.Version}`}
            action="Delete version"
            remove={(one) => lambda.send(new DeleteLayerVersionCommand({ LayerName: one.LayerName, VersionNumber: one.LatestMatchingVersion?.Version }))}
            onChanged={live.refresh}
          >
            Functions that have it keep it; no other function can take it.
          </RemoveButton>
        )}
      />
      {creating && <CreateLayer onClose={() => setCreating(false)} onCreated={live.refresh} />}
    </>
  );
}

function CreateLayer({ onCreated, onClose }: { onCreated(): Promise<void>; onClose(): void }) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [name, setName] = useState("");
  const [files, setFiles] = useState<File[]>([]);

  async function publish() {
    const made = await lambda.send(new PublishLayerVersionCommand({ LayerName: name, Content: { ZipFile: new Uint8Array(await files[0].arrayBuffer()) } }));
    flash.success(`Successfully created layer ${name} version ${made.Version}.`);
    await onCreated();
  }

  return (
    <EditModal title="Create layer" action="Create" disabled={!name || !files.length} onClose={onClose} onSave={publish}>
      <FormField label="Name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      <FilePicker label="Package" description="A .zip file; Python packages go below python/." accept=".zip" files={files} onChange={setFiles} />
    </EditModal>
  );
}
