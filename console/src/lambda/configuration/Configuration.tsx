import { Grid, SideNavigation } from "@cloudscape-design/components";
import type { ReactNode } from "react";
import type { FunctionView } from "../function";
import { Asynchronous } from "./Asynchronous";
import { Concurrency } from "./Concurrency";
import { Environment } from "./Environment";
import { FunctionUrl } from "./FunctionUrl";
import { General } from "./General";
import { Permissions } from "./Permissions";
import { Tags } from "./Tags";
import { Triggers } from "./Triggers";

export interface PartProps {
  view: FunctionView;
  onChanged(): Promise<void>;
}

const PARTS: { id: string; text: string; Part: (props: PartProps) => ReactNode }[] = [
  { id: "general", text: "General configuration", Part: General },
  { id: "triggers", text: "Triggers", Part: Triggers },
  { id: "permissions", text: "Permissions", Part: Permissions },
  { id: "url", text: "Function URL", Part: FunctionUrl },
  { id: "environment", text: "Environment variables", Part: Environment },
  { id: "concurrency", text: "Concurrency", Part: Concurrency },
  { id: "asynchronous", text: "Asynchronous invocation", Part: Asynchronous },
  { id: "tags", text: "Tags", Part: Tags },
];

/** The Configuration tab: a part for each subject. */
export function Configuration({ part, onPart, ...rest }: PartProps & { part: string | undefined; onPart(part: string): void }) {
  const shown = PARTS.find((one) => one.id === part) ?? PARTS[0];
  return (
    <Grid gridDefinition={[{ colspan: { default: 12, s: 3 } }, { colspan: { default: 12, s: 9 } }]}>
      <SideNavigation
        activeHref={`#${shown.id}`}
        items={PARTS.map(({ id, text }) => ({ type: "link", text, href: `#${id}` }))}
        onFollow={(event) => {
          event.preventDefault();
          onPart(event.detail.href.slice(1));
        }}
      />
      <shown.Part {...rest} />
    </Grid>
  );
}
