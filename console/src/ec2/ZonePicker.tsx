import { DescribeAvailabilityZonesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { FormField, Select } from "@cloudscape-design/components";
import { useEffect } from "react";
import { useClient } from "../aws/clients";
import { useLive } from "../aws/useLive";

/** Choose an availability zone; the first one until another is chosen. */
export function ZonePicker({ value, onChange }: { value: string | undefined; onChange(zone: string): void }) {
  const ec2 = useClient(EC2Client);
  const zones = useLive(async () => (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones ?? [], [ec2], 60_000);
  const first = zones.data?.[0]?.ZoneName;

  useEffect(() => {
    if (!value && first) onChange(first);
  }, [value, first]);

  return (
    <FormField label="Availability Zone" errorText={zones.error?.message}>
      <Select
        selectedOption={value ? { value, label: value } : null}
        options={(zones.data ?? []).map((one) => ({ value: one.ZoneName, label: one.ZoneName }))}
        onChange={({ detail }) => onChange(detail.selectedOption.value!)}
      />
    </FormField>
  );
}
