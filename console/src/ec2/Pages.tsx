import { lazy } from "react";
import { Navigate, Route, Routes } from "react-router-dom";
import { Addresses } from "./Addresses";
import { Dashboard } from "./Dashboard";
import { Images } from "./Images";
import { InstancePage } from "./instance/InstancePage";
import { Instances } from "./Instances";
import { InstanceTypes } from "./InstanceTypes";
import { KeyPairs } from "./KeyPairs";
import { LaunchTemplates } from "./LaunchTemplates";
import { SecurityGroupPage } from "./security/SecurityGroupPage";
import { SecurityGroups } from "./security/SecurityGroups";
import { Snapshots } from "./Snapshots";
import { SpotRequests } from "./SpotRequests";
import { Volumes } from "./Volumes";
import { Vpcs } from "./Vpcs";

const LaunchInstance = lazy(() => import("./launch/LaunchInstance"));
const Connect = lazy(() => import("./instance/Connect"));

/** The pages of EC2. */
export default function Pages() {
  return (
    <Routes>
      <Route index element={<Navigate to="dashboard" replace />} />
      <Route path="dashboard" element={<Dashboard />} />
      <Route path="instances" element={<Instances />} />
      <Route path="instances/:id" element={<InstancePage />} />
      <Route path="instances/:id/connect" element={<Connect />} />
      <Route path="launch" element={<LaunchInstance />} />
      <Route path="instance-types" element={<InstanceTypes />} />
      <Route path="launch-templates" element={<LaunchTemplates />} />
      <Route path="spot-requests" element={<SpotRequests />} />
      <Route path="images" element={<Images />} />
      <Route path="volumes" element={<Volumes />} />
      <Route path="snapshots" element={<Snapshots />} />
      <Route path="security-groups" element={<SecurityGroups />} />
      <Route path="security-groups/:id" element={<SecurityGroupPage />} />
      <Route path="addresses" element={<Addresses />} />
      <Route path="key-pairs" element={<KeyPairs />} />
      <Route path="vpcs" element={<Vpcs />} />
    </Routes>
  );
}
