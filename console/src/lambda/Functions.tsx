import { DeleteFunctionCommand, type FunctionConfiguration, LambdaClient, paginateListFunctions } from "@aws-sdk/client-lambda";
import { Button, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { useNavigate } from "react-router-dom";
import { useClient } from "../aws/clients";
import { allPages, useLive } from "../aws/useLive";
import { ConfirmModal } from "../shared/ConfirmModal";
import { bytes, ToPage, when } from "../shared/details";
import { useFlash } from "../shared/flash";
import { ResourceTable } from "../shared/ResourceTable";
import { runtimeLabel } from "./runtimes";

/** The list of functions. */
export function Functions() {
  const lambda = useClient(LambdaClient);
  const flash = useFlash();
  const navigate = useNavigate();
  const live = useLive(() => allPages(paginateListFunctions({ client: lambda }, {}), (page) => page.Functions), [lambda]);
  const [deleting, setDeleting] = useState<FunctionConfiguration[]>();
  const create = (
    <Button variant="primary" onClick={() => navigate("/lambda/create")}>
      Create function
    </Button>
  );

  return (
    <>
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
            text: (one) => one.FunctionName!,
          },
          { id: "description", header: "Description", cell: (one) => one.Description || "–", text: (one) => one.Description ?? "" },
          { id: "package", header: "Package type", cell: (one) => one.PackageType, text: (one) => one.PackageType ?? "" },
          { id: "runtime", header: "Runtime", cell: (one) => runtimeLabel(one.Runtime), text: (one) => one.Runtime ?? "" },
          { id: "size", header: "Code size", cell: (one) => bytes(one.CodeSize), text: (one) => one.CodeSize ?? 0, visible: false },
          { id: "modified", header: "Last modified", cell: (one) => when(one.LastModified), text: (one) => one.LastModified ?? "" },
        ]}
        create={create}
        actions={(selected) => (
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={!selected.length} onClick={() => setDeleting(selected)}>
              Delete
            </Button>
            {create}
          </SpaceBetween>
        )}
      />
      {deleting && (
        <ConfirmModal
          title={`Delete ${deleting.length} function${deleting.length > 1 ? "s" : ""}`}
          action="Delete"
          typed="confirm"
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            for (const one of deleting) await lambda.send(new DeleteFunctionCommand({ FunctionName: one.FunctionName }));
            flash.success(`Successfully deleted ${deleting.map((one) => one.FunctionName).join(", ")}.`);
            await live.refresh();
          }}
        >
          Code, versions and aliases are deleted with it: <b>{deleting.map((one) => one.FunctionName).join(", ")}</b>. The log group stays.
        </ConfirmModal>
      )}
    </>
  );
}
