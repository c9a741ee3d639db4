import { EC2Client, type Instance, type InstanceStatus, paginateDescribeInstances, paginateDescribeInstanceStatus } from "@aws-sdk/client-ec2";
import { useClient } from "../aws/clients";
import { allPages, type Live, useLive } from "../aws/useLive";

export interface InstanceRow extends Instance {
  status?: InstanceStatus;
}

/** Instances with their status checks; fresh every few seconds, for states change by themselves. */
export function useInstances(ids?: string[]): Live<InstanceRow[]> {
  const ec2 = useClient(EC2Client);
  return useLive(
    async () => {
      const [reservations, statuses] = await Promise.all([
        allPages(paginateDescribeInstances({ client: ec2 }, { InstanceIds: ids }), (page) => page.Reservations),
        allPages(paginateDescribeInstanceStatus({ client: ec2 }, { InstanceIds: ids }), (page) => page.InstanceStatuses),
      ]);
      const byId = new Map(statuses.map((one) => [one.InstanceId, one]));
      return reservations.flatMap((one) => one.Instances ?? []).map((one): InstanceRow => ({ ...one, status: byId.get(one.InstanceId) }));
    },
    [ec2, ids?.join()],
    3000,
  );
}

/** "2/2 checks passed", as the console says it. */
export function checks(row: InstanceRow): string {
  if (row.State?.Name !== "running" || !row.status) return "–";
  const both = [row.status.InstanceStatus?.Status, row.status.SystemStatus?.Status];
  if (both.includes("initializing")) return "Initializing";
  return `${both.filter((one) => one === "ok").length}/2 checks passed`;
}
