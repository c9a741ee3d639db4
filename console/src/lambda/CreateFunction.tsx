import { IAMClient, paginateListRoles } from "@aws-sdk/client-iam";
import { CreateFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  Button,
  Checkbox,
  Container,
  ExpandableSection,
  Form,
  FormField,
  Header,
  Input,
  RadioGroup,
  Select,
  SpaceBetween,
} from "@cloudscape-design/components";
import { strToU8, zipSync } from "fflate";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { Failure } from "../shared/Failure";
import { useFlash } from "../shared/flash";
import { useAction } from "../shared/useAction";
import { createBasicRole, deleteBasicRole } from "./role";
import { RUNTIMES } from "./runtimes";
import { createUrl } from "./url";

/** Create a function from scratch: name, runtime, and a role that is made for it. */
export function CreateFunction() {
  const lambda = useClient(LambdaClient);
  const iam = useClient(IAMClient);
  const flash = useFlash();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [runtime, setRuntime] = useState("python3.13");
  const [ownRole, setOwnRole] = useState("new");
  const [role, setRole] = useState<string>();
  const [withUrl, setWithUrl] = useState(false);
  const { run, busy, error } = useAction();
  const roles = useLive(() => allPages(paginateListRoles({ client: iam }, {}), (page) => page.Roles), [iam], 30_000);
  const nameError = name && !/^[a-zA-Z0-9-_]{1,64}$/.test(name) ? "Use only letters, numbers, hyphens, or underscores with no spaces." : "";

  async function create() {
    const choice = RUNTIMES.find((one) => one.value === runtime)!;
    const roleArn = ownRole === "new" ? await createBasicRole(iam, name) : role;
    // A bootstrap has to be executable: 0755 of a regular file, in the upper half of Unix attributes.
    const file: [Uint8Array, { attrs: number; os: number }] = [strToU8(choice.template), { attrs: 0o100755 << 16, os: 3 }];
    try {
      await lambda.send(
        new CreateFunctionCommand({
          FunctionName: name,
          Runtime: choice.value as never,
          Handler: choice.handler,
          Role: roleArn,
          Code: { ZipFile: zipSync({ [choice.file]: file }) },
        }),
      );
    } catch (refused) {
      if (ownRole === "new") await deleteBasicRole(iam, roleArn!);
      throw refused;
    }
    if (withUrl) await createUrl(lambda, { FunctionName: name }, "NONE");
    flash.success(
      `Successfully created the function ${name}. You can now change its code and configuration. To invoke your function with a test event, choose "Test".`,
    );
    navigate(`/lambda/functions/${name}`);
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (name && !nameError) void run(create);
      }}
    >
      <Form
        header={
          <Header variant="h1" description="Author from scratch: start with a simple Hello World example.">
            Create function
          </Header>
        }
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => navigate("/lambda/functions")}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!name || !!nameError || (ownRole === "existing" && !role)}>
              Create function
            </Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Basic information</Header>}>
            <SpaceBetween size="l">
              <FormField label="Function name" description="Enter a name that describes the purpose of your function." errorText={nameError}>
                <Input value={name} onChange={({ detail }) => setName(detail.value)} placeholder="myFunctionName" autoFocus />
              </FormField>
              <FormField label="Runtime" description="Choose the language to use to write your function.">
                <Select
                  selectedOption={RUNTIMES.find((one) => one.value === runtime) ?? null}
                  options={RUNTIMES.map(({ value, label }) => ({ value, label }))}
                  onChange={({ detail }) => setRuntime(detail.selectedOption.value!)}
                  filteringType="auto"
                />
              </FormField>
            </SpaceBetween>
          </Container>
          <Container header={<Header variant="h2">Permissions</Header>}>
            <SpaceBetween size="l">
              <FormField label="Execution role">
                <RadioGroup
                  value={ownRole}
                  onChange={({ detail }) => setOwnRole(detail.value)}
                  items={[
                    { value: "new", label: "Create a new role with basic Lambda permissions" },
                    { value: "existing", label: "Use an existing role" },
                  ]}
                />
              </FormField>
              {ownRole === "existing" && (
                <FormField label="Existing role" errorText={roles.error?.message}>
                  <Select
                    selectedOption={role ? { value: role, label: role } : null}
                    options={(roles.data ?? []).map((one) => ({ value: one.Arn, label: one.RoleName, description: one.Arn }))}
                    onChange={({ detail }) => setRole(detail.selectedOption.value)}
                    filteringType="auto"
                    placeholder="Choose a role"
                    empty="There is no role yet"
                  />
                </FormField>
              )}
            </SpaceBetween>
          </Container>
          <ExpandableSection variant="container" headerText="Additional configurations">
            <Checkbox
              checked={withUrl}
              onChange={({ detail }) => setWithUrl(detail.checked)}
              description="A dedicated HTTP endpoint for the function, open to everyone who reaches this cloud."
            >
              Enable function URL
            </Checkbox>
          </ExpandableSection>
          <Failure error={error} />
        </SpaceBetween>
      </Form>
    </form>
  );
}
