import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  type LogGroup,
  paginateDescribeLogGroups,
} from "@aws-sdk/client-cloudwatch-logs";
import { Box, Button, FormField, Input, Modal, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { bytes, ToPage, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { groupPath } from "./paths";

/** The list of log groups. */
export function LogGroups() {
  const logs = useClient(CloudWatchLogsClient);
  const flash = useFlash();
  const live = useLive(() => allPages(paginateDescribeLogGroups({ client: logs }, {}), (page) => page.logGroups), [logs]);
  const [deleting, setDeleting] = useState<LogGroup[]>();
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
            text: (group) => group.logGroupName!,
          },
          {
            id: "retention",
            header: "Retention",
            cell: (group) => (group.retentionInDays ? `${group.retentionInDays} days` : "Never expire"),
            text: (group) => group.retentionInDays ?? 1e9,
          },
          { id: "size", header: "Stored bytes", cell: (group) => bytes(group.storedBytes), text: (group) => group.storedBytes ?? 0 },
          { id: "created", header: "Creation time", cell: (group) => when(group.creationTime), text: (group) => group.creationTime ?? 0 },
        ]}
        create={<Button onClick={() => setCreating(true)}>Create log group</Button>}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete
            </Button>
            <Button variant="primary" onClick={() => setCreating(true)}>
              Create log group
            </Button>
          </SpaceBetween>
        )}
      />
      {creating && (
        <CreateLogGroup
          onClose={() => setCreating(false)}
          onCreate={async (name) => {
            const made = await flash.attempt({ doing: `create log group ${name}`, done: `Log group "${name}" was created.` }, () =>
              logs.send(new CreateLogGroupCommand({ logGroupName: name })),
            );
            if (made) setCreating(false);
            await live.refresh();
          }}
        />
      )}
      {deleting && (
        <ConfirmModal
          title="Delete log groups"
          action="Delete"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const group of deleting) await logs.send(new DeleteLogGroupCommand({ logGroupName: group.logGroupName }));
            flash.success(`Deleted ${deleting.length} log group${deleting.length > 1 ? "s" : ""}.`);
            await live.refresh();
          }}
        >
          All their events are deleted with them: <b>{deleting.map((group) => group.logGroupName).join(", ")}</b>
        </ConfirmModal>
      )}
    </>
  );
}

function CreateLogGroup({ onCreate, onClose }: { onCreate(name: string): Promise<void>; onClose(): void }) {
  const [name, setName] = useState("");
  return (
    <Modal
      visible
      header="Create log group"
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" disabled={!name} onClick={() => void onCreate(name)}>
              Create
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <FormField label="Log group name">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="/my/app" />
      </FormField>
    </Modal>
  );
}
