import { Box, Container, Header, SpaceBetween, StatusIndicator } from "@cloudscape-design/components";
import { Details } from "../../shared/details";
import type { Answer } from "./request";

/** What the API answered: status, time, headers, body. */
export function Response({ answer }: { answer: Answer }) {
  return (
    <Container header={<Header variant="h2">Response</Header>}>
      <SpaceBetween size="l">
        <Details
          items={[
            [
              "Status",
              <StatusIndicator type={answer.status >= 400 ? "error" : "success"}>
                {answer.status} {answer.statusText}
              </StatusIndicator>,
            ],
            ["Time", `${answer.milliseconds.toFixed(1)} ms`],
            ["Size", `${new TextEncoder().encode(answer.body).length.toLocaleString()} bytes`],
          ]}
        />
        <div>
          <Box variant="awsui-key-label">Response body</Box>
          <pre aria-label="Response body" tabIndex={0} style={{ margin: 0, maxHeight: 400, overflow: "auto", whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {pretty(answer.body) || "(empty)"}
          </pre>
        </div>
        <Details columns={2} items={answer.headers} />
      </SpaceBetween>
    </Container>
  );
}

/** JSON with indentation, anything else as it is. */
function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
