import { Box, Button, Container, Header, Link, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { Details, Loaded, ToPage } from "../../shared/details";
import { AddTrigger } from "../AddTrigger";
import { useTriggers } from "../Overview";
import type { PartProps } from "./Configuration";

/** What invokes the function over HTTP. */
export function Triggers({ view, onChanged }: PartProps) {
  const live = useTriggers(view);
  const [adding, setAdding] = useState(false);
  return (
    <Container
      header={
        <Header variant="h2" counter={live.data && `(${live.data.length})`} actions={<Button onClick={() => setAdding(true)}>Add trigger</Button>}>
          Triggers
        </Header>
      }
    >
      <Loaded live={live}>
        {(triggers) => (
          <SpaceBetween size="m">
            {!triggers.length && <Box color="text-body-secondary">No triggers</Box>}
            {triggers.map((trigger) => (
              <Details
                key={trigger.url}
                columns={2}
                items={[
                  ["Trigger", trigger.apiId ? <ToPage to={`/apigateway/apis/${trigger.apiId}`}>{trigger.kind}</ToPage> : trigger.kind],
                  [
                    "API endpoint",
                    <Link href={trigger.url} external externalIconAriaLabel="Opens in a new tab">
                      {trigger.url}
                    </Link>,
                  ],
                ]}
              />
            ))}
          </SpaceBetween>
        )}
      </Loaded>
      {adding && (
        <AddTrigger
          view={view}
          onClose={() => setAdding(false)}
          onAdded={() => {
            setAdding(false);
            void onChanged();
          }}
        />
      )}
    </Container>
  );
}
