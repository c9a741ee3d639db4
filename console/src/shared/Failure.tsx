import { Alert } from "@cloudscape-design/components";
import { awsError } from "../aws/errors";

/** AWS's code and message of what was thrown, beside the button that did it; nothing where nothing was. */
export function Failure({ error }: { error: unknown }) {
  if (error === undefined) return null;
  const { code, message } = awsError(error);
  return (
    <Alert type="error" header={code}>
      {message}
    </Alert>
  );
}
