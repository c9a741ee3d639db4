import { AttributeEditor, Input } from "@cloudscape-design/components";

export type Pair = [string, string];

interface Props {
  pairs: Pair[];
  onChange(pairs: Pair[]): void;
  noun: string;
}

/** Edits names and values: environment variables, tags. */
export function Pairs({ pairs, onChange, noun }: Props) {
  function change(index: number, place: 0 | 1, value: string) {
    onChange(pairs.map((pair, at) => (at === index ? ((place === 0 ? [value, pair[1]] : [pair[0], value]) as Pair) : pair)));
  }
  return (
    <AttributeEditor
      items={pairs}
      addButtonText={`Add ${noun}`}
      removeButtonText="Remove"
      empty={`No ${noun}s`}
      onAddButtonClick={() => onChange([...pairs, ["", ""]])}
      onRemoveButtonClick={({ detail }) => onChange(pairs.filter((_, index) => index !== detail.itemIndex))}
      definition={[
        { label: "Key", control: (pair, index) => <Input value={pair[0]} ariaLabel={`Key ${index + 1}`} onChange={({ detail }) => change(index, 0, detail.value)} /> },
        { label: "Value", control: (pair, index) => <Input value={pair[1]} ariaLabel={`Value ${index + 1}`} onChange={({ detail }) => change(index, 1, detail.value)} /> },
      ]}
    />
  );
}
