import { ColumnLayout, Container, FormField, Header, Input } from "@cloudscape-design/components";
import type { SectionProps } from "./section";

export function NameSection({ plan, change }: SectionProps) {
  return (
    <Container header={<Header variant="h2">Name and tags</Header>}>
      <ColumnLayout columns={2}>
        <FormField label="Name">
          <Input value={plan.name} onChange={({ detail }) => change({ name: detail.value })} placeholder="e.g. My Web Server" autoFocus />
        </FormField>
        <FormField label="Number of instances">
          <Input type="number" value={String(plan.count)} onChange={({ detail }) => change({ count: Math.max(1, Number(detail.value)) })} />
        </FormField>
      </ColumnLayout>
    </Container>
  );
}
