import { applyMode, Mode } from "@cloudscape-design/global-styles";

export type Theme = "light" | "dark";

const KEY = "undercast.theme";

/** The theme chosen before, else the system's. */
export function storedTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  if (stored === "light" || stored === "dark") return stored;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme(theme: Theme): void {
  applyMode(theme === "dark" ? Mode.Dark : Mode.Light);
  document.documentElement.style.colorScheme = theme;
}

const listeners = new Set<() => void>();

/** Be told when another theme is chosen; returns what ends that. For what Cloudscape does not paint. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme(theme);
  listeners.forEach((listener) => listener());
}
