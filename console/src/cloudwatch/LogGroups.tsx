import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  paginateDescribeLogGroups,
} from "@aws-sdk/client-cloudwatch-logs";
import { Button, FormField, Input } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { bytes, ToPage, when } from "../shared/details";
import { EditModal } from "../shared/EditModal";
import { useFlash } from "../shared/flash";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { groupPath } from "./paths";

/** The list of log groups. */
export function LogGroups() {
  const logs = useClient(CloudWatchLogsClient);
  const live = useLive(() => allPages(paginateDescribeLogGroups({ client: logs }, {}), (page) => page.logGroups), [logs]);
  const [creating, setCreating] = useState(false);

  return (
    <>
      <ResourceTable
        title="Log groups"
        noun="log group"
        variant="full-page"
        live={live}
        id={(group) => group.logGroupName!}
        selection="multi"
        columns={[
          {
            id: "name",
            header: "Log group",
            cell: (group) => <ToPage to={groupPath(group.logGroupName!)}>{group.logGroupName}</ToPage>,
            text: (group) => group.logGroupName,
          },
          {
            id: "retention",
            header: "Retention",
            cell: (group) => (group.retentionInDays ? `${group.retentionInDays} days` : "Never expire"),
            text: (group) => group.retentionInDays ?? 1e9,
          },
          { id: "size", header: "Stored bytes", cell: (group) => bytes(group.storedBytes), text: (group) => group.storedBytes },
          { id: "created", header: "Creation time", cell: (group) => when(group.creationTime), text: (group) => group.creationTime },
        ]}
        create={
          <Button variant="primary" onClick={() => setCreating(true)}>
            Create log group
          </Button>
        }
        actions={(selected) => (
          <RemoveButton
            items={selected}
            noun="log group"
            name={(group) => group.logGroupName!}
            remove={(group) => logs.send(new DeleteLogGroupCommand({ logGroupName: group.logGroupName }))}
            onChanged={live.refresh}
          >
            All its events are deleted with it.
          </RemoveButton>
        )}
      />
      {creating && <CreateLogGroup onClose={() => setCreating(false)} onCreated={live.refresh} />}
    </>
  );
}

function CreateLogGroup({ onCreated, onClose }: { onCreated(): Promise<void>; onClose(): void }) {
  const logs = useClient(CloudWatchLogsClient);
  const flash = useFlash();
  const [name, setName] = useState("");

  async function create() {
    await logs.send(new CreateLogGroupCommand({ logGroupName: name }));
    flash.success(`Log group "${name}" has been created.`);
    await onCreated();
  }

  return (
    <EditModal title="Create log group" action="Create" disabled={!name} onClose={onClose} onSave={create}>
      <FormField label="Log group name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="/my/app" autoFocus />
      </FormField>
    </EditModal>
  );
}
