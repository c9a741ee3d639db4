import { DeleteFunctionCommand, LambdaClient, paginateListFunctions } from "@aws-sdk/client-lambda";
import { Button } from "@cloudscape-design/components";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { bytes, ToPage, when } from "../shared/details";
import { RemoveButton } from "../shared/RemoveButton";
import { ResourceTable } from "../shared/ResourceTable";
import { runtimeLabel } from "./runtimes";

/** The list of functions. */
export function Functions() {
  const lambda = useClient(LambdaClient);
  const navigate = useNavigate();
  const live = useLive(() => allPages(paginateListFunctions({ client: lambda }, {}), (page) => page.Functions), [lambda]);

  return (
    <ResourceTable
      title="Functions"
      noun="function"
      variant="full-page"
      live={live}
      id={(one) => one.FunctionName!}
      selection="multi"
      columns={[
        {
          id: "name",
          header: "Function name",
          cell: (one) => <ToPage to={`/lambda/functions/${one.FunctionName}`}>{one.FunctionName}</ToPage>,
          text: (one) => one.FunctionName,
        },
        { id: "description", header: "Description", text: (one) => one.Description },
        { id: "package", header: "Package type", text: (one) => one.PackageType },
        { id: "runtime", header: "Runtime", cell: (one) => runtimeLabel(one.Runtime), text: (one) => one.Runtime },
        { id: "size", header: "Code size", cell: (one) => bytes(one.CodeSize), text: (one) => one.CodeSize, visible: false },
        { id: "modified", header: "Last modified", cell: (one) => when(one.LastModified), text: (one) => one.LastModified },
      ]}
      create={
        <Button variant="primary" onClick={() => navigate("/lambda/create")}>
          Create function
        </Button>
      }
      actions={(selected) => (
        <RemoveButton
          items={selected}
          noun="function"
          name={(one) => one.FunctionName!}
          typed="confirm"
          remove={(one) => lambda.send(new DeleteFunctionCommand({ FunctionName: one.FunctionName }))}
          onChanged={live.refresh}
        >
          Code, versions and aliases are deleted with it. The log group stays.
        </RemoveButton>
      )}
    />
  );
}
