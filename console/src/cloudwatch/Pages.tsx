import { Navigate, Route, Routes } from "react-router-dom";
import { LiveTail } from "./LiveTail";
import { LogEvents } from "./LogEvents";
import { LogGroup } from "./LogGroup";
import { LogGroups } from "./LogGroups";
import { Metrics } from "./Metrics";

/** The pages of CloudWatch. Names of groups and streams hold slashes: they are encoded in the address. */
export default function Pages() {
  return (
    <Routes>
      <Route index element={<Navigate to="log-groups" replace />} />
      <Route path="log-groups" element={<LogGroups />} />
      <Route path="log-groups/:group" element={<LogGroup />} />
      <Route path="log-groups/:group/events" element={<LogEvents />} />
      <Route path="log-groups/:group/streams/:stream" element={<LogEvents />} />
      <Route path="live-tail" element={<LiveTail />} />
      <Route path="metrics" element={<Metrics />} />
    </Routes>
  );
}
