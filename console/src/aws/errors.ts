/** AWS's code and message of whatever was thrown. */
export function awsError(error: unknown): { code: string; message: string } {
  if (error instanceof Error) {
    const code = (error as { Code?: string }).Code ?? error.name;
    return { code: code === "TypeError" ? "NetworkError" : code, message: error.message || "The cloud did not answer." };
  }
  return { code: "Error", message: String(error) };
}

/** For `catch`: that there is none is no failure. Throws any other error. */
export function unlessAbsent(error: Error): undefined {
  if (!["ResourceNotFoundException", "NotFoundException"].includes(error.name)) throw error;
}
