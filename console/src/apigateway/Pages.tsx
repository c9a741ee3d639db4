import { Navigate, Route, Routes } from "react-router-dom";
import { ApiPage } from "./ApiPage";
import { Apis } from "./Apis";

/** The pages of API Gateway. */
export default function Pages() {
  return (
    <Routes>
      <Route index element={<Navigate to="apis" replace />} />
      <Route path="apis" element={<Apis />} />
      <Route path="apis/:id" element={<ApiPage />} />
    </Routes>
  );
}
