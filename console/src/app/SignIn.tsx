import { Box, Button, Container, Form, FormField, Header, Input, Select, SpaceBetween } from "@cloudscape-design/components";
import { useEffect, useState } from "react";
import { type Keys, redeem, type Session, signIn } from "../aws/session";
import { Failure } from "../shared/Failure";
import { useAction } from "../shared/useAction";
import { REGIONS } from "./regions";

/** Sign in with an access key, or with the one-time link that `undercast up` prints (`#token=...`). */
export function SignIn({ onSignedIn }: { onSignedIn(session: Session): void }) {
  const [keys, setKeys] = useState<Keys>({ accessKeyId: "", secretAccessKey: "" });
  const [region, setRegion] = useState("us-east-1");
  const { run, busy, error } = useAction();

  const enter = (work: () => Promise<Session>) => run(async () => onSignedIn(await work()));

  useEffect(() => {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return;
    // The token works once and belongs into no history.
    history.replaceState(null, "", location.pathname + location.search);
    void enter(async () => {
      const link = await redeem(token);
      return signIn(link.keys, link.region);
    });
  }, []);

  return (
    <main style={{ maxWidth: 480, margin: "8vh auto", padding: "0 16px" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void enter(() => signIn({ accessKeyId: keys.accessKeyId.trim(), secretAccessKey: keys.secretAccessKey.trim() }, region));
        }}
      >
        <Form actions={<Button variant="primary" formAction="submit" loading={busy}>Sign in</Button>}>
          <Container
            header={
              <Header variant="h1" description="The cloud on your own ground.">
                Sign in to Undercast
              </Header>
            }
          >
            <SpaceBetween size="l">
              <FormField label="Access key ID">
                <Input value={keys.accessKeyId} onChange={({ detail }) => setKeys({ ...keys, accessKeyId: detail.value })} autoFocus spellcheck={false} autoComplete="username" />
              </FormField>
              <FormField label="Secret access key">
                <Input type="password" value={keys.secretAccessKey} onChange={({ detail }) => setKeys({ ...keys, secretAccessKey: detail.value })} autoComplete="current-password" />
              </FormField>
              <FormField label="Region">
                <Select
                  selectedOption={REGIONS.find((one) => one.value === region) ?? null}
                  options={REGIONS}
                  onChange={({ detail }) => setRegion(detail.selectedOption.value!)}
                  filteringType="auto"
                />
              </FormField>
              <Failure error={error} />
              <Box color="text-body-secondary" fontSize="body-s">
                <code>undercast env</code> prints your keys; <code>undercast up</code> prints a link that signs in. The keys stay in this tab and are gone when it is closed.
              </Box>
            </SpaceBetween>
          </Container>
        </Form>
      </form>
    </main>
  );
}
