import type { KeyPairInfo } from "@aws-sdk/client-ec2";
import { Button, Container, FormField, Header, Select } from "@cloudscape-design/components";
import { useState } from "react";
import type { Live } from "../../aws/useLive";
import { CreateKeyPair } from "../KeyPairs";
import type { SectionProps } from "./section";

/** The key pair, which can be made here. */
export function KeyPairSection({ plan, change, keys, missed }: SectionProps & { keys: Live<KeyPairInfo[]>; missed: boolean }) {
  const [creating, setCreating] = useState(false);
  const options = [
    { value: "", label: "Proceed without a key pair (Not recommended)" },
    ...(keys.data ?? []).map((key) => ({ value: key.KeyName, label: key.KeyName, description: key.KeyType })),
  ];
  return (
    <Container header={<Header variant="h2" description="You can use a key pair to securely connect to your instance.">Key pair (login)</Header>}>
      <FormField
        label="Key pair name"
        errorText={keys.error?.message ?? (missed && plan.keyName === undefined && "Choose a key pair, make one, or choose to proceed without one.")}
        secondaryControl={<Button onClick={() => setCreating(true)}>Create new key pair</Button>}>
        <Select
          selectedOption={plan.keyName === undefined ? null : (options.find((one) => one.value === plan.keyName) ?? { value: plan.keyName, label: plan.keyName })}
          options={options}
          onChange={({ detail }) => change({ keyName: detail.selectedOption.value })}
          filteringType="auto"
          placeholder="Select"
        />
      </FormField>
      {creating && (
        <CreateKeyPair
          onClose={() => setCreating(false)}
          onCreated={async (name) => {
            change({ keyName: name });
            await keys.refresh();
          }}
        />
      )}
    </Container>
  );
}
