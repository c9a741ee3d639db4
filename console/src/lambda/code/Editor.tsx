import { javascript } from "@codemirror/lang-javascript";
import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { oneDark } from "@codemirror/theme-one-dark";
import { EditorView, keymap } from "@codemirror/view";
import { basicSetup } from "codemirror";
import { useEffect, useRef } from "react";
import { onTheme, storedTheme } from "../../app/theme";

interface Props {
  /** The file's name: chooses the language. A changed name opens another document. */
  name: string;
  value: string;
  onChange(value: string): void;
  /** Ctrl+S, or Cmd+S. */
  onSave?(): void;
  label: string;
  minHeight?: number;
}

function language(name: string): Extension {
  if (name.endsWith(".py")) return python();
  if (/\.(m|c)?jsx?$/.test(name)) return javascript();
  if (/\.tsx?$/.test(name)) return javascript({ typescript: true });
  if (name.endsWith(".json")) return json();
  return [];
}

// The theme's own background leaves its line numbers and keywords without enough contrast.
const deeper = EditorView.theme(
  {
    "&": { backgroundColor: "#0f141a" },
    ".cm-gutters": { backgroundColor: "#0f141a", color: "#a2b0c4" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "#1b232d" },
  },
  { dark: true },
);

/** A code editor. */
export function Editor({ name, value, onChange, onSave, label, minHeight = 320 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>();
  const handlers = useRef({ onChange, onSave });
  handlers.current = { onChange, onSave };

  useEffect(() => {
    const colors = new Compartment();
    const ofTheme = () => (storedTheme() === "dark" ? [deeper, oneDark] : []);
    view.current = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          basicSetup,
          language(name),
          colors.of(ofTheme()),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.theme({ "&": { fontSize: "13px", minHeight: `${minHeight}px` }, ".cm-scroller": { overflow: "auto" }, ".cm-content, .cm-gutter": { minHeight: `${minHeight}px` } }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) handlers.current.onChange(update.state.doc.toString());
          }),
          keymap.of([
            {
              key: "Mod-s",
              preventDefault: true,
              run: () => {
                handlers.current.onSave?.();
                return true;
              },
            },
          ]),
        ],
      }),
    });
    const forget = onTheme(() => view.current?.dispatch({ effects: colors.reconfigure(ofTheme()) }));
    return () => {
      forget();
      view.current?.destroy();
    };
  }, [name]);

  // A value from outside (another event was chosen, the code was reverted) replaces the document.
  useEffect(() => {
    const current = view.current?.state.doc.toString();
    if (view.current && current !== value) view.current.dispatch({ changes: { from: 0, to: current!.length, insert: value } });
  }, [value]);

  return <div ref={place} style={{ border: "1px solid var(--color-border-divider-default, #8885)", borderRadius: 8, overflow: "hidden" }} />;
}
