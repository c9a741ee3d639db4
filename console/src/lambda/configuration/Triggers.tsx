import { Box, Button, Container, Header, SpaceBetween } from "@cloudscape-design/components";
import { useState } from "react";
import { Details, Loaded, ToPage, ToSite } from "../../shared/details";
import { AddTrigger } from "../overview/AddTrigger";
import { useTriggers } from "../overview/useTriggers";
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
          <SpaceBetween size="l">
            {!triggers.length && <Box color="text-body-secondary">No triggers</Box>}
            {triggers.map((trigger) => (
              <Details
                key={trigger.url + trigger.route}
                columns={2}
                items={[
                  [
                    trigger.kind,
                    trigger.apiId ? (
                      <ToPage to={`/apigateway/apis/${trigger.apiId}`}>
                        {trigger.name} ({trigger.apiId})
                      </ToPage>
                    ) : (
                      view.name
                    ),
                  ],
                  [trigger.apiId ? "API endpoint" : "URL", <ToSite url={trigger.url} />],
                  ["Authorization", trigger.authorization],
                  ...(trigger.route ? [["Route", trigger.route] as [string, string]] : []),
                ]}
              />
            ))}
          </SpaceBetween>
        )}
      </Loaded>
      {adding && <AddTrigger view={view} onClose={() => setAdding(false)} onAdded={onChanged} />}
    </Container>
  );
}
