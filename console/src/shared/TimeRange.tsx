import { SegmentedControl } from "@cloudscape-design/components";

const RANGES = [
  { id: "60", text: "1h" },
  { id: "180", text: "3h" },
  { id: "720", text: "12h" },
  { id: "1440", text: "1d" },
  { id: "10080", text: "1w" },
];

/** How far back to look, in minutes. */
export function TimeRange({ minutes, onChange }: { minutes: number; onChange(minutes: number): void }) {
  return (
    <SegmentedControl
      label="Time range"
      selectedId={String(minutes)}
      options={RANGES}
      onChange={({ detail }) => onChange(Number(detail.selectedId))}
    />
  );
}
