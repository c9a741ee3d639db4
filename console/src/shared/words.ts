/** The plural of a noun of AWS's: "addresses", "policies", "instances". */
export function plural(noun: string): string {
  if (/(s|x|ch)$/.test(noun)) return `${noun}es`;
  return noun.replace(/([^aeiou])y$/, "$1ie") + "s";
}

/** The entries of a text that are separated by commas. */
export function list(text: string): string[] {
  return text.split(",").map((one) => one.trim()).filter(Boolean);
}
