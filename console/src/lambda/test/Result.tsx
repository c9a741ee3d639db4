import type { InvokeCommandOutput } from "@aws-sdk/client-lambda";
import { Alert, Box, ExpandableSection, SpaceBetween } from "@cloudscape-design/components";
import { Details } from "../../shared/details";

/** What an invocation gave back, taken apart. */
export interface Outcome {
  failed: boolean;
  body: string;
  log: string;
  report: Record<string, string>;
  requestId: string | undefined;
  version: string | undefined;
}

export function outcomeOf(answer: InvokeCommandOutput): Outcome {
  const text = new TextDecoder().decode(answer.Payload);
  const log = answer.LogResult ? new TextDecoder().decode(Uint8Array.from(atob(answer.LogResult), (letter) => letter.charCodeAt(0))) : "";
  const line = log.split("\n").find((one) => one.startsWith("REPORT ")) ?? "";
  const report = Object.fromEntries([...line.matchAll(/\t([A-Z][\w ]+): ([^\t]+)/g)].map((found) => [found[1], found[2].trim()]));
  return {
    failed: answer.FunctionError !== undefined,
    body: pretty(text),
    log,
    report,
    requestId: answer.$metadata.requestId,
    version: answer.ExecutedVersion,
  };
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The banner of the Test tab: green or red, with everything below it. */
export function Result({ outcome, name }: { outcome: Outcome; name: string }) {
  return (
    <Alert type={outcome.failed ? "error" : "success"} header={`Executing function ${name}: ${outcome.failed ? "failed" : "succeeded"}`}>
      <ExpandableSection defaultExpanded headerText="Details">
        <SpaceBetween size="m">
          <div>
            <Box variant="awsui-key-label">{outcome.failed ? "The area below shows the error returned by your function." : "The area below shows the result returned by your function execution."}</Box>
            <Code label="Result">{outcome.body}</Code>
          </div>
          <Details
            columns={4}
            items={[
              ["Duration", outcome.report.Duration],
              ["Billed duration", outcome.report["Billed Duration"]],
              ...startOf(outcome.report),
              ["Max memory used", outcome.report["Max Memory Used"]],
              ["Resources configured", outcome.report["Memory Size"]],
              ["Version", outcome.version],
              ["Request ID", outcome.requestId],
            ]}
          />
          <div>
            <Box variant="awsui-key-label">Log output (last 4 KB)</Box>
            <Code label="Log output">{outcome.log}</Code>
          </div>
        </SpaceBetween>
      </ExpandableSection>
    </Alert>
  );
}

/** How long the start of a new environment took; nothing where one was there. */
function startOf(report: Outcome["report"]): [string, string][] {
  if (report["Init Duration"]) return [["Init duration", report["Init Duration"]]];
  return report["Restore Duration"] ? [["Restore duration", report["Restore Duration"]]] : [];
}

function Code({ children, label }: { children: string; label: string }) {
  return (
    <pre aria-label={label} tabIndex={0} style={{ margin: 0, maxHeight: 320, overflow: "auto", whiteSpace: "pre-wrap", overflowWrap: "anywhere", fontSize: 12 }}>
      {children}
    </pre>
  );
}
