import type { InstanceTypeInfo } from "@aws-sdk/client-ec2";
import { Container, Header } from "@cloudscape-design/components";
import type { Live } from "../../aws/useLive";
import { InstanceTypePicker } from "../InstanceTypePicker";
import type { SectionProps } from "./section";

export function TypeSection({ plan, change, types }: SectionProps & { types: Live<InstanceTypeInfo[]> }) {
  return (
    <Container header={<Header variant="h2">Instance type</Header>}>
      <InstanceTypePicker types={types} value={plan.instanceType} onChange={(instanceType) => change({ instanceType })} />
    </Container>
  );
}
