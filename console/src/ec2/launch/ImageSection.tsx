import type { Image } from "@aws-sdk/client-ec2";
import { Box, Cards, Container, Header, TextFilter } from "@cloudscape-design/components";
import { useState } from "react";
import type { Live } from "../../aws/useLive";
import type { SectionProps } from "./section";

/** The catalogue of images, with a search. */
export function ImageSection({ plan, change, images }: SectionProps & { images: Live<Image[]> }) {
  const [search, setSearch] = useState("");
  const all = images.data ?? [];
  const wanted = search.toLowerCase();
  const shown = all.filter((image) => [image.Name, image.Description, image.ImageId].some((text) => text?.toLowerCase().includes(wanted)));
  return (
    <Container header={<Header variant="h2">Application and OS images (Amazon Machine Image)</Header>}>
      <Cards
        items={shown}
        trackBy="ImageId"
        selectionType="single"
        selectedItems={all.filter((image) => image.ImageId === plan.imageId)}
        onSelectionChange={({ detail }) => change({ imageId: detail.selectedItems[0]?.ImageId })}
        loading={images.loading}
        loadingText="Loading images"
        cardsPerRow={[{ cards: 1 }, { minWidth: 600, cards: 2 }]}
        ariaLabels={{ itemSelectionLabel: (_, image) => image.Name ?? image.ImageId ?? "image", selectionGroupLabel: "Images" }}
        filter={<TextFilter filteringText={search} filteringPlaceholder="Search our catalog" filteringAriaLabel="Search images" onChange={({ detail }) => setSearch(detail.filteringText)} />}
        cardDefinition={{
          header: (image) => image.Name,
          sections: [
            { id: "id", content: (image) => image.ImageId },
            { id: "description", content: (image) => image.Description ?? "" },
            { id: "facts", content: (image) => `${image.Architecture}, root device ${image.RootDeviceName}` },
          ],
        }}
        empty={<Box color="text-body-secondary">{images.error ? `${images.error.code}: ${images.error.message}` : "No images. `undercast setup` builds the default one."}</Box>}
      />
    </Container>
  );
}
