import { LambdaClient, UpdateFunctionCodeCommand, waitUntilFunctionUpdatedV2 } from "@aws-sdk/client-lambda";
import { Alert } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../../aws/clients";
import { EditModal } from "../../shared/EditModal";
import { FilePicker } from "../../shared/FilePicker";
import { useFlash } from "../../shared/flash";

/** Replace the function's whole code by a deployment package. */
export function UploadZip({ name, onChanged, onClose }: { name: string; onChanged(): Promise<void>; onClose(): void }) {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const [files, setFiles] = useState<File[]>([]);

  async function upload() {
    await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: name, ZipFile: new Uint8Array(await files[0].arrayBuffer()) }));
    await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { FunctionName: name });
    flash.success(`Successfully updated the function ${name}.`);
    await onChanged();
  }

  return (
    <EditModal title="Upload a .zip file" disabled={!files.length} onSave={upload} onClose={onClose}>
      <Alert type="info">When you upload a new .zip file package, it overwrites the existing code.</Alert>
      <FilePicker label="Deployment package" accept=".zip" files={files} onChange={setFiles} />
    </EditModal>
  );
}
