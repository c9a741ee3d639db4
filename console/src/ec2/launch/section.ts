import type { Plan } from "./plan";

/** What every section of the launch page gets. */
export interface SectionProps {
  plan: Plan;
  change(changes: Partial<Plan>): void;
}
