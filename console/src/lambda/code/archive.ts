import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";

/** A deployment package's files, by path. Text is edited; what is no text is kept as it is. */
export type Files = Record<string, Uint8Array>;

export async function download(url: string): Promise<Files> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The code could not be fetched (status ${answer.status}).`);
  const files = unzipSync(new Uint8Array(await answer.arrayBuffer()));
  return Object.fromEntries(Object.entries(files).filter(([path]) => !path.endsWith("/")));
}

/** The text of a file, or undefined when it is none. */
export function textOf(content: Uint8Array): string | undefined {
  if (content.length > 512 * 1024 || content.includes(0)) return undefined;
  return strFromU8(content);
}

export function toBytes(text: string): Uint8Array {
  return strToU8(text);
}

/** A package of the files; all are executable, as a bootstrap has to be. */
export function pack(files: Files): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(files).map(([path, content]) => [path, [content, { attrs: 0o100755 << 16, os: 3 }] as const])) as never);
}
