import { Button, Container, FormField, Header, Input, Select } from "@cloudscape-design/components";
import { useState } from "react";
import { Details } from "../../shared/details";
import type { PartProps } from "./Configuration";
import { EditModal } from "../../shared/EditModal";
import { useConfigurationUpdate } from "./useConfigurationUpdate";

const SNAP_START = [
  { value: "None", label: "None" },
  { value: "PublishedVersions", label: "PublishedVersions" },
];

/** Memory, timeout, ephemeral storage, SnapStart, description. */
export function General(props: PartProps) {
  const { configuration } = props.view;
  const [editing, setEditing] = useState(false);
  return (
    <Container
      header={
        <Header variant="h2" actions={<Button onClick={() => setEditing(true)}>Edit</Button>}>
          General configuration
        </Header>
      }
    >
      <Details
        items={[
          ["Description", configuration.Description || undefined],
          ["Memory", `${configuration.MemorySize} MB`],
          ["Ephemeral storage", `${configuration.EphemeralStorage?.Size} MB`],
          ["Timeout", `${Math.floor((configuration.Timeout ?? 0) / 60)} min ${(configuration.Timeout ?? 0) % 60} sec`],
          ["SnapStart", configuration.SnapStart?.ApplyOn],
          ["Execution role", configuration.Role],
        ]}
      />
      {editing && <Edit {...props} onClose={() => setEditing(false)} />}
    </Container>
  );
}

function Edit({ onClose, ...props }: PartProps & { onClose(): void }) {
  const { configuration } = props.view;
  const update = useConfigurationUpdate(props);
  const [description, setDescription] = useState(configuration.Description ?? "");
  const [memory, setMemory] = useState(String(configuration.MemorySize));
  const [storage, setStorage] = useState(String(configuration.EphemeralStorage?.Size));
  const [timeout, setTimeout_] = useState(String(configuration.Timeout));
  const [snapStart, setSnapStart] = useState<string>(configuration.SnapStart?.ApplyOn ?? "None");

  const save = () =>
    update({
      Description: description,
      MemorySize: Number(memory),
      EphemeralStorage: { Size: Number(storage) },
      Timeout: Number(timeout),
      SnapStart: { ApplyOn: snapStart as "None" },
    });

  return (
    <EditModal title="Edit basic settings" onSave={save} onClose={onClose}>
      <FormField label="Description">
        <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
      </FormField>
      <FormField label="Memory (MB)" constraintText="128 to 10240. CPU grows with it: one core at 1,769 MB.">
        <Input type="number" value={memory} onChange={({ detail }) => setMemory(detail.value)} />
      </FormField>
      <FormField label="Ephemeral storage (MB)" constraintText="Size of /tmp: 512 to 10240.">
        <Input type="number" value={storage} onChange={({ detail }) => setStorage(detail.value)} />
      </FormField>
      <FormField label="Timeout (seconds)" constraintText="1 to 900.">
        <Input type="number" value={timeout} onChange={({ detail }) => setTimeout_(detail.value)} />
      </FormField>
      <FormField label="SnapStart" description="Published versions start from a snapshot of their initialised process.">
        <Select
          selectedOption={SNAP_START.find((one) => one.value === snapStart)!}
          options={SNAP_START}
          onChange={({ detail }) => setSnapStart(detail.selectedOption.value!)}
        />
      </FormField>
    </EditModal>
  );
}
