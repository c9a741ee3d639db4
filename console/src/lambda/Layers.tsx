import { DeleteLayerVersionCommand, LambdaClient, paginateListLayers, PublishLayerVersionCommand } from "@aws-sdk/client-lambda";
import { Button, FileUpload, FormField, Input, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { Copyable, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { EditModal } from "../shared/EditModal";

/** Layers, with their newest versions. */
export function Layers() {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [creating, setCreating] = useState(false);
  const [name, setName] = useState("");
  const [files, setFiles] = useState<File[]>([]);
  const live = useLive(() => allPages(paginateListLayers({ client: lambda }, {}), (page) => page.Layers), [lambda]);

  async function publish() {
    const done = await flash.attempt({ doing: `publish the layer ${name}`, done: `Successfully published the layer ${name}.` }, async () =>
      lambda.send(new PublishLayerVersionCommand({ LayerName: name, Content: { ZipFile: new Uint8Array(await files[0].arrayBuffer()) } })),
    );
    if (done) setCreating(false);
    await live.refresh();
  }

  const create = (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create layer
    </Button>
  );
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
          { id: "name", header: "Name", cell: (one) => one.LayerName, text: (one) => one.LayerName! },
          { id: "version", header: "Version", cell: (one) => one.LatestMatchingVersion?.Version, text: (one) => one.LatestMatchingVersion?.Version ?? 0 },
          {
            id: "runtimes",
            header: "Compatible runtimes",
            cell: (one) => one.LatestMatchingVersion?.CompatibleRuntimes?.join(", ") || "–",
            text: (one) => one.LatestMatchingVersion?.CompatibleRuntimes?.join() ?? "",
          },
          { id: "created", header: "Created", cell: (one) => when(one.LatestMatchingVersion?.CreatedDate), text: (one) => one.LatestMatchingVersion?.CreatedDate ?? "" },
          {
            id: "arn",
            header: "Version ARN",
            cell: (one) => <Copyable text={one.LatestMatchingVersion?.LayerVersionArn} />,
            text: (one) => one.LatestMatchingVersion?.LayerVersionArn ?? "",
          },
        ]}
        create={create}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              disabled={!selected.length}
              onClick={async () => {
                const { LayerName, LatestMatchingVersion } = selected[0];
                await flash.attempt({ doing: "delete the layer version", done: `Deleted version ${LatestMatchingVersion?.Version} of ${LayerName}.` }, () =>
                  lambda.send(new DeleteLayerVersionCommand({ LayerName, VersionNumber: LatestMatchingVersion?.Version })),
                );
                await live.refresh();
              }}
            >
              Delete version
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {creating && (
        <EditModal title="Create layer" action="Create layer" disabled={!name || !files.length} onClose={() => setCreating(false)} onSave={() => void publish()}>
          <FormField label="Name">
            <Input value={name} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField label="Package" description="A .zip file; Python packages go below python/.">
            <FileUpload
              value={files}
              accept=".zip"
              onChange={({ detail }) => setFiles(detail.value)}
              i18nStrings={{
                uploadButtonText: () => "Choose file",
                dropzoneText: () => "Drop file to upload",
                removeFileAriaLabel: () => "Remove file",
                limitShowFewer: "Show fewer files",
                limitShowMore: "Show more files",
                errorIconAriaLabel: "Error",
              }}
              showFileSize
            />
          </FormField>
        </EditModal>
      )}
    </>
  );
}
