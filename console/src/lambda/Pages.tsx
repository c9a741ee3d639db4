import { lazy } from "react";
import { Navigate, Route, Routes } from "react-router-dom";
import { CreateFunction } from "./CreateFunction";
import { Functions } from "./Functions";
import { Layers } from "./Layers";

// With the editor, the largest of all.
const FunctionPage = lazy(() => import("./FunctionPage"));

/** The pages of Lambda. */
export default function Pages() {
  return (
    <Routes>
      <Route index element={<Navigate to="functions" replace />} />
      <Route path="functions" element={<Functions />} />
      <Route path="create" element={<CreateFunction />} />
      <Route path="functions/:name" element={<FunctionPage />} />
      <Route path="layers" element={<Layers />} />
    </Routes>
  );
}
