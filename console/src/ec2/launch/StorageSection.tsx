import { AttributeEditor, Checkbox, Container, FormField, Header, Input, Select } from "@cloudscape-design/components";
import { VOLUME_TYPES } from "../parts";
import type { Disk } from "./plan";
import type { SectionProps } from "./section";

/** The root volume, and more volumes that are made with the instance. */
export function StorageSection({ plan, change }: SectionProps) {
  function edit(index: number, changed: Partial<Disk>) {
    change({ disks: plan.disks.map((disk, at) => (at === index ? { ...disk, ...changed } : disk)) });
  }
  const named = (index: number) => (index === 0 ? "the root volume" : `volume ${index + 1}`);
  return (
    <Container header={<Header variant="h2">Configure storage</Header>}>
      <FormField description="The first is the root volume. The others are empty: make a file system on them before use." stretch>
        <AttributeEditor
          items={plan.disks}
          addButtonText="Add new volume"
          removeButtonText="Remove"
          isItemRemovable={(disk) => disk !== plan.disks[0]}
          disableAddButton={plan.disks.length > 10}
          onAddButtonClick={() => change({ disks: [...plan.disks, { gib: "8", type: "gp3", deleted: true }] })}
          onRemoveButtonClick={({ detail }) => change({ disks: plan.disks.filter((_, index) => index !== detail.itemIndex) })}
          definition={[
            {
              label: "Size (GiB)",
              control: (disk, index) => <Input type="number" ariaLabel={`Size of ${named(index)}`} value={disk.gib} onChange={({ detail }) => edit(index, { gib: detail.value })} />,
            },
            {
              label: "Volume type",
              control: (disk, index) => (
                <Select
                  ariaLabel={`Type of ${named(index)}`}
                  selectedOption={{ value: disk.type, label: disk.type }}
                  options={VOLUME_TYPES}
                  onChange={({ detail }) => edit(index, { type: detail.selectedOption.value! })}
                />
              ),
            },
            {
              label: "On termination",
              control: (disk, index) => (
                <Checkbox checked={disk.deleted} ariaLabel={`Delete ${named(index)} on termination`} onChange={({ detail }) => edit(index, { deleted: detail.checked })}>
                  Delete
                </Checkbox>
              ),
            },
          ]}
        />
      </FormField>
    </Container>
  );
}
