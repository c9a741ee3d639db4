import { Alert, Button } from "@cloudscape-design/components";
import { awsError } from "../aws/errors";
import type { Live } from "../aws/useLive";

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

/** Why data could not be fetched, or not be fetched again. */
export function LiveFailure({ live }: { live: Live<unknown> }) {
  if (!live.error) return null;
  return (
    <Alert type="error" header={live.error.code} action={<Button onClick={() => void live.refresh()}>Retry</Button>}>
      {live.error.message}
    </Alert>
  );
}
