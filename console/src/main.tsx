import "@cloudscape-design/global-styles/index.css";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router-dom";
import { App } from "./app/App";
import { applyTheme, storedTheme } from "./app/theme";

applyTheme(storedTheme());

createRoot(document.getElementById("root")!).render(
  <BrowserRouter basename="/console">
    <App />
  </BrowserRouter>,
);
