import type { Column } from "./ResourceTable";

const [LEAST, MOST] = [90, 420]; // pixels
const PADDING = 44; // of a cell
const ICON = 24; // the arrow of sorting in a header, that of a state in a cell
const LOOKED_AT = 100; // rows

const ink = document.createElement("canvas").getContext("2d")!;

function width(text: string, weight: "normal" | "bold"): number {
  ink.font = `${weight} 14px "Open Sans", "Helvetica Neue", Roboto, Arial, sans-serif`;
  return ink.measureText(text).width;
}

/** How wide each column has to be for its header and what is in it, in pixels, by the columns' ids; within bounds. */
export function columnWidths<T>(columns: Column<T>[], items: T[]): Record<string, number> {
  return Object.fromEntries(
    columns.map((column) => {
      const cells = items.slice(0, LOOKED_AT).map((item) => {
        const cell = column.cell ? column.cell(item) : (column.text?.(item) ?? "");
        const plain = typeof cell === "string" || typeof cell === "number";
        return plain ? width(String(cell), "normal") : width(String(column.text?.(item) ?? ""), "normal") + ICON;
      });
      const needed = Math.max(width(column.header, "bold") + ICON, ...cells) + PADDING;
      return [column.id, Math.round(Math.min(Math.max(needed, LEAST), MOST))];
    }),
  );
}
