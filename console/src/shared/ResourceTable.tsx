import { useCollection } from "@cloudscape-design/collection-hooks";
import {
  Box,
  Button,
  CollectionPreferences,
  type CollectionPreferencesProps,
  Header,
  Pagination,
  SpaceBetween,
  Table,
  type TableProps,
  TextFilter,
} from "@cloudscape-design/components";
import { type ReactNode, useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router-dom";
import type { Live } from "../aws/useLive";
import { columnWidths } from "./columnWidths";
import { LiveFailure } from "./Failure";
import { plural } from "./words";

export interface Column<T> {
  id: string;
  header: string;
  /** What is shown. Default: its text, a dash where there is none. */
  cell?(item: T): ReactNode;
  /** What to sort and search by; a column without it cannot be sorted. */
  text?(item: T): string | number | undefined;
  /** Shown until the user chooses otherwise. Default: true. */
  visible?: boolean;
}

interface Props<T> {
  /** "Instances" */
  title: string;
  /** "instance", for the empty state and the search field. */
  noun: string;
  live: Live<T[]>;
  columns: Column<NoInfer<T>>[];
  id(item: NoInfer<T>): string;
  /** Buttons of the header, in a fragment; gets what is selected. */
  actions?(selected: T[]): ReactNode;
  /** The button that makes one: the last of the header, and in the empty list. */
  create?: ReactNode;
  selection?: "single" | "multi";
  selected?: NoInfer<T>[];
  onSelect?(items: T[]): void;
  description?: ReactNode;
  variant?: TableProps.Variant;
}

const PAGE_SIZES = [10, 20, 50, 100].map((value) => ({ value, label: `${value} rows` }));

/** The one list of every page: search (kept in the address), sorting, pages, preferences, empty states, selection. */
export function ResourceTable<T>(props: Props<T>) {
  const { title, noun, live, columns, id, actions, create, selection, description } = props;
  const [address, setAddress] = useSearchParams();
  const [own, setOwn] = useState<T[]>([]);
  const [preferences, setPreferences] = usePreferences(title, columns);
  const all = live.data ?? [];
  const nouns = plural(noun);
  const search = address.get("search") ?? "";
  // Columns begin as wide as what is in them, measured when there is something for the first time.
  const filled = useRef(false);
  filled.current ||= all.length > 0;
  const natural = useMemo(() => columnWidths(columns, all), [filled.current]);

  const { items, filteredItemsCount, collectionProps, filterProps, paginationProps } = useCollection(all, {
    filtering: {
      defaultFilteringText: search,
      filteringFunction: (item, text) => {
        const wanted = text.toLowerCase();
        return columns.some((column) => column.text && String(column.text(item) ?? "").toLowerCase().includes(wanted));
      },
      empty: (
        <SpaceBetween size="s" alignItems="center">
          <Box variant="strong">No {nouns}</Box>
          <Box color="text-body-secondary">There are no {nouns} in this account and region.</Box>
          {create}
        </SpaceBetween>
      ),
      noMatch: (
        <SpaceBetween size="s" alignItems="center">
          <Box variant="strong">No matches</Box>
          <Button onClick={() => filterProps.onChange({ detail: { filteringText: "" } } as never)}>Clear search</Button>
        </SpaceBetween>
      ),
    },
    pagination: { pageSize: preferences.pageSize },
    sorting: {},
    selection: {},
  });

  // What is selected follows the data: an item that changed shows its new state, one that is gone is not selected.
  const chosen = new Set((props.selected ?? own).map(id));
  const selected = all.filter((item) => chosen.has(id(item)));
  const select = (chosenItems: T[]) => (props.onSelect ?? setOwn)(chosenItems);

  return (
    <SpaceBetween size="s">
      <LiveFailure live={live} />
      <Table
        key={String(filled.current)}
        {...collectionProps}
        variant={props.variant ?? "container"}
        items={items}
        trackBy={id}
        loading={live.loading}
        loadingText={`Loading ${nouns}`}
        wrapLines={preferences.wrapLines}
        stripedRows={preferences.stripedRows}
        selectionType={selection}
        selectedItems={selected}
        onSelectionChange={({ detail }) => select(detail.selectedItems)}
        columnDefinitions={columns.map((column) => ({
          id: column.id,
          header: column.header,
          cell: column.cell ?? ((item: T) => shown(column.text?.(item))),
          minWidth: 80,
          width: preferences.widths[column.id] ?? natural[column.id],
          // Which column is sorted is known by this field: the comparators are made anew each time.
          sortingField: column.text && column.id,
          sortingComparator: column.text && ((a: T, b: T) => compare(column.text!(a) ?? "", column.text!(b) ?? "")),
        }))}
        columnDisplay={preferences.contentDisplay}
        resizableColumns
        onColumnWidthsChange={({ detail }) => {
          const shown = preferences.contentDisplay.filter((one) => one.visible);
          setPreferences({ ...preferences, widths: { ...preferences.widths, ...Object.fromEntries(detail.widths.map((width, index) => [shown[index].id, width])) } });
        }}
        ariaLabels={{
          tableLabel: title,
          allItemsSelectionLabel: () => `Select all ${nouns}`,
          itemSelectionLabel: (_, item) => `Select ${id(item)}`,
          selectionGroupLabel: `${title} selection`,
        }}
        header={
          <Header
            variant={props.variant === "full-page" ? "h1" : "h2"}
            counter={live.data && (selected.length ? `(${selected.length}/${all.length})` : `(${all.length})`)}
            description={description}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel={`Refresh ${nouns}`} onClick={() => void live.refresh()} />
                {actions?.(selected)}
                {create}
              </SpaceBetween>
            }
          >
            {title}
          </Header>
        }
        filter={
          <TextFilter
            {...filterProps}
            filteringPlaceholder={`Find ${nouns}`}
            filteringAriaLabel={`Find ${nouns}`}
            countText={filteredItemsCount === undefined ? "" : `${filteredItemsCount} match${filteredItemsCount === 1 ? "" : "es"}`}
            onChange={(event) => {
              filterProps.onChange(event);
              const text = event.detail.filteringText;
              setAddress(
                (old) => {
                  if (text) old.set("search", text);
                  else old.delete("search");
                  return old;
                },
                { replace: true },
              );
            }}
          />
        }
        pagination={
          <Pagination
            {...paginationProps}
            ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (page) => `Page ${page}` }}
          />
        }
        preferences={
          <CollectionPreferences
            title="Preferences"
            confirmLabel="Confirm"
            cancelLabel="Cancel"
            preferences={preferences}
            onConfirm={({ detail }) => setPreferences({ ...preferences, ...detail })}
            pageSizePreference={{ title: "Page size", options: PAGE_SIZES }}
            wrapLinesPreference={{ label: "Wrap lines", description: "Show the whole text of each cell" }}
            stripedRowsPreference={{ label: "Striped rows", description: "Shade every other row" }}
            contentDisplayPreference={{
              title: "Columns",
              options: columns.map((column, index) => ({ id: column.id, label: column.header, alwaysVisible: index === 0 })),
            }}
          />
        }
      />
    </SpaceBetween>
  );
}

