import { Checkbox, ColumnLayout, Container, FormField, Header, Input } from "@cloudscape-design/components";
import type { SectionProps } from "./section";

export function StorageSection({ plan, change }: SectionProps) {
  return (
    <Container header={<Header variant="h2">Configure storage</Header>}>
      <ColumnLayout columns={2}>
        <FormField label="Root volume (GiB)" description={`${plan.rootDevice}, gp3`}>
          <Input type="number" value={String(plan.rootGib)} onChange={({ detail }) => change({ rootGib: Math.max(1, Number(detail.value)) })} />
        </FormField>
        <Checkbox checked={plan.deleteRoot} onChange={({ detail }) => change({ deleteRoot: detail.checked })}>
          Delete on termination
        </Checkbox>
      </ColumnLayout>
    </Container>
  );
}
