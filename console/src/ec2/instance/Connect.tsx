import { Alert, Button, Container, FormField, Header, Input, SpaceBetween, Tabs, Toggle } from "@cloudscape-design/components";
import { useState } from "react";
import { useParams } from "react-router-dom";
import { Copyable, Loaded } from "../../shared/details";
import { useInstances } from "../useInstances";
import { Terminal } from "./Terminal";

/** Ways into an instance: a terminal in the browser, and the exact ssh command. */
export default function Connect() {
  const id = useParams().id!;
  const live = useInstances([id]);
  const [user, setUser] = useState("ec2-user");
  // How many terminals were opened: each is a session of its own.
  const [count, setCount] = useState(0);
  const [state, setState] = useState<"none" | "open" | "ended">("none");

  const [readAloud, setReadAloud] = useState(false);

  function connect() {
    setCount(count + 1);
    setState("open");
  }

  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={`Connect to your instance ${id} using any of these options.`}>
        Connect to instance
      </Header>
      <Loaded live={live}>
        {([instance]) => {
          const host = instance.PublicDnsName || instance.PublicIpAddress || instance.PrivateIpAddress;
          const key = instance.KeyName ? `${instance.KeyName}.pem` : "KEY.pem";
          return (
            <Tabs
              tabs={[
                {
                  id: "browser",
                  label: "EC2 Instance Connect",
                  content: (
                    <Container>
                      <SpaceBetween size="m">
                        <FormField label="Username" description="The default user name of the image.">
                          <Input value={user} disabled={state === "open"} onChange={({ detail }) => setUser(detail.value)} />
                        </FormField>
                        {state !== "none" ? (
                          <>
                            <Terminal key={count} instanceId={id} user={user} readAloud={readAloud} onClosed={() => setState("ended")} />
                            <SpaceBetween direction="horizontal" size="m" alignItems="center">
                              {state === "open" ? <Button onClick={() => setState("none")}>Disconnect</Button> : <Button onClick={connect}>Reconnect</Button>}
                              <Toggle checked={readAloud} onChange={({ detail }) => setReadAloud(detail.checked)}>
                                Screen reader support
                              </Toggle>
                            </SpaceBetween>
                          </>
                        ) : (
                          <>
                            <Alert type="info">The security group has to let port 22 in from this machine.</Alert>
                            <Button variant="primary" disabled={!user || instance.State?.Name !== "running"} onClick={connect}>
                              Connect
                            </Button>
                          </>
                        )}
                      </SpaceBetween>
                    </Container>
                  ),
                },
                {
                  id: "ssh",
                  label: "SSH client",
                  content: (
                    <Container header={<Header variant="h2">Instance ID {id}</Header>}>
                      <ol>
                        <li>Open an SSH client.</li>
                        <li>
                          Locate your private key file. The key used to launch this instance is <code>{key}</code>
                        </li>
                        <li>
                          Run this command, if necessary, to ensure your key is not publicly viewable: <Copyable text={`chmod 400 "${key}"`} />
                        </li>
                        <li>
                          Connect to your instance using its public DNS: <Copyable text={host} />
                        </li>
                      </ol>
                      Example: <Copyable text={`ssh -i "${key}" ${user}@${host}`} />
                    </Container>
                  ),
                },
              ]}
            />
          );
        }}
      </Loaded>
    </SpaceBetween>
  );
}
