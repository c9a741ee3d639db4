import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// scripts/console moves what is built into the Python package, which serves it at /console.
export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { "/": { target: "http://127.0.0.1:4566", bypass: (request) => (request.url?.startsWith("/console") ? request.url : null) } } },
});
