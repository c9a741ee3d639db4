import "@cloudscape-design/global-styles/index.css";
import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router-dom";
import { App } from "./app/App";
import { reloadWhenCodeIsGone } from "./app/reload";
import { applyTheme, storedTheme } from "./app/theme";

applyTheme(storedTheme());
reloadWhenCodeIsGone();

createRoot(document.getElementById("root")!).render(
  <I18nProvider locale="en" messages={[messages]}>
    <BrowserRouter basename="/console">
      <App />
    </BrowserRouter>
  </I18nProvider>,
);