function shown(text: string | number | undefined): string | number {
  return text === undefined || text === "" ? "–" : text;
}

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}

interface Preferences extends CollectionPreferencesProps.Preferences {
  pageSize: number;
  contentDisplay: readonly CollectionPreferencesProps.ContentDisplayItem[];
  /** Pixels of the columns that were resized, by the columns' ids. */
  widths: Record<string, number>;
}

/** Preferences of one list, kept in this browser. */
function usePreferences<T>(title: string, columns: Column<T>[]) {
  const key = `undercast.table.${title}`;
  const [preferences, setPreferences] = useState<Preferences>(() => {
    const standard = {
      pageSize: 20,
      wrapLines: false,
      stripedRows: false,
      contentDisplay: columns.map((column) => ({ id: column.id, visible: column.visible ?? true })),
      widths: {},
    };
    const stored = JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Preferences>;
    const known = new Set(columns.map((column) => column.id));
    const kept = stored.contentDisplay?.filter((one) => known.has(one.id));
    return { ...standard, ...stored, contentDisplay: kept?.length === columns.length ? kept : standard.contentDisplay };
  });
  return [
    preferences,
    (chosen: Preferences) => {
      localStorage.setItem(key, JSON.stringify(chosen));
      setPreferences(chosen);
    },
  ] as const;
}
