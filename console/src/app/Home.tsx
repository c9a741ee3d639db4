import { Cards, ContentLayout, Header } from "@cloudscape-design/components";
import { ToPage } from "../shared/details";
import { SERVICES } from "./services";

/** The console's first page: the services. */
export function Home() {
  return (
    <ContentLayout header={<Header variant="h1" description="Servers and functions on your own ground.">Console home</Header>}>
      <Cards
        items={SERVICES}
        trackBy="path"
        cardsPerRow={[{ cards: 1 }, { minWidth: 600, cards: 2 }]}
        ariaLabels={{ itemSelectionLabel: (_, item) => item.name, selectionGroupLabel: "Services" }}
        cardDefinition={{
          header: (service) => <ToPage to={service.path}>{service.name}</ToPage>,
          sections: [{ id: "description", content: (service) => service.description }],
        }}
      />
    </ContentLayout>
  );
}
