/** The methods a route can have; ANY stands for all of them. */
export const METHODS = ["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
