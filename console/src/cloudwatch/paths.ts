/** The address of a log group's page. */
export function groupPath(group: string): string {
  return `/cloudwatch/log-groups/${encodeURIComponent(group)}`;
}

/** The address of the events of a stream, or of all streams of a group. */
export function eventsPath(group: string, stream?: string): string {
  return stream === undefined ? `${groupPath(group)}/events` : `${groupPath(group)}/streams/${encodeURIComponent(stream)}`;
}
