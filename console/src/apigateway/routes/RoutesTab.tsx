import { Box, Button, Container, Grid, Header, Link, SpaceBetween, TreeView } from "@cloudscape-design/components";
import { useState } from "react";
import type { PartProps } from "../api";
import { CreateRoute } from "./CreateRoute";
import { RouteDetails } from "./RouteDetails";
import { type Node, routeTree } from "./tree";

/** The tree of routes, and beside it the one that is chosen. */
export function RoutesTab({ view, onChanged }: PartProps) {
  const [chosen, setChosen] = useState<string>();
  const [closed, setClosed] = useState<string[]>([]);
  const [creating, setCreating] = useState(false);
  const tree = routeTree(view.routes);
  const route = view.routes.find((one) => one.RouteId === chosen) ?? view.routes[0];
  const create = <Button onClick={() => setCreating(true)}>Create</Button>;

  return (
    <Grid gridDefinition={[{ colspan: { default: 12, s: 5 } }, { colspan: { default: 12, s: 7 } }]}>
      <Container
        header={
          <Header variant="h2" counter={`(${view.routes.length})`} actions={create}>
            Routes
          </Header>
        }
      >
        {tree.length ? (
          <TreeView
            ariaLabel={`Routes of ${view.api.Name}`}
            items={tree}
            getItemId={(node) => node.id}
            getItemChildren={(node) => (node.children.length ? node.children : undefined)}
            expandedItems={inner(tree).filter((id) => !closed.includes(id))}
            onItemToggle={({ detail }) => setClosed(detail.expanded ? closed.filter((id) => id !== detail.id) : [...closed, detail.id])}
            connectorLines="vertical"
            i18nStrings={{ expandButtonLabel: (node) => `Expand ${node.text}`, collapseButtonLabel: (node) => `Collapse ${node.text}` }}
            renderItem={(node) => ({
              announcementLabel: node.text,
              content: node.route ? (
                <Link
                  href={`#${node.id}`}
                  ariaLabel={`Route ${node.route.RouteKey}`}
                  onFollow={(event) => {
                    event.preventDefault();
                    setChosen(node.id);
                  }}
                >
                  <Box variant="span" color="inherit" fontWeight={node.id === route?.RouteId ? "bold" : "normal"}>
                    {node.text}
                  </Box>
                </Link>
              ) : (
                node.text
              ),
            })}
          />
        ) : (
          <SpaceBetween size="s" alignItems="center">
            <Box variant="strong">No routes</Box>
            <Box color="text-body-secondary">A route leads requests of a method and a path to an integration.</Box>
          </SpaceBetween>
        )}
      </Container>
      {route ? (
        <RouteDetails key={route.RouteId} view={view} route={route} onChanged={onChanged} />
      ) : (
        <Container>
          <Box color="text-body-secondary">Create a route to see it here.</Box>
        </Container>
      )}
      {creating && (
        <CreateRoute
          view={view}
          onClose={() => setCreating(false)}
          onCreated={async (id) => {
            setCreating(false);
            await onChanged();
            setChosen(id);
          }}
        />
      )}
    </Grid>
  );
}

/** The nodes that have others below them. */
function inner(nodes: Node[]): string[] {
  return nodes.flatMap((node) => (node.children.length ? [node.id, ...inner(node.children)] : []));
}
