import { FormField, Select } from "@cloudscape-design/components";
import { nameOf } from "./parts";
import { type InstanceRow, useInstances } from "./useInstances";

interface Props {
  value: string | undefined;
  onChange(id: string): void;
  /** Which can be chosen, of those that are not terminated. Default: all. */
  fits?(instance: InstanceRow): boolean;
  description?: string;
}

/** Choose an instance by its ID, name or state. */
export function InstancePicker({ value, onChange, fits = () => true, description }: Props) {
  const instances = useInstances();
  const there = (instances.data ?? []).filter((one) => !["shutting-down", "terminated"].includes(one.State?.Name ?? "") && fits(one));
  return (
    <FormField label="Instance" description={description} errorText={instances.error?.message}>
      <Select
        selectedOption={value ? { value, label: value } : null}
        options={there.map((one) => ({ value: one.InstanceId, label: one.InstanceId, description: nameOf(one), labelTag: one.State?.Name }))}
        onChange={({ detail }) => onChange(detail.selectedOption.value!)}
        filteringType="auto"
        placeholder="Choose an instance"
        statusType={instances.loading ? "loading" : "finished"}
        loadingText="Loading instances"
        empty="No instance fits"
      />
    </FormField>
  );
}
