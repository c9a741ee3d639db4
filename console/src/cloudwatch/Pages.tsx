/** The pages of the service. */
export default function Pages() {
  return null;
}
