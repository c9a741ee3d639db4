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

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme(theme);
}
